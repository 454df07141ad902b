"""A saved run as pages and curves: no spike is lost, however long the run is."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.clients import client
from tests.api.test_routes import ask
from ttt.api.run_pages import FIELDS, RunColumns, curve, kept_places, tape
from ttt.store.runs import save_run

CHUNKS = 50_000
SPIKE = 31_415


def event(n):
    outcome = "refused" if n % 100 == 7 else "committed"
    return {
        "chunk_index": n, "outcome": outcome, "spfw_lr_eff": 0.5 if n % 1000 == 3 else 1.0,
        "canary_delta": 9.0 if n == SPIKE else 0.001 * (n % 7), "drift_total": n / CHUNKS,
        "loss_base": 5.0, "loss_adapted": 4.0, "loss_mixed": 4.0 + (n % 11) / 100,
        "predicted_canary_change": None, "grad_norm": 1.0, "update_norm": 0.5,
    }  # fmt: skip


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree") / "root"
    lines = "".join(json.dumps(event(n)) + "\n" for n in range(CHUNKS))
    save_run(root, "long", {"events.jsonl": lines.encode(), "report.json": b"{}"})
    with client(root) as one:
        yield one


def test_a_long_run_is_a_short_curve_that_has_its_spike(api):
    answer = api.get("/api/text/runs/long/curve?points=1000")
    assert len(answer.content) < 400_000
    found = answer.json()
    assert (found["chunks"], found["thinned"]) == (CHUNKS, True)
    assert len(found["index"]) < 2500
    at = found["index"].index(SPIKE)
    assert found["canary_delta"][at] == 9.0
    assert found["index"][-1] == CHUNKS - 1
    assert len(found["tape"]) == 240


def test_a_stretch_of_it_is_whole(api):
    found = ask(api, "GET", f"/api/text/runs/long/curve?begin={SPIKE - 20}&end={SPIKE + 20}")
    assert found["index"] == list(range(SPIKE - 20, SPIKE + 20))
    assert not found["thinned"]


def test_pages_are_chosen_by_decision(api):
    found = ask(api, "GET", "/api/text/runs/long/chunks?decision=blocked&limit=2")
    assert found["total"] == CHUNKS // 100
    assert [one["chunk_index"] for one in found["chunks"]] == [49_907, 49_807]
    both = ask(
        api,
        "GET",
        "/api/text/runs/long/chunks?decision=shortened&decision=blocked&limit=1&offset=1",
    )
    assert both["total"] == CHUNKS // 100 + CHUNKS // 1000
    first = ask(api, "GET", "/api/text/runs/long/chunks?newest_first=false&limit=1")
    assert first["chunks"][0]["chunk_index"] == 0
    ask(api, "GET", "/api/text/runs/none/chunks", 404)
    ask(api, "GET", "/api/text/runs/long/chunks?limit=501", 422)


@given(
    st.lists(st.floats(-10, 10) | st.just(float("nan")), min_size=1, max_size=400),
    st.integers(10, 60),
)
def test_the_extremes_of_any_curve_are_kept(values, points):
    column = np.array(values)
    kept = kept_places(len(values), points, [column])
    assert len(set(kept.tolist())) == len(kept)
    assert kept[-1] == len(values) - 1
    if not np.isnan(column).all():
        assert {int(np.nanargmin(column)), int(np.nanargmax(column))} & set(kept.tolist())
        assert np.nanmax(column[kept]) == np.nanmax(column)
        assert np.nanmin(column[kept]) == np.nanmin(column)


def test_a_tape_names_the_rarest_decision_of_each_stretch():
    decisions = ("committed",) * 50 + ("failed",) + ("committed",) * 49
    run = RunColumns(lines=(b"{}",) * 100, decisions=decisions, columns={})
    marks = tape(run, marks=10)
    assert [one["decision"] for one in marks].count("failed") == 1
    assert marks[5]["decision"] == "failed"
    assert sum(one["chunks"] for one in marks) == 100


def test_an_empty_run_has_an_empty_curve():
    run = RunColumns(lines=(), decisions=(), columns={name: np.array([]) for name in FIELDS})
    assert tape(run, marks=5) == []
    found = curve(run, points=10, begin=0, end=5)
    assert (found["chunks"], found["index"], found["thinned"]) == (0, [], False)
