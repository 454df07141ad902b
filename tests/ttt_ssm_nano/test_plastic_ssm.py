"""The model: three ways to the same states, and a base as bytes."""

import numpy as np
import pytest
import torch

from tests.ttt_ssm_nano.worlds import rough_base
from ttt.errors import ConfigError, CorruptArtifactError
from ttt.store.tensor_files import encode_arrays
from ttt_ssm_nano import arithmetic
from ttt_ssm_nano.naive import eager_trajectory
from ttt_ssm_nano.plastic_ssm import (
    INPUTS,
    ModelSize,
    NanoBase,
    closed_form_features,
    decode_base,
    encode_base,
    frozen,
    naive_features,
    owned,
)


@pytest.mark.parametrize("steps", [1, 31, 32, 63, 200])
@pytest.mark.parametrize("sizes", [(12, 7), (32, 16), (5, 3)])
def test_every_way_to_read_gives_the_same_states(steps, sizes):
    base, draw = rough_base(*sizes), np.random.default_rng(steps)
    h_S, x_TX = draw.normal(size=sizes[0]), draw.normal(0.0, 50.0, (steps, INPUTS))
    y_TY = draw.normal(size=(steps, 4))
    wanted = naive_features(base, h_S, x_TX)
    weights = base.W_u_UX[None], base.B_SU[None]
    compiled = arithmetic.features(base.decay_S, *weights, h_S[None], x_TX[None])
    assert np.allclose(compiled[0], wanted, rtol=1e-12, atol=1e-12)
    assert np.allclose(closed_form_features(base, h_S, x_TX), wanted, rtol=1e-12, atol=1e-12)
    eager, misses = eager_trajectory(
        base, torch.tensor(h_S), torch.tensor(x_TX), torch.tensor(y_TY)
    )
    assert np.allclose(eager.numpy(), wanted, rtol=1e-12, atol=1e-12)
    miss_NTY = arithmetic.misses(compiled, y_TY[None], base.W_o_YS[None])
    assert np.allclose(miss_NTY[0], misses.numpy(), rtol=1e-10, atol=1e-10)


def test_decays_differ_from_one_another_and_lie_between_0_and_1():
    decay_S = rough_base(32, 16).decay_S
    assert len(set(decay_S)) == 32
    assert decay_S.min() > 0.0
    assert decay_S.max() < 1.0


def test_a_base_comes_back_from_its_bytes_with_its_signature():
    base = rough_base()
    again = decode_base(encode_base(base), base.meta)
    assert (again.digest, again.signature) == (base.digest, base.signature)
    assert rough_base(seed=1).signature != base.signature


def test_bytes_that_are_no_base_are_refused():
    with pytest.raises(CorruptArtifactError, match="holds no nano base"):
        decode_base(encode_arrays({"model.a_raw": np.zeros(3)}), {})
    with pytest.raises(CorruptArtifactError):
        decode_base(encode_base(rough_base())[:-8], {})


def test_a_base_of_shapes_that_do_not_fit_or_of_nan_is_refused():
    base = rough_base()
    arrays = {"a_raw_S": base.a_raw_S, "W_u_UX": base.W_u_UX, "B_SU": base.B_SU}
    with pytest.raises(ConfigError, match="W_o_YS is finite"):
        NanoBase(**arrays, W_o_YS=base.W_o_YS[:, 1:])
    with pytest.raises(ConfigError, match="W_o_YS is finite"):
        NanoBase(**arrays, W_o_YS=base.W_o_YS * np.nan)


@pytest.mark.parametrize("width", [0, 513])
def test_a_model_has_a_bounded_width(width):
    with pytest.raises(ConfigError, match=r"must lie in 1\.\.512"):
        ModelSize(n_state=width)


def test_frozen_copies_what_others_may_write_into_and_owned_does_not():
    array = np.arange(4.0)
    copy = frozen(array)
    array[0] = 9.0
    assert copy[0] == 0.0
    assert frozen(copy) is copy
    assert owned(array).base is None or owned(array) is array
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1.0
