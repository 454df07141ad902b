"""Pretraining: a base that is worth beating, the same one every time."""

import pytest

from tests.ttt_ssm_nano.worlds import features
from ttt.errors import ConfigError, TrainingDivergedError
from ttt_ssm_nano.plant import PlantConfig, simulate
from ttt_ssm_nano.plastic_ssm import ModelSize, NanoBase
from ttt_ssm_nano.pretraining import PretrainConfig, pretrain

SMALL = ModelSize(u_dim=7, n_state=12)


def loss(base: NanoBase, seed: int = 50) -> float:
    seen = simulate(PlantConfig(seed=seed, mu=0.135), 32)
    return float(((features(base, seen) @ base.W_o_YS.T - seen.targets_TY) ** 2).mean())


def test_longer_training_makes_a_better_base():
    short, long = (pretrain(PretrainConfig(steps=s, size=SMALL)) for s in (5, 150))
    assert loss(long) < 0.05 * loss(short)
    assert long.meta["loss"] < short.meta["loss"]


def test_the_same_settings_give_the_same_base():
    one, same, other = (pretrain(PretrainConfig(steps=3, size=SMALL, seed=s)) for s in (1, 1, 2))
    assert one.signature == same.signature
    assert one.signature != other.signature
    assert one.meta["env_mode"] == "linear"


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"batch": 0}, {"lr": float("nan")}, {"mode": "cubic"}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match="must be"):
        PretrainConfig(**settings)


def test_a_loss_that_is_not_finite_is_an_error_and_no_base():
    with pytest.raises(TrainingDivergedError, match="take a smaller"):
        pretrain(PretrainConfig(steps=4, size=SMALL, lr=1e200))
