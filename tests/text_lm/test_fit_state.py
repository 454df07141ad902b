"""The state of a training is all that the next step depends on, and nothing less."""

import json

import pytest
import torch

from tests.text_lm.test_fit import SMALL, counting, new_model
from ttt.text_lm.fit import FitConfig, fit, start_fit

STEPS = 10


def started(backbone: str, seed: int = 3):
    config = FitConfig(**SMALL | {"steps": STEPS, "mlm_share": 0.3, "seed": seed})
    return start_fit(new_model(backbone), counting(config), config), config


def saved(state):
    """What a file would hold: copies, and JSON."""
    tensors = {name: tensor.detach().clone() for name, tensor in state.tensors().items()}
    return tensors, json.loads(json.dumps(state.record()))


@pytest.mark.parametrize("backbone", ["gru", "ssm"])
def test_a_state_restored_at_any_step_takes_the_same_steps(backbone):
    state, config = started(backbone)
    states = [saved(state)]
    fit(state, config, report=lambda _: states.append(saved(state)))
    assert len(states) == STEPS + 1
    for tensors, record in states[:-1]:
        other, _ = started(backbone)
        other.restore(tensors, record)
        assert other.step == record["step"]
        fit(other, config, report=lambda _: None)
        end = other.tensors()
        assert end.keys() == states[-1][0].keys()
        assert [n for n, tensor in states[-1][0].items() if not torch.equal(end[n], tensor)] == []


def test_a_state_holds_no_memory_of_what_it_was_restored_from():
    state, config = started("ssm")
    fit(state, config, report=lambda done: done.step == 4)
    tensors, record = saved(state)
    copies = {name: tensor.clone() for name, tensor in tensors.items()}
    other, _ = started("ssm")
    other.restore(tensors, record)
    fit(other, config, report=lambda _: None)
    assert all(torch.equal(tensors[name], copy) for name, copy in copies.items())


def test_a_state_that_lacks_a_weight_is_refused():
    state, _ = started("gru")
    tensors, record = saved(state)
    del tensors["model.norm.weight"]
    other, _ = started("gru")
    with pytest.raises(KeyError, match="norm"):
        other.restore(tensors, record)
