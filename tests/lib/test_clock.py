"""Clocks handed in as arguments."""

import time

import pytest

from ttt.errors import ConfigError
from ttt.lib.clock import ChunkClock, Clock, WallClock


def test_a_chunk_clock_moves_only_when_a_chunk_was_read():
    clock = ChunkClock()
    assert clock.now() == clock.now() == 0.0
    clock.tick()
    clock.tick(3)
    assert clock.now() == 4.0
    assert clock.unit == "chunks"


def test_a_resumed_chunk_clock_goes_on_where_it_stopped():
    assert ChunkClock(40).now() == 40.0


@pytest.mark.parametrize("back", [-1, -100])
def test_a_chunk_clock_cannot_go_back(back):
    clock = ChunkClock(5)
    with pytest.raises(ConfigError, match=str(-back)):
        clock.tick(back)
    assert clock.now() == 5.0
    with pytest.raises(ConfigError):
        ChunkClock(back)


def test_a_wall_clock_counts_seconds_and_ignores_the_date(monkeypatch):
    clock = WallClock()
    before = clock.now()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    time.sleep(0.01)
    assert 0.005 < clock.now() - before < 60
    assert clock.unit == "seconds"


@pytest.mark.parametrize("clock", [ChunkClock(), WallClock()])
def test_both_are_clocks(clock):
    assert isinstance(clock, Clock)
