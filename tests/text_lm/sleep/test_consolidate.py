"""The training of a night: what moves, what is pulled back, what stays."""

import numpy as np
import pytest
import torch

from ttt.core.model import ModelConfig, random_model, signature
from ttt.errors import TrainingDivergedError
from ttt.text_lm.sleep.consolidate import ConsolidationConfig, consolidate, fisher_diagonal
from ttt.text_lm.sleep.plastic import movable_copy
from ttt.text_lm.sleep.rows import loss_of
from ttt.text_lm.windows import Source

MEMORIES = [(1, *range(10, 30)), (1, *range(30, 40))]


@pytest.fixture(scope="module", params=["gru", "ssm"])
def model(request):
    config = ModelConfig(backbone=request.param, vocab_size=64, width=16, layers=1, hidden=16)
    return random_model(config, seed=1)


@pytest.fixture(scope="module")
def core():
    tokens_T = np.random.default_rng(0).integers(4, 64, size=2000).astype(np.uint16)
    return Source(name="core", tokens_T=tokens_T, length=17)


def slept(model, core, **changed):
    settings = {
        "steps": 20, "lr": 1e-2, "batch_size": 4, "core_ratio": 0.5, "importance": 0.0, "seed": 0,
    } | changed  # fmt: skip
    told = []
    config = ConsolidationConfig(**settings)
    made = consolidate(model, core, MEMORIES, config, report=lambda *step: told.append(step))
    return made, told


def test_memories_are_learned_and_the_base_stays_as_it_was(model, core):
    before = signature(model)
    made, told = slept(model, core)
    assert loss_of(made, MEMORIES) < loss_of(model, MEMORIES) - 0.1
    assert signature(model) == before
    assert [step for step, _ in told] == list(range(1, 21))
    assert not any(parameter.requires_grad for parameter in made.parameters())


def test_only_backbone_and_norm_move(model, core):
    made, _ = slept(model, core)
    old, new = model.state_dict(), made.state_dict()
    moved = {name.partition(".")[0] for name in old if not torch.equal(old[name], new[name])}
    assert moved == {"backbone", "norm"}


def test_the_same_night_gives_the_same_bytes(model, core):
    assert signature(slept(model, core)[0]) == signature(slept(model, core)[0])
    assert signature(slept(model, core, seed=1)[0]) != signature(slept(model, core)[0])


def test_the_more_it_is_pulled_back_the_less_it_moves(model, core):
    def way(importance):
        made, _ = slept(model, core, importance=importance)
        pairs = zip(made.parameters(), model.parameters(), strict=True)
        return float(sum((one - other).square().sum() for one, other in pairs))

    assert way(0.0) > way(1e3) > way(1e6)


def test_what_the_model_depends_on_is_held_most(model, core):
    """With the pull alone, a displaced parameter comes back faster where its information is."""
    information = fisher_diagonal(movable_copy(model), core, seed=0)
    assert all(bool((one >= 0).all()) for one in information)
    assert sum(float(one.sum()) for one in information) > 0


def test_a_loss_that_explodes_ends_the_night(model, core):
    with pytest.raises(TrainingDivergedError, match="lower --lr"):
        slept(model, core, importance=float("inf"))


@pytest.mark.parametrize(("ratio", "learned"), [(0.0, 3), (0.5, 2), (0.99, 1)])
def test_each_batch_holds_memories_and_core(model, core, monkeypatch, ratio, learned):
    drawn = []
    monkeypatch.setattr(Source, "draw", lambda self, n, g: drawn.append(n) or self.validation(n))
    slept(model, core, core_ratio=ratio, steps=1)
    assert 4 - drawn[-1] == learned
