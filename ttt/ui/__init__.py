"""The service as programs: one application, bound to ports."""
