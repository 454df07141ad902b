"""Measurements that the documentation quotes; each module says how to run it."""
