"""What a session may learn with: each context learns, is replayed and taken back alike."""

from dataclasses import replace

import pytest
import torch

from tests.text_lm.chat.test_conversation import LOVELACE, SHORT, SILENT, head, new, say, talk
from ttt.core.associative import FastLowRank
from ttt.core.starter import load_starter
from ttt.errors import ConfigError
from ttt.store.domains import TEXT
from ttt.store.sessions import open_session
from ttt.text_lm.chat.contexts import CONTEXT_NETS
from ttt.text_lm.chat.conversation import ChatRoom
from ttt.text_lm.chat.learner import Learner
from ttt.text_lm.chat.options import ChatSettings


@pytest.fixture
def room(tmp_path):
    torch.set_num_threads(1)
    return ChatRoom(tmp_path)


@pytest.mark.parametrize("context", CONTEXT_NETS.names())
def test_a_message_that_is_taken_back_was_never_learned_bit_for_bit(room, context):
    for name in ("learned", "spared"):
        new(room, name, context=context)
    talk(room, LOVELACE, SILENT, "learned")
    for n, text in enumerate(LOVELACE):
        list(room.send("spared", text, SILENT, may_learn=n != 1))
    assert head(room, "learned") != head(room, "spared")
    done = room.revert("learned", "2")
    assert done.exact
    assert head(room, "learned") == head(room, "spared")


def test_the_low_rank_memory_moves_the_weights_in_as_many_directions_as_it_has(room):
    new(room, context="fast_lowrank_mem")
    assert all(one[0].data["type"] == "update" for one in talk(room))
    workshop = room.workshop
    session = open_session(room._root, TEXT, "ada")
    learner = workshop.replayer(session).learner
    rule = learner._monitor.config.rule
    assert isinstance(rule, FastLowRank)
    prepared = learner.prepare(learner.fresh())
    for text in LOVELACE:
        prepared = learner.prepare(learner.take(prepared, text, learning=True).state)
    state = prepared.state.fast
    assert len(state.cache) == 0
    rank = int(torch.linalg.matrix_rank(state.adapter_DD, rtol=1e-4))
    assert 0 < rank <= rule.keys_DR.shape[1] < state.adapter_DD.shape[0]


def test_the_cache_joins_the_low_rank_memory_when_asked(room):
    learners = [
        room.workshop.learner(ChatSettings(context=name))
        for name in ("fast_lowrank_mem", "fast_lowrank_mem+cache")
    ]
    assert [one.cache_weight > 0 for one in learners] == [False, True]
    assert [one.moves_weights for one in learners] == [True, True]


def test_the_rate_that_was_asked_for_is_the_memorys(room):
    learner = room.workshop.learner(ChatSettings(context="fast_lowrank_mem", lr=0.01))
    assert learner._monitor.config.rule.lr == 0.01


def test_another_rule_than_the_memorys_own_is_refused_and_nothing_is_made(room):
    with pytest.raises(ConfigError, match="muon"):
        new(room, context="fast_lowrank_mem", optimizer="muon")
    assert not list((room._root / "text_sessions").glob("ada*"))


def test_a_base_without_curvature_factors_is_refused_by_name():
    bare = replace(load_starter("gru"), name="bare", fisher=None)
    with pytest.raises(ConfigError, match="bare"):
        Learner(bare, ChatSettings(context="fast_lowrank_mem"))


def test_the_low_rank_memory_answers_too(room):
    new(room, context="fast_lowrank_mem+cache")
    kinds = [event.kind for event in say(room, LOVELACE[0], SHORT)]
    assert kinds == ["receipt", *["token"] * 4, "done"]
