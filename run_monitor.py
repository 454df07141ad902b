"""Sentry: read a text while learning from it, and watch, gate and undo each update.

Runs from any working folder, installed or not; `ttt monitor` is the same command.
"""

from ttt.monitors.command import main

if __name__ == "__main__":
    raise SystemExit(main())
