"""States as values and as bytes."""

import numpy as np
import pytest

from tests.ttt_ssm_nano.worlds import chunks_of, furthest, learn_all, rough_base
from ttt.errors import ConfigError, CorruptArtifactError, SignatureMismatchError
from ttt.store.tensor_files import encode_arrays
from ttt_ssm_nano.learner import Learner
from ttt_ssm_nano.online_config import online
from ttt_ssm_nano.plant import PlantConfig, simulate
from ttt_ssm_nano.session_state import (
    ChunkInput,
    NanoState,
    NanoStates,
    decode_input,
    decode_state,
    encode_input,
    encode_state,
)

BASE = rough_base()
CHUNKS = chunks_of(BASE, simulate(PlantConfig(seed=1), 4 * 32))


@pytest.mark.parametrize("rule", ["rls", "muon", "sgd"])
def test_a_state_comes_back_from_its_bytes_and_learns_on_alike(rule):
    learner = Learner(BASE, online(rule))
    state = learn_all(learner, CHUNKS[:3])
    again = decode_state(encode_state(state), learner.fresh())
    assert again.fingerprint() == state.fingerprint()
    one, other = (learner.learn(x, CHUNKS[3]).state for x in (state, again))
    assert one.fingerprint() == other.fingerprint()
    assert decode_state(encode_state(state)).fingerprint() == state.fingerprint()


def test_the_state_of_other_settings_is_refused():
    learner = Learner(BASE, online("rls"))
    data = encode_state(Learner(BASE, online("muon")).fresh())
    with pytest.raises(SignatureMismatchError):
        decode_state(data, learner.fresh())


def test_the_fingerprint_covers_every_number():
    state = learn_all(Learner(BASE, online("rls")), CHUNKS)
    for name, array in state.arrays.items():
        changed = array.copy()
        changed.flat[-1] = np.nextafter(changed.flat[-1], 1e9)
        other = NanoState(arrays={**state.arrays, name: changed})
        assert other.fingerprint() != state.fingerprint(), name
        assert furthest(other, state) > 0.0


def test_constant_digests_follow_their_arrays():
    states = NanoStates.stacked([Learner(BASE, online("rls")).fresh()] * 2)
    before = states.fingerprints()
    moved = states.updated({"plastic.B": states.arrays["plastic.B"] + 1.0})
    assert moved.fingerprints() == NanoStates(arrays=moved.arrays).fingerprints()
    assert moved.fingerprints()[0] != before[0]
    half = states.merged(moved, [True, False])
    assert half.fingerprints() == [moved.fingerprints()[0], before[1]]


def test_a_state_that_is_not_finite_says_so():
    state = Learner(BASE, online("rls")).fresh()
    for bad in (np.nan, np.inf):
        arrays = {**state.arrays, "optim.cross": np.full_like(state.arrays["optim.cross"], bad)}
        broken = NanoState(arrays=arrays)
        assert not broken.finite()
        assert NanoStates.stacked([state, broken]).finite() == [True, False]


def test_an_input_comes_back_from_its_bytes():
    again = decode_input(encode_input(CHUNKS[0]))
    assert again.finite
    for name in ("h_S", "x_TX", "y_TY"):
        assert np.array_equal(getattr(again, name), getattr(CHUNKS[0], name))
    with pytest.raises(CorruptArtifactError, match="holds no chunk's input"):
        decode_input(encode_arrays({"input.h": np.zeros(3)}))


def test_an_input_that_is_not_finite_cannot_be_saved():
    broken = ChunkInput(h_S=CHUNKS[0].h_S * np.nan, x_TX=CHUNKS[0].x_TX, y_TY=CHUNKS[0].y_TY)
    assert not broken.finite
    with pytest.raises(ConfigError, match="NaN or infinity"):
        encode_input(broken)


def test_nobody_can_write_into_a_state():
    state = learn_all(Learner(BASE, online("rls")), CHUNKS[:1])
    for array in state.arrays.values():
        with pytest.raises(ValueError, match="read-only"):
            array.flat[0] = 1.0
