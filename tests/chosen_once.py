"""Choices that a process makes once, of an environment variable: made anew for one test."""

import contextlib


@contextlib.contextmanager
def chosen_once(monkeypatch, variable, choice):
    """Yield a function that sets the variable as if the process had started with it.

    Args:
        monkeypatch: The test's.
        variable: Its name.
        choice: The cached function that reads it.
    """

    def start_with(value):
        monkeypatch.setenv(variable, value)
        choice.cache_clear()

    choice.cache_clear()
    try:
        yield start_with
    finally:
        monkeypatch.undo()
        choice.cache_clear()
