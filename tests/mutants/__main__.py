"""Plants each catalogued bug, in memory, and runs the one test that is named for it.

    python -m tests.mutants [--junit_xml PATH] [WORD ...]

The parent imports the slow libraries once and forks a child per mutant, as many at once as there
are cores (at most eight); the files on disk are never touched. Caught means: the named test ran and
failed. A test that could not be collected caught nothing.

Not covered: code that a test runs in a new interpreter, which reads the true files.
"""

import argparse
import importlib
import importlib.machinery
import multiprocessing
import os
import sys
import tempfile
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree

import numba
import pytest

from tests.mutants.api import API_MUTANTS
from tests.mutants.catalogue import MUTANTS, Mutant
from tests.mutants.chat import CHAT_MUTANTS
from tests.mutants.crash import CRASH_MUTANTS
from tests.mutants.sleep import SLEEP_MUTANTS
from tests.mutants.store import STORE_MUTANTS

ROOT = Path(__file__).resolve().parent.parent.parent
ALL = (
    *MUTANTS,
    *API_MUTANTS,
    *CHAT_MUTANTS,
    *SLEEP_MUTANTS,
    *STORE_MUTANTS,
    *CRASH_MUTANTS,
)
PRELOADED = ("torch", "numpy", "hypothesis", "beartype", "jaxtyping")
TIMEOUT_S = 60
WORKERS_MAX = 8


def mutated_source(mutant: Mutant) -> str:
    """The text of the file with the bug in it.

    Raises:
        ValueError: The passage to replace does not occur exactly once; the code has moved on and
            the catalogue must follow.
    """
    source = (ROOT / mutant.path).read_text()
    if source.count(mutant.old) != 1:
        count = source.count(mutant.old)
        raise ValueError(f"{mutant.path} holds {mutant.old!r} {count} times; one is needed")
    return source.replace(mutant.old, mutant.new)


def plant(path: Path, source: str) -> None:
    """Let every later import in this process see `source` in place of the file at `path`."""
    loader = importlib.machinery.SourceFileLoader
    true_stats, true_data = loader.path_stats, loader.get_data

    def path_stats(self: importlib.machinery.SourceFileLoader, name: str) -> object:
        if Path(name) == path:
            raise OSError("no cached bytecode for a mutant")
        return true_stats(self, name)

    def get_data(self: importlib.machinery.SourceFileLoader, name: str) -> bytes:
        return source.encode() if Path(name) == path else true_data(self, name)

    loader.path_stats, loader.get_data = path_stats, get_data


def run_child(mutant: Mutant, source: str, log: int, cache: str) -> NoReturn:
    """In the forked child: plant the bug, run the test, leave with pytest's exit status."""
    status = int(pytest.ExitCode.INTERNAL_ERROR)
    try:
        os.dup2(log, sys.stdout.fileno())
        os.dup2(log, sys.stderr.fileno())
        plant(ROOT / mutant.path, source)
        if mutant.path.endswith("_numba.py"):  # The machine code kept beside it has no bug in it.
            numba.config.CACHE_DIR = cache
        options = ["-q", "-x", "-p", "no:cacheprovider", f"--timeout={TIMEOUT_S}"]
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what is preloaded
        status = int(pytest.main([*options, mutant.test]))
    except BaseException:  # the parent must hear of it, and no child may return into its loop
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        os._exit(status)


def verdict_on(mutant: Mutant) -> str:
    """Run one mutant; return why it was not caught, or the empty string."""
    try:
        source = mutated_source(mutant)
    except (OSError, ValueError) as error:
        return str(error)
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as cache:
        child = os.fork()
        if child == 0:
            run_child(mutant, source, log.fileno(), cache)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == pytest.ExitCode.TESTS_FAILED:
            return ""
        if status == pytest.ExitCode.OK:
            return f"survived: {mutant.test} passed"
        log.seek(0)
        tail = log.read().decode(errors="replace")[-2000:]
        return f"the test did not run (status {status}): {mutant.test}\n{tail}"


def write_report(path: Path, verdicts: dict[str, str]) -> None:
    """Write the verdicts in the form that test runners share."""
    suite = ElementTree.Element("testsuite", name="mutants")
    for name, reason in verdicts.items():
        case = ElementTree.SubElement(suite, "testcase", classname="mutants", name=name)
        if reason:
            ElementTree.SubElement(case, "failure", message=reason.splitlines()[0])
    ElementTree.ElementTree(suite).write(path, encoding="unicode")


def main(arguments: Iterable[str] | None = None) -> int:
    """Run the mutants whose name holds every given word; return 1 if one was not caught."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--junit_xml", type=Path)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args(arguments)
    os.chdir(ROOT)
    for name in PRELOADED:
        importlib.import_module(name)
    chosen = [one for one in ALL if all(word in one.name for word in options.words)]
    verdicts = {}
    # Forked before anything runs in them, so that each of them can fork on safely.
    with multiprocessing.get_context("fork").Pool(min(WORKERS_MAX, os.cpu_count() or 1)) as workers:
        for mutant, reason in zip(chosen, workers.imap(verdict_on, chosen), strict=True):
            verdicts[mutant.name] = reason
            sys.stdout.write(f"{reason or 'caught'}: {mutant.name}\n")
            sys.stdout.flush()
    if options.junit_xml:
        write_report(options.junit_xml, verdicts)
    missed = sum(bool(reason) for reason in verdicts.values())
    sys.stdout.write(f"{len(verdicts) - missed} of {len(verdicts)} caught\n")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
