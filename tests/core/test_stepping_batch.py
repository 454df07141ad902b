"""Many sequences at a time read and score what each of them would alone."""

import pytest
import torch

from tests.core.conftest import random_tokens
from ttt.core.model import ModelConfig, random_model
from ttt.core.stepping_batch import BatchStepper
from ttt.lib.compiled import can_compile


def tokens_and_states(model, batch):
    tokens_BL = random_tokens(5 * batch).reshape(batch, 5)
    return tokens_BL, torch.zeros(batch, *model.backbone.state_shape)


@pytest.mark.parametrize("batch", [1, 2, 13])
@pytest.mark.parametrize("compiled", [True, False])
def test_steps_of_many_read_what_the_model_reads(model, monkeypatch, batch, compiled):
    monkeypatch.setattr(
        "ttt.core.stepping_batch.compiles", lambda model: compiled and can_compile()
    )
    stepper = BatchStepper(model)
    tokens_BL, state_BNH = tokens_and_states(model, batch)
    features_BLD, end_BNH = model.features(tokens_BL)
    for t in range(5):
        features_BD = stepper.step(tokens_BL[:, t], state_BNH)
        torch.testing.assert_close(features_BD, features_BLD[:, t], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(state_BNH, end_BNH, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
def test_each_sequence_is_scored_under_its_own_fast_weights(model, monkeypatch, compiled):
    monkeypatch.setattr(
        "ttt.core.stepping_batch.compiles", lambda model: compiled and can_compile()
    )
    stepper = BatchStepper(model)
    tokens_BL, state_BNH = tokens_and_states(model, 3)
    adapters_BDD = torch.randn(3, 16, 16)
    features_BD = stepper.step(tokens_BL[:, 0], state_BNH)
    logits_BV = stepper.logits(features_BD, adapters_BDD.transpose(1, 2))
    for b in range(3):
        alone_BLV, _ = model(tokens_BL[b : b + 1, :1], adapter_DD=adapters_BDD[b])
        torch.testing.assert_close(logits_BV[b], alone_BLV[0, 0], rtol=1e-4, atol=1e-5)
    plain_BLV, _ = model(tokens_BL[:, :1])
    torch.testing.assert_close(stepper.logits(features_BD), plain_BLV[:, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not can_compile(), reason="numba does not work here")
@pytest.mark.parametrize("backbone", ["gru", "ssm"])
def test_a_sequence_that_broke_breaks_no_other(backbone):
    config = ModelConfig(backbone=backbone, vocab_size=97, width=5, layers=2, hidden=3)
    model = random_model(config, seed=1)
    stepper, (tokens_BL, state_BNH) = BatchStepper(model), tokens_and_states(model, 3)
    sound_BNH = state_BNH.clone()
    state_BNH[1] = torch.nan
    features_BD = stepper.step(tokens_BL[:, 0], state_BNH)
    expected_BD = stepper.step(tokens_BL[:, 0], sound_BNH)
    assert bool(features_BD[1].isnan().all())
    assert torch.equal(features_BD[::2], expected_BD[::2])
    assert torch.equal(state_BNH[::2], sound_BNH[::2])
