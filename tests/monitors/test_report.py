import json
import math
from dataclasses import replace

import pytest

from tests.monitors.hand_made import (
    AUDITED,
    BLOCKED,
    COMMITTED,
    RAN,
    REVERTED,
    SHORTENED,
    at,
    canary,
    losses,
    place,
    run_of,
)
from ttt.monitors.decisions import Decision
from ttt.monitors.report import CURVE_POINTS_MAX, MARKS_MAX, Largest, Mean, Report


def report_of(*events) -> Report:
    report = Report()
    for index, event in enumerate(events):
        report.add(replace(event, place=replace(event.place, index=index)))
    return report


def test_chunks_tokens_documents_and_decisions_are_counted():
    report = report_of(
        COMMITTED,
        replace(SHORTENED, place=place(start=128, tokens=72)),
        replace(BLOCKED, place=place(document="b", tokens=50)),
        REVERTED,
    )
    assert (report.chunks, report.tokens, report.documents) == (4, 128 + 72 + 50 + 128, 3)
    assert report.count(Decision.COMMITTED, Decision.SHORTENED) == 2
    assert report.count(Decision.BLOCKED) == report.count(Decision.REVERTED) == 1


def test_reasons_and_flags_are_counted_one_by_one():
    report = report_of(BLOCKED, BLOCKED, REVERTED, replace(COMMITTED, flag_reasons=("grad_z",)))
    assert report.gate_reasons == {"blob": 2, "low_entropy": 2}
    assert report.rollback_reasons == {"budget": 1}
    assert report.flags == {"grad_z": 1}


def test_losses_are_means_over_tokens():
    short = replace(COMMITTED, place=place(tokens=1), losses=losses(base=9.0, read=9.0))
    report = report_of(replace(COMMITTED, place=place(tokens=3)), short)
    assert report.mean("loss_base") == pytest.approx((3 * 5.0 + 9.0) / 4)
    assert report.mean("loss") == pytest.approx((3 * 4.5 + 9.0) / 4)
    assert report.mean("gain") == pytest.approx(3 * 0.5 / 4)


def test_a_blocked_chunk_has_losses_but_no_norms():
    report = report_of(BLOCKED)
    assert report.mean("loss") == 4.5
    assert report.mean("update_norm") is None
    assert report.as_json()["means"]["attempted_update_norm"] is None


def test_what_was_kept_of_a_reverted_step_counts_as_nothing():
    report = report_of(COMMITTED, REVERTED)
    assert report.mean("attempted_update_norm") == 0.25
    assert report.mean("update_norm") == 0.125


def test_the_worst_damage_stands_beside_the_bound_of_that_very_chunk():
    short = replace(
        COMMITTED,
        place=place(tokens=8),
        losses=losses(base=5.0, read=5.0 + 0.06, tokens=8),
    )
    report = report_of(COMMITTED, short, COMMITTED)
    assert report.damage.value == pytest.approx(0.06)
    assert report.damage.chunk == 1
    assert report.damage_tokens == 8
    assert report.damage_certified == pytest.approx(math.log(2) / 8)
    assert report.certified_least == pytest.approx(math.log(2) / 128)
    assert report.bound_broken == 0


def test_a_broken_bound_is_counted_but_not_its_rounding():
    bound = math.log(2) / 128
    over, rounded, bad = (
        replace(COMMITTED, losses=losses(5.0, 5.0 + bound + extra))
        for extra in (2e-4, 5e-5, math.nan)
    )
    assert report_of(over).bound_broken == 1
    assert report_of(rounded).bound_broken == 0
    assert report_of(bad).bound_broken == 1


def test_a_run_that_reads_the_base_alone_has_no_gain_and_no_certificate():
    only = replace(
        losses(), read=5.0, adapted=None, mixed=None, bound=None, base=5.0, mixture_weight=None
    )
    report = report_of(replace(COMMITTED, losses=only))
    assert report.mean("gain") == 0.0
    assert report.damage_certified is None
    assert report.certified_least is None
    adapted = replace(only, base=None, adapted=5.0)
    assert report_of(replace(COMMITTED, losses=adapted)).mean("gain") is None


def test_kept_and_undone_canary_rises_are_told_apart():
    report = report_of(
        COMMITTED, replace(COMMITTED, canary=canary(0.01)), REVERTED, replace(BLOCKED)
    )
    kept, undone = report.largest_kept_rise, report.largest_undone_rise
    assert (kept.value, kept.chunk) == (pytest.approx(0.01), 1)
    assert (undone.value, undone.chunk) == (pytest.approx(0.75), 2)


def test_drift_is_the_last_one_and_its_worst_is_remembered():
    report = report_of(*(replace(COMMITTED, canary=canary(drift=x)) for x in (0.0, 0.04, 0.03)))
    assert report.drift == 0.03
    assert report.drift_worst == Largest(value=0.04, chunk=1)


def test_the_last_audit_counts():
    report = report_of(AUDITED, COMMITTED)
    assert report.audit == Largest(value=0.0125, chunk=0)
    assert report.forbid_excess_fall == 0.5
    assert report.curves["audit_canary_delta"].points() == [(0, 0.0125)]


def test_a_forecast_is_right_when_its_sign_is():
    wrong = replace(REVERTED, canary=canary(0.75))  # Foretold to fall, and it rose.
    fell = replace(
        COMMITTED, canary=canary(-0.1), signals=replace(RAN, predicted_canary_change=-0.2)
    )
    report = report_of(COMMITTED, wrong, fell, BLOCKED)
    assert report.forecast_right.value == pytest.approx(2 / 3)
    assert report.as_json()["forecasts"] == 3


def test_a_reading_that_is_not_finite_spoils_no_mean_and_no_json():
    bad = replace(
        COMMITTED,
        losses=losses(math.nan, math.inf),
        signals=replace(RAN, grad_norm=math.inf),
        canary=canary(math.nan, drift=math.nan),
    )
    report = report_of(COMMITTED, bad)
    assert report.mean("loss") == 4.5
    assert report.mean("grad_norm") == 2.0
    assert report.drift is None
    json.dumps({**report.as_json(), **report.curves_json()}, allow_nan=False)


def test_an_empty_run_says_so_without_a_number_it_does_not_have():
    plain = Report().as_json()
    assert plain["chunks"] == 0
    assert plain["drift"] is None
    assert set(plain["means"].values()) == {None}


def test_memory_does_not_grow_with_the_run():
    report = Report()
    for event in run_of(1500):
        report.add(event)
    assert report.chunks == 1500
    assert all(len(curve.points()) <= CURVE_POINTS_MAX for curve in report.curves.values())
    assert all(len(marks.points()) <= MARKS_MAX for marks in report.marks.values())


def test_a_curve_keeps_the_spike_of_one_chunk():
    report = Report()
    for index in range(1500):
        spike = replace(RAN, attempted_update_norm=99.0 if index == 1234 else 0.25)
        report.add(at(COMMITTED, index, signals=spike))
    assert (1234, 99.0) in report.curves["attempted_update_norm"].points()


def test_a_mean_of_nothing_is_none():
    mean = Mean()
    mean.add(None)
    mean.add(math.nan)
    assert mean.value is None
