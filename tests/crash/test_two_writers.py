"""Two processes teach one session, or one each, and are killed at any moment."""

import pytest

from tests.crash.processes import outcomes

KILLS = 100


@pytest.mark.timeout(600)
def test_killed_writers_lose_nothing_they_were_told_and_repeat_nothing(tmp_path):
    (came,) = outcomes(tmp_path, f"writers FOLDER --kills {KILLS}")
    assert came["failures"] == []
    assert came["kills"] >= KILLS
    assert came["acknowledged"] >= KILLS / 2
    assert came["conflicts"] > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_kills(tmp_path):
    commands = [f"writers FOLDER --kills 5000 --seed {seed}" for seed in (1, 2)]
    for came in outcomes(tmp_path, *commands):
        assert came["failures"] == []
        assert came["kills"] >= 5000
