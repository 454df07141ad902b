"""The command: a suite by name, or a sentence that says which there are."""

import importlib

from benchmarks.__main__ import SUITES, main
from ttt.lib.entry import EXIT_USAGE


def test_every_suite_that_is_named_is_there():
    assert all(callable(importlib.import_module(f"benchmarks.{name}").run) for name in SUITES)


def test_an_unknown_suite_is_a_usage_error(capsys):
    assert main(["nonsense"]) == EXIT_USAGE
    assert "there are: " in capsys.readouterr().err


def test_a_folder_for_the_results_that_is_not_there_is_refused_before_the_work(tmp_path, capsys):
    assert main(["speed", "--out", str(tmp_path / "missing")]) == EXIT_USAGE
    assert "missing" in capsys.readouterr().err


def test_help_names_the_suites(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in SUITES)
