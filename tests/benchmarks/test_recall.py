"""The recall benchmark asks for what was told, and can tell recall from none."""

import pytest

from benchmarks import recall
from ttt.text_lm.chat.options import ChatSettings
from ttt.text_lm.chat.workshop import TextWorkshop


def test_a_session_is_told_each_fact_once_and_each_name_of_alike_facts_once():
    for kind, facts in recall.FACTS.items():
        told = recall.told(kind, 3)
        assert set(told) == set(facts)
        assert told == recall.told(kind, 3) != recall.told(kind, 4)
        assert all(end in facts[start] for start, end in told.items())
    assert sorted(recall.told("alike", 0).values()) == sorted(recall.NAMES)


def test_what_was_told_just_now_is_recalled_and_without_learning_it_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(recall, "BETWEEN", (0,))
    workshop = TextWorkshop(tmp_path)
    share = {}
    for how in ("off", "linear+cache"):
        given = ChatSettings.model_validate({"base": "starter-gru", **recall.LEARNS[how]})
        found = recall.recall(workshop.learner(given), "apart", [], sessions=2)
        share[how] = sum(one.right for one in found[0]) / len(found[0])
        assert len(found[0]) == 16
    assert share["linear+cache"] > 0.8
    assert share["off"] < 0.5


def test_all_of_a_sentence_counts_also_where_it_is_cut_in_chunks(tmp_path):
    workshop = TextWorkshop(tmp_path)
    long = "The harbour master wrote the time of each arrival in a blue book with a pen."
    whole, cut = (
        recall.nats(recall.Talk(workshop.learner(ChatSettings(read="base", chunk_tokens=n))), long)
        for n in (128, 8)
    )
    assert cut == pytest.approx(whole, rel=1e-4)
