"""Bugs planted on purpose, each with the test that must see it."""
