"""From options to a run: which base is opened and what the flags turn into."""

import pytest
import torch

from ttt.core.canary_pools import draw
from ttt.core.fisher import with_fisher
from ttt.core.starter import load_starter
from ttt.errors import ConfigError, NotFoundError
from ttt.monitors.options import MonitorOptions
from ttt.monitors.setup import (
    STARTERS,
    default_rule_name,
    monitor_config,
    named_base,
    open_base,
    random_base,
)
from ttt.store.models import save_model


def options(**given) -> MonitorOptions:
    return MonitorOptions(text="x", **given)


def test_the_random_base_is_the_documented_toy_and_depends_on_the_seed_alone():
    one, same, other = (random_base("gru", seed=seed) for seed in (0, 0, 1))
    assert one.model.config.vocab_size == 8192
    assert one.model.config.width == 64
    assert torch.equal(one.model.head_VD, same.model.head_VD)
    assert not torch.equal(one.model.head_VD, other.model.head_VD)


def test_a_saved_model_is_opened_with_its_factors(tmp_path):
    starter = load_starter("ssm")
    config = starter.model.config
    save_model(
        tmp_path,
        "mine",
        tensors=with_fisher(starter.model.state_dict(), starter.fisher),
        config={f: getattr(config, f) for f in config.__dataclass_fields__},
        tokenizer_json=starter.encoder.json,
        meta={},
    )
    base = open_base(options(base="mine", artifacts_root=tmp_path))
    assert torch.equal(base.model.head_VD, starter.model.head_VD)
    assert torch.allclose(base.fisher.A_DD, starter.fisher.A_DD)
    assert default_rule_name(base) == "kfac"


@pytest.mark.parametrize("name", STARTERS)
def test_a_starter_model_is_opened_by_the_name_it_gives_itself(tmp_path, name):
    assert named_base(tmp_path, name).name == name
    assert open_base(options(base=name, backbone="gru")).name == name


@pytest.mark.parametrize("backbone", ["gru", "ssm"])
def test_starter_is_the_starter_model_of_the_backbone_that_was_chosen(tmp_path, backbone):
    assert named_base(tmp_path, "starter", backbone=backbone).name == f"starter-{backbone}"


def test_a_model_that_is_not_there_is_an_error_that_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(NotFoundError, match="text_models"):
        open_base(options(base="nobody", artifacts_root=tmp_path))


def test_kfac_needs_factors_and_says_what_to_use_instead():
    base = open_base(options(base="random"))
    assert default_rule_name(base) == "muon"
    with pytest.raises(ConfigError, match="muon"):
        monitor_config(options(base="random", optimizer="kfac"), base)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_an_error():
    with pytest.raises(ConfigError, match="cpu"):
        open_base(options(device="cuda"))


def test_probe_and_projection_canaries_are_disjoint_and_follow_the_seed():
    base = load_starter("gru")
    config = monitor_config(options(seed=3), base)
    assert not set(config.canary_texts) & set(config.projection_texts)
    assert config.canary_texts == tuple(p.text for p in draw("probe", seed=3))
    assert monitor_config(options(seed=4), base).canary_texts != config.canary_texts


def test_own_canaries_replace_the_drawn_ones(tmp_path):
    base = load_starter("gru")
    config = monitor_config(options(canary_text=("one two three four",)), base)
    assert config.canary_texts == ("one two three four",)
    pool = tmp_path / "pool.txt"
    pool.write_text(
        "\n\n".join(f"Passage number {i} about the sea and its tides." for i in range(40))
    )
    drawn = monitor_config(options(canary_pool=pool), base).canary_texts
    assert drawn
    assert all(text.startswith("Passage number") for text in drawn)


def test_in_plain_mode_one_change_may_not_use_more_than_the_budget():
    base = load_starter("gru")
    plain = monitor_config(options(safety_mode="gate_rollback", budget_nats=0.03), base)
    assert plain.safety.rollback.rise_nats_max == 0.03
    assert monitor_config(options(), base).safety.rollback.rise_nats_max == 1.0
    told = monitor_config(options(rollback_abs_canary_delta=0.2), base)
    assert told.safety.rollback.rise_nats_max == 0.2


def test_every_guard_flag_reaches_the_guard():
    base = load_starter("gru")
    config = monitor_config(
        options(
            budget_nats=0.02, ball_radius=2.0, spfw_cone="on", spfw_passes=3, spfw_null_space=True,
            min_entropy_threshold=2.0, ood_loss_threshold=7.0, rollback_z_threshold=5.0,
            clip=0.7, ttt_steps_per_chunk=2, cache_lambda=0.2,
        ),
        base,
    )  # fmt: skip
    spfw = config.safety.spfw
    assert (spfw.budget_nats, spfw.ball_radius, spfw.cone, spfw.passes) == (0.02, 2.0, True, 3)
    assert spfw.null_space_rank == 32
    assert config.safety.gate.min_entropy_bits == 2.0
    assert config.safety.gate.ood_loss_nats == 7.0
    assert config.safety.rollback.z_max == 5.0
    assert config.safety.rollback.drift_nats_max == 0.02
    assert config.learning.clip == 0.7
    assert config.learning.steps_per_chunk == 2
    assert config.cache.weight == 0.2
