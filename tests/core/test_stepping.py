"""A step reads what the model would read, however it is computed, and carries the state exactly."""

import pytest
import torch

from tests.core.conftest import random_tokens
from ttt.core.backbone import GruBackbone
from ttt.core.model import LanguageModel, ModelConfig, random_model
from ttt.core.starter import load_starter
from ttt.core.stepping import CompiledStepper, NaiveStepper, make_stepper
from ttt.lib.compiled import can_compile

STEPPERS = [NaiveStepper, CompiledStepper] if can_compile() else [NaiveStepper]


def run(stepper, ids, state_NH, adapter_DD=None):
    """Logits after each token, one at a time."""
    head = stepper.head(adapter_DD)
    return torch.stack([head(stepper.step(int(i), state_NH)) for i in ids])


def fresh(model):
    return torch.zeros(model.backbone.state_shape)


@pytest.mark.parametrize("stepper", STEPPERS)
@pytest.mark.parametrize("length", [1, 63])
def test_steps_score_what_the_whole_prefix_scores(model, adapter_DD, stepper, length):
    tokens_BL, state_NH = random_tokens(length), fresh(model)
    logits_BLV, end_BNH = model(tokens_BL, adapter_DD=adapter_DD)
    stepped_LV = run(stepper(model), tokens_BL[0], state_NH, adapter_DD)
    torch.testing.assert_close(stepped_LV, logits_BLV[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(state_NH, end_BNH[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stepper", STEPPERS)
def test_steps_go_on_from_a_state_that_was_read_at_once(model, stepper):
    tokens_BL = random_tokens(20)
    _, state_BNH = model.features(tokens_BL[:, :13])
    stepped_LV = run(stepper(model), tokens_BL[0, 13:], state_BNH[0].clone())
    torch.testing.assert_close(stepped_LV, model(tokens_BL)[0][0, 13:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", ["gru", "ssm"])
def test_logits_of_a_starter_model_equal_those_of_the_whole_prefix_to_one_in_ten_thousand(backbone):
    model = load_starter(backbone).model
    tokens_BL = random_tokens(400, vocab_size=4096)
    with torch.no_grad():
        whole_LV = model(tokens_BL)[0][0]
    stepped_LV = run(make_stepper(model), tokens_BL[0], fresh(model))
    assert float((stepped_LV - whole_LV).abs().max()) <= 1e-4


@pytest.mark.skipif(not can_compile(), reason="numba does not work here")
@pytest.mark.parametrize(("width", "hidden"), [(1, 1), (5, 3), (7, 2)])
@pytest.mark.parametrize("backbone", ["gru", "ssm"])
def test_the_compiled_step_equals_its_twin_at_odd_sizes(backbone, width, hidden):
    config = ModelConfig(backbone=backbone, vocab_size=11, width=width, layers=3, hidden=hidden)
    model = random_model(config, seed=1)
    ids = random_tokens(9, vocab_size=11)[0]
    states = [fresh(model), fresh(model)]
    both = [run(kind(model), ids, state) for kind, state in zip(STEPPERS, states, strict=True)]
    torch.testing.assert_close(both[1], both[0], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(states[1], states[0], rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(not can_compile(), reason="numba does not work here")
def test_a_decay_close_to_one_forgets_as_slowly_as_the_backbone_says():
    config = ModelConfig(backbone="ssm", vocab_size=11, width=4, layers=1, hidden=8)
    model = random_model(config, seed=1)
    with torch.no_grad():
        model.backbone.layers[0].decay.bias.fill_(16.0)  # 1 - decay is 1e-7, below rounding of 1
    states = [fresh(model), fresh(model)]
    for kind, state in zip(STEPPERS, states, strict=True):
        run(kind(model), [5] * 200, state)
    torch.testing.assert_close(states[1], states[0], rtol=1e-3, atol=0.0)
    assert states[1].abs().min() > 0


def small() -> LanguageModel:
    return LanguageModel(ModelConfig(vocab_size=11, width=4, hidden=3)).frozen()


def test_only_what_the_loops_were_written_for_is_stepped_by_them(monkeypatch):
    class Echo(GruBackbone):
        """Somebody's own: a subclass may read otherwise."""

    own = small()
    own.backbone = Echo(width=4, layers=1, hidden=3)
    assert isinstance(make_stepper(own), NaiveStepper)
    assert isinstance(make_stepper(small()), STEPPERS[-1])
    monkeypatch.setattr("ttt.core.stepping.scan_path", lambda device: "torch")
    assert isinstance(make_stepper(small()), NaiveStepper)


def test_a_model_in_another_precision_is_left_to_the_tensor_library():
    model = small().double()
    assert isinstance(make_stepper(model), NaiveStepper)
    state_NH = torch.zeros(1, 3, dtype=torch.float64)
    assert run(make_stepper(model), [5], state_NH).dtype == torch.float64


@pytest.mark.parametrize("stepper", STEPPERS)
def test_what_a_step_gives_out_is_not_overwritten_by_the_next(model, stepper):
    made, state_NH = stepper(model), fresh(model)
    first_D = made.step(5, state_NH)
    kept_D, first_V = first_D.clone(), made.head()(first_D)
    kept_V = first_V.clone()
    second_D = made.step(6, state_NH)
    made.head()(second_D)
    assert torch.equal(first_D, kept_D)
    assert torch.equal(first_V, kept_V)


def test_weights_that_are_not_finite_show_in_the_scores(model):
    broken_DD = torch.full((16, 16), float("nan"))
    logits_V = make_stepper(model).head(broken_DD)(make_stepper(model).step(5, fresh(model)))
    assert bool(logits_V.isnan().all())


def test_no_weight_of_the_model_is_changed_by_a_step(model):
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    run(make_stepper(model), [5, 6, 7], fresh(model))
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
