"""The settings every test runs under, tried out in a run of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
TESTS = """
import pytest
import torch
from hypothesis import given, strategies

def test_runs_on_one_thread():
    assert torch.get_num_threads() == 1

@pytest.mark.browser
def test_needs_a_browser():
    pytest.skip("no browser here")

def test_needs_data(data_dir):
    assert (data_dir / "here").exists()

@given(strategies.integers())
def test_examples(x):
    print("example", x)
"""


def inner_run(folder: Path, **environment: str) -> str:
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    (folder / "test_inner.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-rsf", "-s", "-c", "/dev/null", str(folder)]
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[str]:
    """The output of one run that may skip and of one that may not."""
    folder = tmp_path_factory.mktemp("inner")
    absent = str(folder / "absent")
    return [
        inner_run(folder, TTT_DATA_DIR=absent),
        inner_run(folder, TTT_DATA_DIR=absent, TTT_REQUIRE_E2E="1"),
    ]


def test_what_cannot_run_is_named_with_its_reason(runs):
    assert "no browser here" in runs[0]
    assert "no text data in" in runs[0]
    assert "2 passed, 2 skipped" in runs[0]


def test_a_browser_test_that_must_run_fails_instead_of_skipping(runs):
    assert "TTT_REQUIRE_E2E=1 forbids this skip" in runs[1]
    assert "1 failed, 2 passed, 1 skipped" in runs[1]


def test_random_examples_are_the_same_in_every_run(runs):
    first, second = (
        [line for line in run.splitlines() if line.startswith("example")] for run in runs
    )
    assert len(first) > 10
    assert first == second
