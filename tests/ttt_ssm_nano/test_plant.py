"""The plant: its equations, what may happen to it, and that its settings are all it depends on."""

import numpy as np
import pytest

from ttt.errors import ConfigError
from ttt_ssm_nano.plant import (
    MU_HIGH,
    MU_LOW,
    STEPS_MAX,
    PlantConfig,
    draw_mu,
    roll_out,
    simulate,
)


@pytest.mark.parametrize("mode", ["linear", "nonlinear"])
def test_a_trajectory_obeys_the_equations(mode):
    seen = simulate(PlantConfig(seed=5, mode=mode, mu=0.1), 200)
    position, velocity = np.zeros(2), np.zeros(2)
    for t in range(200):
        assert np.allclose(seen.inputs_TX[t, :4], [*position, *velocity])
        friction = 0.1
        if mode == "nonlinear":
            friction = 0.2 if np.linalg.norm(velocity) < 0.2 else 0.05
        velocity = (1 - friction) * velocity + seen.inputs_TX[t, 4:]
        position = position + velocity
        assert np.allclose(seen.targets_TY[t], [*position, *velocity])


def test_slow_masses_stick_no_more_than_at_0_95():
    pushes = np.full((1, 2, 2), 0.1)
    seen = roll_out(pushes, np.full((1, 2), 0.9), mode="nonlinear")
    assert np.allclose(seen[0, 2, 2:], 0.05 * 0.1 + 0.1)


def test_the_same_seed_gives_the_same_bytes_and_another_another_world():
    one, same, other = (simulate(PlantConfig(seed=s, noise_std=0.1), 50) for s in (1, 1, 2))
    assert one.inputs_TX.tobytes() == same.inputs_TX.tobytes()
    assert one.mu_T[0] != other.mu_T[0]
    assert not np.array_equal(one.inputs_TX, other.inputs_TX)


def test_noise_glitch_and_jump_change_only_what_they_are_about():
    plain = simulate(PlantConfig(seed=1), 100)
    noisy = simulate(PlantConfig(seed=1, noise_std=0.1), 100)
    assert np.array_equal(plain.inputs_TX[:, 4:], noisy.inputs_TX[:, 4:])
    assert 0.05 < np.std(noisy.targets_TY - plain.targets_TY) < 0.2
    lying = simulate(PlantConfig(seed=1, glitch_at=40, glitch_steps=2), 100)
    assert list(np.flatnonzero((lying.targets_TY != plain.targets_TY).any(axis=1))) == [39, 40]
    jumped = simulate(PlantConfig(seed=1, jump_at=60), 100)
    assert np.array_equal(jumped.targets_TY[:60], plain.targets_TY[:60])
    assert jumped.mu_T[60] != jumped.mu_T[59]


def test_what_is_seen_is_the_next_input():
    seen = simulate(PlantConfig(seed=3, noise_std=0.2), 20)
    assert np.array_equal(seen.targets_TY[:-1], seen.inputs_TX[1:, :4])


def test_frictions_are_drawn_within_their_limits_and_by_name():
    drawn = [draw_mu(seed, "alice") for seed in range(200)]
    assert min(drawn) >= MU_LOW
    assert max(drawn) <= MU_HIGH
    assert draw_mu(0, "alice") != draw_mu(0, "bob")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mu": 1.0}, "mu must be at least 0 and below 1, not 1.0"),
        ({"mu": float("nan")}, "mu must be"),
        ({"noise_std": -1.0}, "noise_std must be"),
        ({"noise_std": float("nan")}, "noise_std must be"),
        ({"glitch_size": float("inf")}, "A glitch has a finite size"),
        ({"glitch_steps": 0}, "at least one step"),
        ({"mode": "cubic"}, "linear or nonlinear, not 'cubic'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        PlantConfig(seed=0, **settings)


@pytest.mark.parametrize("steps", [0, STEPS_MAX + 1])
def test_a_trajectory_has_a_bounded_length(steps):
    with pytest.raises(ConfigError, match="A plant takes 1 to"):
        simulate(PlantConfig(seed=0), steps)
