"""A text comes out the same whether it is written alone or beside others."""

import math
import random

import numpy as np
import pytest
import torch

from tests.text_lm.test_generation import ENCODER
from ttt.core.base import Base
from ttt.core.model import ModelConfig, random_model
from ttt.core.stepping_batch import BatchStepper
from ttt.errors import PredictionError
from ttt.lib.seeds import derive_seed
from ttt.text_lm.generation import GenerationConfig, generate
from ttt.text_lm.generation_batch import write_many
from ttt.text_lm.sampling import Sampling

SAMPLING = Sampling(top_k=20)


@pytest.mark.parametrize("backbone", ["gru", "ssm"])
def test_texts_written_together_are_those_written_alone(backbone):
    config = ModelConfig(backbone=backbone, vocab_size=270, width=16, layers=2, hidden=24)
    model = random_model(config, seed=3)
    base = Base(name="x", model=model, encoder=ENCODER, fisher=None)
    adapters_BDD = 0.3 * torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(5))
    prompts = [ENCODER.encode(text) for text in ("The cat", "mat", "on the")]
    alone = [
        [
            token.token_id
            for token in generate(
                base,
                prompts[b],
                GenerationConfig(sampling=SAMPLING, seed=b, max_new_tokens=20, stop_ids=()),
                adapter_DD=adapters_BDD[b],
            )
        ]
        for b in range(3)
    ]
    draws = [random.Random(derive_seed(b, "generate")) for b in range(3)]
    state_BNH = torch.cat(
        [
            model.features(torch.tensor([ids[:-1]]))[1]
            if len(ids) > 1
            else torch.zeros(1, *model.backbone.state_shape)
            for ids in prompts
        ]
    )
    last_B = torch.tensor([ids[-1] for ids in prompts])
    together = [[], [], []]
    for _ in range(20):
        ids_B, _ = write_many(
            BatchStepper(model),
            last_B,
            state_BNH,
            sampling=SAMPLING,
            uniforms_B=np.array([draw.random() for draw in draws]),
            adapters_BDD=adapters_BDD.transpose(1, 2),
        )
        last_B = torch.from_numpy(ids_B)
        for text, token_id in zip(together, ids_B.tolist(), strict=True):
            text.append(token_id)
    assert together == alone


def test_one_broken_session_is_refused():
    model = random_model(ModelConfig(vocab_size=270, width=16, hidden=24), seed=3)
    adapters_BDD = torch.zeros(2, 16, 16)
    adapters_BDD[1, 0, 0] = math.inf
    with pytest.raises(PredictionError, match="not finite"):
        write_many(
            BatchStepper(model),
            torch.tensor([5, 6]),
            torch.zeros(2, 1, 24),
            sampling=SAMPLING,
            uniforms_B=np.array([0.1, 0.2]),
            adapters_BDD=adapters_BDD,
        )
