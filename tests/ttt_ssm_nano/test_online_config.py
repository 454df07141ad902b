"""Settings of the online path."""

from dataclasses import replace

import pytest

from tests.ttt_ssm_nano.worlds import rough_base
from ttt.errors import ConfigError, UnknownNameError
from ttt.lib import strict_json
from ttt_ssm_nano.learner import Learner
from ttt_ssm_nano.online_config import OnlineConfig, documented, from_plain, online
from ttt_ssm_nano.rules import RULES


@pytest.mark.parametrize("config", [*map(online, RULES.names()), documented()])
def test_settings_come_back_from_json(config):
    written = strict_json.loads(strict_json.dumps(config.plain()))
    assert from_plain(written) == config


@pytest.mark.parametrize("change", [{"rigde": 1}, {"optimizer": {"lr": 1.0, "speed": 2}}])
def test_json_of_something_else_is_refused(change):
    with pytest.raises(ConfigError, match="no online settings"):
        from_plain({**OnlineConfig().plain(), **change})
    with pytest.raises(ConfigError, match="no online settings"):
        from_plain({"rule": "rls"})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"forgetting": 0.0}, "forgetting must lie in"),
        ({"forgetting": float("nan")}, "forgetting must lie in"),
        ({"rollback_tol": float("nan")}, "rollback_tol must be finite"),
        ({"heldout_tol": -0.1}, "heldout_tol must be finite"),
        ({"ridge": -1.0}, "ridge must be finite"),
        ({"state_norm_max": float("inf")}, "state_norm_max must be finite"),
        ({"grad_norm_max": 0.0}, "grad_norm_max must be positive"),
        ({"glitch_factor": float("nan")}, "glitch_factor must be positive"),
        ({"chunk": 0}, "chunk must lie in"),
        ({"buffer_len": 5000}, "buffer_len must lie in"),
        ({"chunk": 32, "buffer_len": 48}, "a multiple of it, not 48 of 32"),
        ({"plastic": "none"}, "plastic is readout or all"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        OnlineConfig(**settings)


def test_a_buffer_shorter_than_a_chunk_is_its_end():
    config = OnlineConfig(chunk=64, buffer_len=32)
    assert (config.fresh, config.apart) == (32, 1)
    assert replace(config, buffer_len=192).apart == 3


def test_a_rule_must_exist_and_fit_what_is_plastic():
    with pytest.raises(UnknownNameError, match="choose one of: rls, muon, sgd"):
        Learner(rough_base(), OnlineConfig(rule="adam"))
    with pytest.raises(ConfigError, match="rls moves the readout only"):
        Learner(rough_base(), OnlineConfig(plastic="all"))
