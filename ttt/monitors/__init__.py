"""Sentry: a model learns from a stream of text, each chunk a monitored transaction.

`gradient.py` holds the loop, `events.py` what it says about each chunk; `documents.py` cuts text
into chunks, `command.py` is the command line; `report.py`, `table.py` and `plot.py` show what
happened.
"""
