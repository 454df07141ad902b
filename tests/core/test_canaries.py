"""Canary readings: the right mean, the right gradient, and free values on a line."""

import pytest
import torch

from tests.core.test_spfw import SETS, TEXTS, WIDTH, Letters, noise
from ttt.core.canaries import encode_canaries
from ttt.core.model import ModelConfig, random_model
from ttt.core.objective import AutoRegressive
from ttt.core.tokens import BOS_ID
from ttt.errors import ConfigError


def test_each_canary_counts_alike_whatever_its_length():
    model = random_model(
        ModelConfig(backbone="ssm", vocab_size=97, width=WIDTH, layers=1, hidden=16), seed=3
    )
    canaries = encode_canaries(TEXTS, model=model, encoder=Letters(), objective=AutoRegressive())
    adapter_DD = 0.2 * noise(1)
    each = [
        AutoRegressive().compute_loss(
            model, torch.tensor([[BOS_ID, *Letters().encode(text)]]), adapter_DD=adapter_DD
        )
        for text in TEXTS
    ]
    reading = canaries.read(adapter_DD)
    assert torch.allclose(reading.losses_C, torch.stack(each), atol=1e-5)
    assert reading.mean_loss == pytest.approx(float(torch.stack(each).mean()), abs=1e-5)


@pytest.mark.parametrize("key", sorted(SETS))
def test_the_gradient_is_that_of_the_mean_loss(key):
    probe, adapter_DD = SETS[key], 0.2 * noise(1)
    reading = probe.read(adapter_DD)
    direction_DD, h = noise(2), 1e-4
    ahead = probe.losses_float64(adapter_DD.double() + h * direction_DD).mean()
    behind = probe.losses_float64(adapter_DD.double() - h * direction_DD).mean()
    slope = float((reading.gradient_DD * direction_DD).sum())
    assert slope == pytest.approx(float(ahead - behind) / (2 * h), rel=1e-3, abs=1e-4)
    assert torch.allclose(reading.gradients_CDD().mean(0), reading.gradient_DD, atol=1e-5)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_readings_between_two_points_cost_no_product_and_are_right(fraction):
    probe = SETS["gru", "ar"]
    start_DD, end_DD = 0.1 * noise(1), noise(2)
    between = probe.read(start_DD).towards(probe.read(end_DD), fraction)
    direct = probe.read(torch.lerp(start_DD, end_DD, fraction))
    assert torch.allclose(between.losses_C, direct.losses_C, atol=1e-4)
    # Once its logits are written down, the way on from it is still the right one.
    end = probe.read(end_DD)
    onwards = between.written().towards(end, 0.5)
    direct = probe.read(torch.lerp(start_DD, end_DD, 0.5 + fraction / 2))
    assert torch.allclose(onwards.losses_C, direct.losses_C, atol=1e-4)
    assert torch.allclose(onwards.gradient_DD, direct.gradient_DD, atol=1e-4)


def test_a_move_like_another_is_right_and_its_way_too():
    probe = SETS["gru", "ar"]
    a_DD, b_DD, c_DD = 0.1 * noise(1), noise(2), 0.5 * noise(3)
    a, b, c = (probe.read(one_DD) for one_DD in (a_DD, b_DD, c_DD))
    back = a.towards(c, 0.25)  # A sum of two; moved and half way there, of three.
    half = back.towards(b.moved(a, back), 0.5)
    back_DD = torch.lerp(a_DD, c_DD, 0.25)
    direct = probe.read(torch.lerp(back_DD, b_DD + (back_DD - a_DD), 0.5))
    assert torch.allclose(half.losses_C, direct.losses_C, atol=1e-4)
    assert torch.allclose(half.gradient_DD, direct.gradient_DD, atol=1e-4)
    assert torch.equal(half.written().losses_C, half.losses_C)
    assert torch.equal(a.towards(a, 0.3).losses_C, a.losses_C)


@pytest.mark.parametrize("scale", [1e-3, 1e-2])
@pytest.mark.parametrize("key", sorted(SETS))
def test_the_forecast_agrees_with_the_measured_change_at_small_steps(key, scale):
    probe, adapter_DD = SETS[key], 0.2 * noise(1)
    step_DD = scale * noise(7)
    forecast = float((probe.read(adapter_DD).gradient_DD * step_DD).sum())
    before = probe.losses_float64(adapter_DD).mean()
    after = probe.losses_float64(adapter_DD + step_DD).mean()
    assert forecast == pytest.approx(float(after - before), rel=0.15, abs=1e-6)


def test_canaries_that_say_nothing_are_an_error():
    model = random_model(ModelConfig(vocab_size=97, width=WIDTH, hidden=16), seed=3)
    arguments = {"model": model, "encoder": Letters(), "objective": AutoRegressive()}
    with pytest.raises(ConfigError, match="at least one"):
        encode_canaries([], **arguments)
    with pytest.raises(ConfigError, match="'abc' has 3 tokens"):
        encode_canaries(["abc"], **arguments)
