"""Objectives: what is read and what is asked for."""

import pytest
import torch

from tests.core.conftest import random_tokens
from ttt.core.objective import OBJECTIVES, AutoRegressive, Masked
from ttt.core.tokens import MASK_ID
from ttt.errors import ConfigError


def test_ar_reads_all_but_the_last_and_predicts_all_but_the_first():
    tokens_BL = torch.tensor([[5, 6, 7], [8, 9, 10]])
    examples = AutoRegressive().examples(tokens_BL)
    assert examples.inputs_BS.tolist() == [[5, 6], [8, 9]]
    assert examples.targets_N.tolist() == [6, 7, 9, 10]
    assert examples.positions_N.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("length", [1, 2, 3, 50])
def test_mlm_hides_something_and_never_the_ends_of_a_longer_text(length):
    tokens_BL = random_tokens(length).repeat(20, 1)
    examples = Masked(mask_probability=0.2).examples(tokens_BL, torch.Generator().manual_seed(0))
    hidden_BL = examples.inputs_BS == MASK_ID
    assert bool(hidden_BL.any(dim=1).all())
    if length > 2:
        assert not bool(hidden_BL[:, 0].any())
        assert not bool(hidden_BL[:, -1].any())
    assert torch.equal(examples.targets_N, tokens_BL[hidden_BL])
    assert torch.equal(examples.positions_N, hidden_BL.flatten().nonzero()[:, 0])
    assert torch.equal(examples.inputs_BS[~hidden_BL], tokens_BL[~hidden_BL])


def test_mlm_hides_the_share_it_is_told_to():
    examples = Masked(mask_probability=0.15).examples(
        random_tokens(20_002), torch.Generator().manual_seed(0)
    )
    assert len(examples.targets_N) / 20_000 == pytest.approx(0.15, abs=0.01)


def test_the_same_generator_hides_the_same_tokens():
    masks = [
        Masked().examples(random_tokens(99), torch.Generator().manual_seed(seed)).inputs_BS
        for seed in (1, 1, 2)
    ]
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("p", [0.0, 1.0, float("nan")])
def test_a_share_outside_its_range_is_an_error(p):
    with pytest.raises(ConfigError, match="mlm_prob"):
        Masked(mask_probability=p)


def test_text_too_short_to_ask_anything_is_an_error():
    with pytest.raises(ConfigError, match="at least 2"):
        AutoRegressive().examples(torch.tensor([[5]]))
    with pytest.raises(ConfigError, match="at least 1"):
        Masked().examples(torch.zeros(1, 0, dtype=torch.long))


def test_the_registry_builds_both():
    assert OBJECTIVES.names() == ("ar", "mlm")
    assert OBJECTIVES.get("mlm")(0.3) == Masked(mask_probability=0.3)
