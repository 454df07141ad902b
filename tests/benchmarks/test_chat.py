"""The chat benchmark tells what was written, and measures the sessions that ship."""

import pytest

from benchmarks import chat
from benchmarks.attacks import Threat
from benchmarks.learning_texts import LearningText
from ttt.text_lm.chat.workshop import TextWorkshop

PROSE = "The ferry leaves at nine. The bridge opens at ten! Does nobody wait for long? "


def test_messages_are_the_text_in_order_and_of_bounded_length():
    said = chat.messages(PROSE * 40)
    assert " ".join(said).split() == (PROSE * 40).split()
    longest = chat.MESSAGE_CHARACTERS
    assert all(chat.MESSAGE_CHARACTERS_MIN <= len(one) <= longest for one in said)
    assert chat.messages("Too short.") == []
    assert len(chat.messages("x" * 5000)[0]) == longest


def test_a_subject_that_is_told_again_is_gained_on(tmp_path, monkeypatch):
    monkeypatch.setattr(chat, "EARLY", 2)
    texts = [
        LearningText(name="a", kind="ferry", text=PROSE * 24),
        LearningText(name="b", kind="numbers", text="Seven and four make eleven in all. " * 50),
    ]
    rows = chat.benefit_rows(TextWorkshop(tmp_path), "starter-gru", texts)
    assert [row["conversations about"] for row in rows] == ["all", "ferry", "numbers"]
    assert float(str(rows[0]["gain on later turns, nats"]).split()[0]) > 1.0
    assert float(str(rows[0]["of it of this subject"]).split()[0]) > 1.0


def test_harm_is_counted_with_and_without_the_guard(tmp_path, monkeypatch, data_dir):
    monkeypatch.setattr(chat, "HOSTILE_TURNS", 12)
    threat = Threat(name="words", natural=True, texts=("buffalo " * 40, "buffalo " * 40))
    (row,) = chat.harm_rows(TextWorkshop(tmp_path), "starter-gru", [threat])
    assert row["guarded: within"] == "2 of 2"
    assert float(str(row["unguarded: mean"])) > float(str(row["guarded: worst"]))


@pytest.mark.parametrize("rounds", [1])
def test_the_first_token_is_timed_for_each_base(rounds, data_dir):
    rows = chat.latency_rows(rounds)
    assert {row["base"] for row in rows} == set(chat.BASES)
    assert all(float(str(row["first token, ms"])) > 0.0 for row in rows)
