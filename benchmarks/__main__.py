"""Measurements: `python -m benchmarks [suite ...] [--out FOLDER]`; without a name, every suite.

Prints one table after another; `--out` also writes `suite.json` into a folder that exists. Ratios
come from interleaved runs and hold from machine to machine, absolute figures do not.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.report import Tables, markdown, write_json
from ttt.lib.entry import EXIT_OK, run_command
from ttt.store.exports import check_output

SUITES: Final = (
    "speed",
    "products",
    "scan",
    "store",
    "history",
    "generation",
    "training",
    "nano_speed",
    "nano",
    "chat",
    "recall",
    "memory",
    "service",
    "dashboard",
    "sleep",
    "learning",
    "harm",
)
"""Modules of this folder with a function `run() -> Tables`, in the order they run."""


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the suites that were named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="suite", help=f"of: {', '.join(SUITES)}")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write suite.json here too")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(argv)
    if unknown := set(options.suites) - set(SUITES):
        parser.error(f"no suite {', '.join(sorted(unknown))}; there are: {', '.join(SUITES)}")
    if options.out is not None:
        check_output(options.out / "suite.json")  # Before the work, and not after it.
    for suite in options.suites or SUITES:
        tables: Tables = importlib.import_module(f"benchmarks.{suite}").run()
        for title, rows in tables.items():
            print(markdown(title, rows))
        if options.out is not None:
            print(f"\nwritten to {write_json(options.out, suite, tables)}")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
