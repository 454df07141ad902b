"""What holds for every test: one thread, the same examples each time, data from outside.

Nothing here imports the project: the run-time check of tensor shapes instruments it when it is
first imported.
"""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

torch.set_num_threads(1)

# A script that starts the tests in the background has Ctrl-C ignored, and all that they start
# would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Much of what tests write is synced, because that is what the store promises; in memory a sync
# costs nothing. What a test checks about syncs, it checks by watching the calls.
if "PYTEST_DEBUG_TEMPROOT" not in os.environ and os.access("/dev/shm", os.W_OK):
    os.environ["PYTEST_DEBUG_TEMPROOT"] = "/dev/shm"

settings.register_profile("default", derandomize=True, deadline=None, database=None)
settings.register_profile("soak", deadline=None, database=None, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real texts (prose, attacks, look-alikes), never part of the project."""
    folder = Path(os.environ.get("TTT_DATA_DIR", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no text data in {folder}; TTT_DATA_DIR names another folder")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under TTT_REQUIRE_E2E=1 a browser test that cannot run is a failure, never a silent skip."""
    report = yield
    required = os.environ.get("TTT_REQUIRE_E2E") == "1" and item.get_closest_marker("browser")
    if required and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"TTT_REQUIRE_E2E=1 forbids this skip: {report.longrepr}"
    return report
