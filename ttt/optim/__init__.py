"""Optimizers: how a gradient becomes a step, without knowing whose weights they are."""
