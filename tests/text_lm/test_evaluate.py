"""Held-out losses against the readable loss of the objective."""

import math

import numpy as np
import pytest
import torch

from ttt.core.model import ModelConfig, random_model
from ttt.core.objective import AutoRegressive, Masked
from ttt.text_lm.evaluate import held_out_loss
from ttt.text_lm.tokenizer import train_tokenizer

ENCODER = train_tokenizer(["the cat sat on the mat\n" * 9], vocab_size=270)
MODEL = random_model(ModelConfig(vocab_size=270, width=16, hidden=8), seed=0)
WINDOWS_BL = np.random.default_rng(0).integers(4, 270, size=(21, 12))


def test_the_loss_is_the_objectives_own_mean_over_all_windows():
    expected = AutoRegressive().compute_loss(MODEL, torch.from_numpy(WINDOWS_BL))
    found = held_out_loss(MODEL, WINDOWS_BL, objective=AutoRegressive(), encoder=ENCODER)
    assert found.nats_per_token == pytest.approx(float(expected), rel=1e-5)
    assert found.tokens == 21 * 11


def test_bits_per_byte_count_the_bytes_of_the_predicted_tokens():
    found = held_out_loss(MODEL, WINDOWS_BL, objective=AutoRegressive(), encoder=ENCODER)
    text_bytes = sum(
        len(ENCODER._tokenizer.id_to_token(i)) for i in WINDOWS_BL[:, 1:].ravel().tolist()
    )
    bits = found.nats_per_token * found.tokens / math.log(2)
    assert found.bits_per_byte == pytest.approx(bits / text_bytes)


def test_the_same_seed_hides_the_same_tokens_and_another_seed_others():
    losses = [
        held_out_loss(
            MODEL, WINDOWS_BL, objective=Masked(), encoder=ENCODER, seed=seed
        ).nats_per_token
        for seed in (1, 1, 2)
    ]
    assert losses[0] == losses[1] != losses[2]
