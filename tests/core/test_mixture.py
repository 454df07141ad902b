"""The mixture never loses more than its certificate, whatever the experts say."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ttt.core.closed_form import log_probabilities, make_batch
from ttt.core.mixture import certified_excess_nats, naive_read_mixed, prior, read_mixed
from ttt.core.model import ModelConfig, random_model
from ttt.core.objective import AutoRegressive
from ttt.core.tokens import BOS_ID
from ttt.errors import ConfigError

log_probs = arrays(
    "float32",
    st.tuples(st.integers(1, 5), st.integers(1, 40)),
    elements=st.floats(-30, -(2.0**-10), width=32),
)


@given(log_probs, st.floats(0.05, 0.95))
def test_the_closed_form_equals_the_token_by_token_mixture(values, base_prior):
    log_probs_KT = torch.from_numpy(values)
    prior_K = prior(len(values), base_prior=base_prior)
    reading = read_mixed(log_probs_KT, prior_K)
    loss, weight = naive_read_mixed(log_probs_KT, prior_K)
    assert reading.loss_nats == pytest.approx(loss, abs=1e-6)
    assert reading.learned_weight == pytest.approx(weight, abs=1e-6)


@given(log_probs)
def test_the_mixture_is_never_worse_than_its_bound(values):
    reading = read_mixed(torch.from_numpy(values), prior(len(values)))
    assert reading.loss_nats <= reading.bound_nats + 1e-9
    tokens = values.shape[1]
    base = -float(values[0].astype("float64").mean())
    expected = base + (certified_excess_nats(tokens) if len(values) > 1 else 0.0)
    assert reading.bound_nats == pytest.approx(expected, abs=1e-6)


MODELS = {
    name: random_model(
        ModelConfig(backbone=name, vocab_size=260, width=16, layers=1, hidden=16), seed=1
    )
    for name in ("gru", "ssm")
}


@given(
    text=st.binary(min_size=1, max_size=60),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 1e3, 1e18, math.inf, math.nan]),
    seed=st.integers(0, 2**31),
    backbone=st.sampled_from(["gru", "ssm"]),
)
def test_the_bound_holds_on_arbitrary_bytes_and_arbitrary_weights(text, scale, seed, backbone):
    model = MODELS[backbone]
    tokens_BL = torch.tensor([[BOS_ID, *(4 + byte for byte in text)]])
    batch, _ = make_batch(model, AutoRegressive().examples(tokens_BL))
    adapter_DD = scale * torch.randn(16, 16, generator=torch.Generator().manual_seed(seed))
    base_N = log_probabilities(batch, model.head_VD)
    adapted_N = log_probabilities(batch, model.head_VD, adapter_DD)
    reading = read_mixed(torch.stack([base_N, adapted_N]), prior(2))
    assert reading.loss_nats <= -float(base_N.double().mean()) + math.log(2) / len(text) + 1e-9


def test_a_broken_expert_counts_as_nothing():
    log_probs_KT = torch.tensor([[-1.0, -1.0], [math.nan, -0.1]])
    reading = read_mixed(log_probs_KT, prior(2))
    assert reading.loss_nats == pytest.approx(1.0 + math.log(2) / 2)
    assert reading.learned_weight == 0.0


def test_a_better_expert_takes_over():
    log_probs_KT = torch.stack([torch.full((50,), -3.0), torch.full((50,), -2.0)])
    reading = read_mixed(log_probs_KT, prior(2))
    assert reading.learned_weight > 0.999
    assert reading.loss_nats < 2.02


@pytest.mark.parametrize("base_prior", [0.0, 1.0, math.nan])
def test_a_prior_that_drops_an_expert_is_an_error(base_prior):
    with pytest.raises(ConfigError):
        prior(2, base_prior=base_prior)
