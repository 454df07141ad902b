"""The training loop: it learns, repeats, schedules, and stops where the loss explodes."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from ttt.core.model import LanguageModel, ModelConfig, random_model
from ttt.errors import ConfigError, TrainingDivergedError
from ttt.text_lm import fit as module
from ttt.text_lm.batches import CARRIED_WINDOWS
from ttt.text_lm.fit import (
    FitConfig,
    StepReport,
    fit,
    make_optimizers,
    rate_factor,
    start_fit,
)
from ttt.text_lm.windows import Mixture, Source

SMALL = {"seq_len": 8, "batch_size": 4, "steps": 12, "lr": 0.02}


def new_model(backbone: str = "gru") -> LanguageModel:
    config = ModelConfig(backbone=backbone, vocab_size=40, width=16, layers=1, hidden=16)
    return random_model(config, seed=0).requires_grad_(True)


def counting(config: FitConfig) -> Mixture:
    """A text that can be learned: 4, 5, ... 39, 4, 5, ..."""
    tokens_T = np.array([4 + n % 36 for n in range(2000)], dtype=np.uint16)
    return Mixture(sources=(Source(name="n", tokens_T=tokens_T, length=config.segment_length),))


def run(config: FitConfig, model: LanguageModel | None = None) -> list[StepReport]:
    reports: list[StepReport] = []
    state = start_fit(model or new_model(), counting(config), config)
    fit(state, config, report=reports.append)
    return reports


@pytest.mark.parametrize("backbone", ["gru", "ssm"])
def test_a_text_that_can_be_learned_is_learned(backbone):
    reports = run(
        FitConfig(**SMALL | {"steps": 80, "lr": 0.1, "mlm_share": 0.0}), new_model(backbone)
    )
    assert reports[0].loss == pytest.approx(math.log(40), abs=0.3)
    assert reports[-1].loss < 1.0


@pytest.mark.parametrize("backbone", ["gru", "ssm"])
def test_half_precision_learns_the_same_to_its_own_accuracy(backbone):
    losses = {}
    for precision in ("float32", "bfloat16"):
        config = FitConfig(**SMALL | {"precision": precision})
        model = new_model(backbone)
        losses[precision] = [report.loss for report in run(config, model)]
        assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
    assert losses["bfloat16"] != losses["float32"]


def test_masked_batches_alone_train_too():
    names = {report.objective for report in run(FitConfig(**SMALL | {"mlm_share": 1.0}))}
    assert names == {"mlm"}


def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    models = [new_model() for _ in range(3)]
    for model, seed in zip(models, (5, 5, 6), strict=True):
        run(FitConfig(**SMALL | {"seed": seed}), model)
    assert torch.equal(models[0].head_VD, models[1].head_VD)
    assert not torch.equal(models[0].head_VD, models[2].head_VD)


def test_every_weight_moves_and_the_model_is_left_in_training_mode():
    model = new_model("ssm")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    run(FitConfig(**SMALL), model)
    assert model.training
    assert not [n for n, weight in model.state_dict().items() if torch.equal(weight, before[n])]


def test_the_share_of_masked_batches_is_what_was_asked_for():
    names = [
        report.objective for report in run(FitConfig(**SMALL | {"steps": 300, "mlm_share": 0.25}))
    ]
    assert names.count("mlm") / 300 == pytest.approx(0.25, abs=0.08)
    assert {report.objective for report in run(FitConfig(**SMALL | {"mlm_share": 0.0}))} == {"ar"}


def test_the_state_is_carried_within_a_segment_and_never_beyond_it():
    """What the model is handed: None at a segment's first window, then what it returned before."""
    model, given = new_model(), []
    features = model.features

    def watched(tokens_BL, state_BNH=None):
        out = features(tokens_BL, state_BNH)
        given.append((tokens_BL, state_BNH, out[1].detach()))
        return out

    model.features = watched
    run(FitConfig(**SMALL | {"mlm_share": 0.0}), model)
    for n, (tokens_BL, state_BNH, _) in enumerate(given):
        if n % CARRIED_WINDOWS == 0:
            assert state_BNH is None
        else:
            assert torch.equal(state_BNH, given[n - 1][2])
            assert not state_BNH.requires_grad
            wanted = 4 + (given[n - 1][0][:, -1] - 4 + 1) % 36
            assert torch.equal(tokens_BL[:, 0], wanted)


