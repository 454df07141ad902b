"""Whatever call fails, in whatever way: a request is whole or not there, and can be asked again."""

from collections import Counter
from pathlib import Path

import pytest

from tests.crash.processes import outcomes

PARTS = 2
TRIALS_MIN = 2000


def strike(folder: Path, options: str = "") -> Counter[str]:
    commands = [f"trials FOLDER --part {k} --parts {PARTS} {options}" for k in range(PARTS)]
    counts = Counter[str]()
    for came in outcomes(folder, *commands):
        assert came["failures"] == []
        counts += Counter(came["trials"])
    return counts


@pytest.mark.timeout(600)
def test_no_failing_call_loses_or_repeats_anything(tmp_path):
    counts = strike(tmp_path)
    assert set(counts) == {"SIGKILL", "EIO", "ENOSPC", "ENOSPC for ever", "short once"}
    assert counts.total() >= TRIALS_MIN


@pytest.mark.slow
def test_not_even_one_of_many_like_calls(tmp_path):
    assert strike(tmp_path, "--dense").total() > 2 * TRIALS_MIN
