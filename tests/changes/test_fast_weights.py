"""A chunk's change: what it moves, and that taking it back leaves no trace."""

import math

import pytest
import torch

from tests.core.test_spfw import SETS, WIDTH, Letters
from ttt.changes.fast_state import FastWeights, fresh_fast_weights
from ttt.changes.fast_weights import FastWeightUpdate, LearningConfig, Lesson
from ttt.core.cache import CacheConfig
from ttt.core.closed_form import loss_and_gradient, make_batch
from ttt.core.fisher import Fisher
from ttt.core.model import ModelConfig, random_model
from ttt.core.objective import AutoRegressive
from ttt.core.rules import RULES, UpdateRule
from ttt.core.spfw import StepGuide
from ttt.core.spfw_config import SpfwConfig
from ttt.errors import ConfigError

PROBE = SETS["gru", "ar"]
MODEL = random_model(
    ModelConfig(backbone="gru", vocab_size=97, width=WIDTH, layers=1, hidden=16), seed=3
)
MODEL.embed.weight.mul_(12.0)
RULE_NAMES = RULES.names()


def rule_named(name: str) -> UpdateRule:
    eye_DD = torch.eye(WIDTH)
    return RULES.get(name)(None, Fisher(A_DD=eye_DD, G_DD=0.5 * eye_DD))


def lesson(fast: FastWeights, text: str, chunk: int = 0) -> Lesson:
    tokens_BL = torch.tensor([Letters().encode(text)])
    batch, _ = make_batch(MODEL, AutoRegressive().examples(tokens_BL))
    return Lesson(chunk=chunk, batch=batch, adapter_DD=fast.state.adapter_DD, head_VD=MODEL.head_VD)


def update(fast: FastWeights, lessons: list[Lesson], rule: UpdateRule, **settings):
    defaults = {"learning": LearningConfig(), "cache": CacheConfig(), "guide": None}
    return FastWeightUpdate(
        fast=fast, lessons=lessons, rule=rule, probe=PROBE, **{**defaults, **settings}
    )


@pytest.mark.parametrize("name", RULE_NAMES)
def test_every_rule_lowers_the_loss_of_what_it_learns(name):
    rule = rule_named(name)
    fast = fresh_fast_weights(rule, width=WIDTH, probe=PROBE)
    before = lesson(fast, "to be or not to be that is the question")
    for _ in range(3):
        change = update(fast, [lesson(fast, "to be or not to be that is the question")], rule)
        change.apply()
    after = loss_and_gradient(before.batch, MODEL.head_VD, fast.state.adapter_DD)
    assert float(after.loss) < float(before.learned.loss)


@pytest.mark.parametrize("name", RULE_NAMES)
@pytest.mark.parametrize("steps", [1, 3])
def test_restoring_undoes_every_step_of_every_chunk_and_the_rules_memory(name, steps):
    rule = rule_named(name)
    fast = fresh_fast_weights(rule, width=WIDTH, probe=PROBE)
    update(fast, [lesson(fast, "something learned earlier")], rule).apply()
    before, print_ = fast.state, fast.state.fingerprint()
    bytes_before = before.adapter_DD.numpy().tobytes()
    change = update(
        fast,
        [lesson(fast, "first of two chunks", 1), lesson(fast, "second of two chunks", 2)],
        rule,
        learning=LearningConfig(steps_per_chunk=steps),
    )
    snapshot = change.snapshot()
    random_before = torch.get_rng_state()
    change.apply()
    assert change.fingerprint() != print_
    change.restore(snapshot)
    assert change.fingerprint() == print_
    assert fast.state.adapter_DD.numpy().tobytes() == bytes_before
    assert torch.equal(torch.get_rng_state(), random_before)
    assert fast.state.gradient_norms == before.gradient_norms
    assert len(fast.state.cache) == len(before.cache)


@pytest.mark.parametrize("field", ["adapter", "memory", "gradient_norms", "canary_rises", "cache"])
def test_the_fingerprint_covers_everything_the_next_step_depends_on(field):
    rule = rule_named("muon")
    fast = fresh_fast_weights(rule, width=WIDTH, probe=PROBE)
    update(fast, [lesson(fast, "something learned earlier")], rule).apply()
    print_ = fast.state.fingerprint()
    other = fresh_fast_weights(rule, width=WIDTH, probe=PROBE)
    update(other, [lesson(other, "something learned earlier")], rule).apply()
    assert other.state.fingerprint() == print_
    state = other.state
    if field == "adapter":
        state.adapter_DD[0, 0] += 1e-7
    elif field == "memory":
        state.memory["momentum"][1, 1] += 1e-7
    elif field == "cache":
        object.__setattr__(state, "cache", state.cache.forget(0))
    else:
        object.__setattr__(state, field, getattr(state, field).with_value(0.5))
    assert state.fingerprint() != print_


def test_the_gradient_is_clipped_to_the_median_of_what_was_committed():
    rule = RULES.get("sgd")(1.0, Fisher(A_DD=torch.eye(WIDTH), G_DD=torch.eye(WIDTH)))
    fast = fresh_fast_weights(rule, width=WIDTH, probe=PROBE)
    first = lesson(fast, "the first chunk sets the scale")
    update(fast, [first], rule).apply()
    limit = float(first.learned.gradient_DD.norm())
    loud = lesson(fast, "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", 1)
    assert float(loud.learned.gradient_DD.norm()) > limit
    change = update(fast, [loud], rule)
    change.apply()
    assert change.report.attempted_norm == pytest.approx(limit, rel=1e-4)
    free = update(
        fast,
        [lesson(fast, "QQQQQQQQQQQQQQQQ", 2)],
        rule,
        learning=LearningConfig(clip_to_median=False),
    )
    free.apply()
    assert free.report.attempted_norm > limit


def test_what_does_not_fit_the_budget_changes_nothing():
    rule = rule_named("sgd")
    fast = fresh_fast_weights(rule, width=WIDTH, probe=PROBE)
    guide = StepGuide(config=SpfwConfig(budget_nats=0.0, canary_limit_nats=0.0))
    print_ = fast.state.fingerprint()
    change = update(fast, [lesson(fast, "zzzzzzzzzzzzzzzzzzzz")], rule, guide=guide)
    change.apply()
    assert change.report.written_DD is None
    assert change.report.reading.mean_loss > fast.anchor.reading.mean_loss
    assert fast.state.fingerprint() == print_


def test_a_smaller_share_of_the_step_is_a_smaller_step():
    rule = rule_named("sgd")
    norms = []
    for scale in (1.0, 0.25):
        fast = fresh_fast_weights(rule, width=WIDTH, probe=PROBE)
        change = update(fast, [lesson(fast, "half a step is also a step")], rule, scale=scale)
        change.apply()
        norms.append(float(fast.state.adapter_DD.norm()))
    assert norms[1] == pytest.approx(0.25 * norms[0], rel=1e-4)


@pytest.mark.parametrize("wrong", [{"steps_per_chunk": -1}, {"clip": math.nan}, {"clip": -1.0}])
def test_a_setting_outside_its_range_is_an_error(wrong):
    with pytest.raises(ConfigError):
        LearningConfig(**wrong)
