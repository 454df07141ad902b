"""States and lessons as bytes: back bit for bit, or refused with a reason."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ttt.errors import CorruptArtifactError, SignatureMismatchError
from ttt.store.tensor_files import decode_arrays, encode_arrays
from ttt.text_lm.chat.learner import Learner, point_of
from ttt.text_lm.chat.lesson import ChatLesson, decode_lesson, encode_lesson
from ttt.text_lm.chat.options import ChatSettings
from ttt.text_lm.chat.state import decode_state, encode_state

TEXT = "A sentence that is long enough to be learned from, é and 日本 included.\n"


@pytest.fixture(scope="module")
def learners(starters):
    return {
        rule: Learner(starters["gru"], ChatSettings(optimizer=rule))
        for rule in ("kfac", "rls", "muon")
    }


@pytest.fixture(scope="module")
def starters():
    from ttt.core.starter import load_starter

    return {name: load_starter(name) for name in ("gru", "ssm")}


@pytest.mark.parametrize("rule", ["kfac", "rls", "muon"])
def test_a_state_comes_back_bit_for_bit(learners, rule):
    learner = learners[rule]
    state = learner.fresh()
    for _ in range(3):
        state = learner.take(learner.prepare(state), TEXT, learning=True).state
        again = decode_state(encode_state(state), learner.fresh())
        assert again.fingerprint() == state.fingerprint()
        assert again.fast.fingerprint() == state.fast.fingerprint()
        assert again.carry == state.carry
        state = again
    assert len(state.fast.cache.blocks) == 3


def test_a_state_of_other_settings_or_another_model_is_refused(learners, starters):
    data = encode_state(learners["rls"].fresh())
    with pytest.raises(SignatureMismatchError, match=r"optim\.rule\.covariance"):
        decode_state(data, learners["kfac"].fresh())
    ssm = Learner(starters["ssm"], ChatSettings(base="starter-ssm"))
    with pytest.raises(SignatureMismatchError, match=r"session\.hidden"):
        decode_state(encode_state(ssm.fresh()), learners["kfac"].fresh())


def test_a_cache_that_does_not_add_up_is_damage(learners):
    learner = learners["kfac"]
    state = learner.take(learner.prepare(learner.fresh()), TEXT, learning=True).state
    arrays = decode_arrays(encode_state(state), "x")
    arrays["session.cache_blocks"] = np.array([[0, 1]])
    with pytest.raises(CorruptArtifactError, match="does not add up"):
        decode_state(encode_arrays(arrays), learner.fresh())


def test_numbers_that_are_none_are_seen(learners):
    state = learners["kfac"].fresh()
    assert state.finite()
    broken_DD = state.fast.adapter_DD.clone()
    broken_DD[3, 4] = torch.nan
    assert not replace(state, fast=replace(state.fast, adapter_DD=broken_DD)).finite()


def test_a_lesson_comes_back_as_it_was(learners):
    state = learners["kfac"].fresh()
    lesson = ChatLesson(
        text=TEXT,
        learning=False,
        first_chunk=7,
        before=point_of(state),
        after=point_of(replace(state, last_id=9, carry="日本")),
    )
    again = decode_lesson(encode_lesson(lesson))
    assert (again.text, again.learning, again.first_chunk) == (TEXT, False, 7)
    assert (again.after.last_id, again.after.carry) == (9, "日本")
    assert torch.equal(again.before.hidden_1NH, lesson.before.hidden_1NH)
    with pytest.raises(CorruptArtifactError, match="holds no message"):
        decode_lesson(encode_arrays({"input.x": np.zeros(3)}))
