"""The vocabulary of guarded change and the transaction itself: no tensor, no disk, no web."""
