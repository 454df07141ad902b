"""The generation suite measures what it says: real tokens, carried or re-run, alone or together."""

import torch

from benchmarks.generation import BURST, PLACES, SESSIONS, _re_run, _writer, run
from ttt.core.starter import load_starter


def test_every_table_has_a_row_for_each_place(monkeypatch):
    monkeypatch.setattr("benchmarks.generation.PLACES", (10, 20))
    monkeypatch.setattr("benchmarks.generation.SESSIONS", (1, 9))
    monkeypatch.setattr("benchmarks.generation.BACKBONES", ("ssm",))
    places, parts, sessions = run(rounds=1).values()
    assert [(row["backbone"], row["token"]) for row in places] == [("ssm", 10), ("ssm", 20)]
    assert [row["part"] for row in parts] == ["step", "head", "head under fast weights", "draw"]
    assert [row["sessions"] for row in sessions] == [1, 9]
    assert all(float(row["ms"]) > 0 for row in places)


def test_the_places_and_the_numbers_of_sessions_are_those_that_are_asked_for():
    assert PLACES == (10, 100, 1000, 5000)
    assert SESSIONS == (1, 16, 64, 256)


def test_a_call_writes_a_burst_and_a_re_run_draws_from_the_same_scores():
    base = load_starter("gru")
    ids = base.encoder.encode("It was the best of times")
    tokens = _writer(base, ids)()
    assert len(tokens) == BURST
    (token_id,), (log_prob,) = _re_run(base.model, ids)()
    with torch.no_grad():
        exact = base.model(torch.tensor([ids]))[0][0, -1].log_softmax(0)[token_id]
    assert abs(log_prob - float(exact)) < 1e-4
