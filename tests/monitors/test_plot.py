import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

from tests.monitors.hand_made import AUDITED, BLOCKED, COMMITTED, REVERTED, canary, run_of
from ttt.monitors import plot
from ttt.monitors.decisions import Decision
from ttt.monitors.plot import draw
from ttt.monitors.report import Report


@pytest.fixture(autouse=True)
def coarse(monkeypatch) -> None:
    monkeypatch.setattr(plot, "DPI", 50)


def report_of(events) -> Report:
    report = Report()
    for index, event in enumerate(events):
        report.add(replace(event, place=replace(event.place, index=index)))
    return report


def colours_of(png: bytes) -> set[bytes]:
    """The colours that occur in a picture, three bytes each."""
    shares = imread(io.BytesIO(png))[:, :, :3]
    return {
        bytes(row)
        for row in np.unique(np.rint(255 * shares).astype(np.uint8).reshape(-1, 3), axis=0)
    }


@pytest.mark.parametrize("count", [0, 1, 2, 60])
def test_any_run_can_be_drawn(count):
    png = draw(report_of(run_of(count)), title="a run", budget_nats=0.05)
    assert png.startswith(b"\x89PNG")


def test_a_long_run_is_drawn_with_no_more_marks_than_a_short_one_has_room_for(monkeypatch):
    monkeypatch.setattr(plot, "_LINE_MAX", 100)  # A long run, without the wait.
    monkeypatch.setattr(plot, "_DOTS_MAX", 50)
    assert draw(report_of(run_of(600)), title="a run", budget_nats=None).startswith(b"\x89PNG")


def test_the_same_run_gives_the_same_bytes():
    first, second = (draw(report_of(run_of(20)), title="t", budget_nats=0.05) for _ in range(2))
    assert first == second


def test_every_decision_that_fell_is_marked_in_its_colour(monkeypatch):
    monkeypatch.setattr(plot, "DPI", 110)  # Thin strokes need room for a pixel of their own.

    def colours(*events) -> set[bytes]:
        return colours_of(draw(report_of(events), title="", budget_nats=None))

    def colour(one: Decision) -> bytes:
        return bytes.fromhex(one.value.colour[1:])

    everything = colours(COMMITTED, BLOCKED, REVERTED)
    for one in (Decision.COMMITTED, Decision.BLOCKED, Decision.REVERTED):
        assert colour(one) in everything
    assert colour(Decision.BLOCKED) not in colours(COMMITTED, REVERTED)


def test_runs_without_a_reading_leave_its_panel_empty():
    bare = replace(COMMITTED, canary=None, losses=replace(COMMITTED.losses, mixed=None, base=None))
    assert draw(report_of([bare, bare]), title="t", budget_nats=0.05).startswith(b"\x89PNG")


def test_extreme_heights_and_audits_are_drawn_too():
    events = [
        AUDITED,
        replace(REVERTED, canary=canary(50.0)),
        replace(COMMITTED, canary=canary(-3.0, drift=-3.0)),
        replace(COMMITTED, signals=replace(COMMITTED.signals, grad_norm=1e6)),
    ]
    assert draw(report_of(events), title="t", budget_nats=0.0).startswith(b"\x89PNG")
