"""Small real models for the tests of the core."""

import pytest
import torch

from ttt.core.model import LanguageModel, ModelConfig, random_model


@pytest.fixture(params=["gru", "ssm"])
def model(request) -> LanguageModel:
    """An untrained model with logits large enough that losses differ."""
    config = ModelConfig(backbone=request.param, vocab_size=97, width=16, layers=2, hidden=24)
    return random_model(config, seed=3)


@pytest.fixture
def adapter_DD() -> torch.Tensor:
    return 0.3 * torch.randn(16, 16, generator=torch.Generator().manual_seed(5))


def random_tokens(length: int, *, vocab_size: int = 97, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(4, vocab_size, (1, length), generator=generator)