def test_the_rate_rises_then_falls_to_zero():
    for schedule in ("cosine", "linear"):
        config = FitConfig(steps=100, lr_schedule=schedule)
        factors = [rate_factor(step, config) for step in range(1, 101)]
        assert factors[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, factors[5]])
        assert all(a > b for a, b in pairwise(factors[4:]))
        assert factors[-1] == pytest.approx(0.0, abs=1e-12)
    assert rate_factor(53, FitConfig(steps=100, lr_schedule="linear")) == pytest.approx(47 / 95)


def test_the_rate_of_both_optimizers_follows_the_schedule(monkeypatch):
    made = []
    monkeypatch.setattr(
        module, "make_optimizers", lambda *a: made.extend(make_optimizers(*a)) or made
    )
    config = FitConfig(**SMALL)
    seen = []
    model = new_model()

    def watch(report):
        seen.append([group["lr"] for optimizer in made for group in optimizer.param_groups])

    fit(start_fit(model, counting(config), config), config, report=watch)
    peak = [config.lr, config.lr * module.ADAM_LR_RATIO, config.lr * module.ADAM_LR_RATIO]
    for step, rates in enumerate(seen, start=1):
        assert rates == pytest.approx([rate * rate_factor(step, config) for rate in peak])


def test_matrices_go_to_muon_and_everything_else_to_adamw():
    model = new_model("ssm")
    muon, adam = make_optimizers(model, FitConfig())
    by_muon = {id(p) for group in muon.param_groups for p in group["params"]}
    by_adam = {id(p) for group in adam.param_groups for p in group["params"]}
    assert by_muon == {id(p) for p in model.backbone.parameters() if p.ndim == 2}
    assert by_muon | by_adam == {id(p) for p in model.parameters()}
    assert not by_muon & by_adam
    decayed = [p for g in adam.param_groups if g["weight_decay"] for p in g["params"]]
    assert [id(p) for p in decayed] == [id(model.embed.weight)]


def test_a_backbone_without_matrices_is_trained_by_adamw_alone():
    model = new_model("gru")
    model.backbone = nn.Identity()
    (adam,) = make_optimizers(model, FitConfig())
    assert isinstance(adam, torch.optim.AdamW)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_before_the_step(poison):
    model = new_model()
    reports: list[StepReport] = []

    def poison_after_three(report: StepReport) -> None:
        reports.append(report)
        if report.step == 3:
            with torch.no_grad():
                model.norm.weight.fill_(poison)

    config = FitConfig(**SMALL)
    with pytest.raises(TrainingDivergedError, match=r"At step 4 .*lower --lr than 0\.02"):
        fit(start_fit(model, counting(config), config), config, report=poison_after_three)
    assert len(reports) == 3
    assert model.head_VD.isfinite().all()


def test_gradients_are_clipped_to_the_limit(monkeypatch):
    norms = []
    clip = nn.utils.clip_grad_norm_

    def watched(parameters, limit):
        parameters = list(parameters)
        before = clip(parameters, limit)
        norms.append(math.sqrt(sum(float(p.grad.square().sum()) for p in parameters)))
        return before

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", watched)
    monkeypatch.setattr(module, "GRADIENT_NORM_MAX", 0.01)
    reports = run(FitConfig(**SMALL))
    assert max(report.gradient_norm for report in reports) > 0.02
    assert max(norms) <= 0.0101


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seq_len", 0), ("batch_size", 0), ("steps", 0), ("ns_steps", 0),
        ("lr", 0.0), ("lr", math.nan), ("lr", 1.1), ("momentum", 1.0), ("weight_decay", -0.1),
        ("mlm_share", 1.1), ("mlm_share", math.nan), ("lr_schedule", "square"),
        ("precision", "float16"),
    ],
)  # fmt: skip
def test_a_setting_outside_of_its_range_is_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        FitConfig(**{name: value})
