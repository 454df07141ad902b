"""Adds up what every suite of ./test.sh counted and prints the one line that it ends with.

A suite that broke off counts as a failure even when its report names none: an absent report, or an
exit status that no failed case explains, is never good news.

    python -m tests.tally --suite NAME EXIT_STATUS JUNIT_XML [--suite ...]

`-` as the report stands for a suite without one: it is a single case.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many cases ended in which way."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            passed=self.passed + other.passed,
            failed=self.failed + other.failed,
            skipped=self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def count_report(report: Path) -> Tally:
    """Count the cases of one JUnit file; errors are failures."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1
    return Tally(passed=passed, failed=failed, skipped=skipped)


def count_suite(status: int, report: str) -> Tally:
    """Count one suite by its exit status and its report."""
    if report == "-":
        return Tally(passed=int(status == 0), failed=int(status != 0))
    try:
        tally = count_report(Path(report))
    except (OSError, ElementTree.ParseError):
        return Tally(failed=1)
    if status != 0 and tally.failed == 0:
        return tally + Tally(failed=1)
    return tally


def main(arguments: Iterable[str] | None = None) -> int:
    """Print one line per suite and the sum; return 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", nargs=3, action="append", required=True)
    total = Tally()
    for name, status, report in parser.parse_args(arguments).suite:
        tally = count_suite(int(status), report)
        sys.stdout.write(f"{name}: {tally}\n")
        total += tally
    sys.stdout.write(f"{total}\n")
    return int(total.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
