import math
from pathlib import Path
from typing import get_args

import pytest

from ttt.core.backbone import BACKBONES
from ttt.core.objective import OBJECTIVES
from ttt.core.rules import RULES
from ttt.errors import ConfigError
from ttt.lib.flags import parse
from ttt.lib.options import leaf_types, named_values
from ttt.monitors.options import Backbone, MonitorOptions, without_effect


def read(*argv: str, **environ: str) -> MonitorOptions:
    return parse(MonitorOptions, argv, prog="monitor", description="-", environ=environ)


DOCUMENTED = {
    "device": "cpu",
    "seed": 0,
    "chunk_tokens": 128,
    "ttt_steps_per_chunk": 1,
    "topk": 10,
    "robust_z_threshold": 6.0,
    "history_window": 64,
    "enable_gate": True,
    "min_entropy_threshold": 1.0,
    "ood_loss_threshold": 8.0,
    "ood_grad_threshold": 2.0,
    "rollback_z_threshold": 6.0,
    "canary_text": (),
    "backbone": "gru",
    "objective": "ar",
    "mlm_prob": 0.15,
    "canary_grad_every": 1,
    "safety_mode": "spfw",
    "spfw_eps_dot": 0.0,
    "spfw_eps_cos": 0.0,
    "spfw_passes": 1,
    "spfw_stall_ratio": 0.99,
    "spfw_gate_scale": 0.0,
    "spfw_canary_text": (),
    "write_json": None,
    "budget_nats": 0.05,
    "clip": "median",
    "ball_radius": None,
    "spfw_cone": "off",
    "spfw_null_space": False,
    "forbid_text": (),
    "canary_pool": None,
    "probe_every": 1,
    "audit_every": 0,
    "compare": (),
    "optimizer": None,
    "lr": None,
    "read": "mixture",
    "cache_lambda": 0.1,
    "json_output": False,
    "plot": None,
    "fail_on": (),
    "base": "starter",
    "influence": "flagged",
    "timings": False,
}


@pytest.mark.parametrize(("field", "default"), DOCUMENTED.items())
def test_a_documented_option_has_its_documented_default(field, default):
    assert getattr(read(), field) == default


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (["--disable_gate"], "enable_gate", False),
        (["--disable_rollback"], "enable_rollback", False),
        (["--disable_canary_grad"], "enable_canary_grad", False),
        (["--canary_text", "a b", "--canary_text", "c"], "canary_text", ("a b", "c")),
        (["--write_json"], "write_json", Path("monitor_report.json")),
        (["--write_json", "x.json"], "write_json", Path("x.json")),
        (["--compare", "gru,ssm"], "compare", ("gru", "ssm")),
        (["--compare", "ssm", "gru"], "compare", ("ssm", "gru")),
        (["--clip", "none"], "clip", "none"),
        (["--clip", "0.5"], "clip", 0.5),
        (["--fail_on", "blocked"], "fail_on", ("blocked",)),
        (
            ["--fail_on", "blocked", "--fail_on", "rolled_back"],
            "fail_on",
            ("blocked", "rolled_back"),
        ),
        (["--json"], "json_output", True),
    ],
)
def test_a_flag_is_understood(argv, field, value):
    assert getattr(read(*argv), field) == value


@pytest.mark.parametrize(
    ("field", "registry"),
    [("backbone", BACKBONES), ("objective", OBJECTIVES), ("optimizer", RULES)],
)
def test_the_names_offered_are_those_that_are_registered(field, registry):
    assert set(named_values(MonitorOptions.model_fields[field].annotation)) == set(registry.names())


def test_a_comparison_offers_the_backbones():
    assert get_args(Backbone) == BACKBONES.names()


NUMBERS = [
    name
    for name, field in MonitorOptions.model_fields.items()
    if {int, float} & set(leaf_types(field.annotation))
]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("bad", ["nan", "inf", "-inf", "x", ""])
def test_no_number_may_be_anything_but_one(name, bad):
    with pytest.raises(ConfigError, match=f"--{name} "):
        read(f"--{name}={bad}")


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("chunk_tokens", "0", "1"),
        ("ttt_steps_per_chunk", "0", "1"),
        ("lr", "0", "1e-9"),
        ("clip", "0", "1e-9"),
        ("mlm_prob", "0", "0.001"),
        ("mlm_prob", "1", "0.999"),
        ("cache_lambda", "1", "0.999"),
        ("cache_lambda", "-0.001", "0"),
        ("budget_nats", "-0.001", "0"),
        ("ball_radius", "0", "1e-9"),
        ("min_diversity_threshold", "1.001", "1"),
        ("spfw_eps_cos", "1", "0.999"),
        ("spfw_stall_ratio", "0", "1"),
        ("spfw_gate_scale", "1.001", "1"),
        ("probe_every", "0", "1"),
        ("audit_every", "-1", "0"),
        ("canary_grad_every", "0", "1"),
        ("history_window", "7", "8"),
        ("topk", "-1", "0"),
    ],
)
def test_both_sides_of_a_limit(name, wrong, right):
    with pytest.raises(ConfigError, match=f"--{name} "):
        read(f"--{name}={wrong}")
    assert math.isfinite(float(getattr(read(f"--{name}={right}"), name)))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--file", "a", "--text", "b"], "--file and --text both name the input; keep one."),
        (["--stdin", "--file", "a"], "--stdin and --file both name the input"),
        (
            ["--spfw_cone", "on", "--safety_mode", "gate_rollback"],
            "--spfw_cone needs --safety_mode",
        ),
        (["--spfw_null_space", "--safety_mode", "gate_rollback"], "--spfw_null_space needs"),
        (["--ball_radius", "1", "--safety_mode", "gate_rollback"], "--ball_radius needs"),
        (["--forbid_text", "x"], "only reported at audits; add --audit_every N"),
        (["--compare", "gru"], "two different backbones; write --compare gru,ssm"),
        (["--compare", "gru,gru"], "two different backbones"),
        (["--compare", "gru,ssm", "--backbone", "ssm"], "leave --backbone out"),
        (["--compare", "gru,ssm", "--base", "mine"], "not 'mine'; starter is one"),
        (["--compare", "gru,ssm", "--plot", "x.png"], "--plot draws one run"),
        (["--compare", "gru,xyz"], "--compare must be 'gru' or 'ssm', but is 'xyz'"),
        (["--file", "a", "--plot", "a"], "--plot would write over --file"),
        (["--file", "a", "--write_json", "./a"], "--write_json would write over --file"),
        (["--plot", "a", "--write_json", "a"], "would write over"),
        (["--canary_pool", "a", "--plot", "a"], "--plot would write over --canary_pool"),
        (["--base", ""], "--base must have at least 1 character"),
    ],
)
def test_options_that_contradict_each_other_are_refused_in_one_sentence(argv, said):
    with pytest.raises(ConfigError) as caught:
        read(*argv)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "argv",
    [
        ["--forbid_text", "x", "--audit_every", "5"],
        ["--spfw_cone", "on"],
        ["--spfw_cone", "off", "--safety_mode", "gate_rollback"],
        ["--compare", "gru,ssm", "--base", "random"],
        ["--demo", "--text", "x"],
        ["--safety_mode", "spfw", "--spfw_passes", "1", "--spfw_eps_dot", "0"],
    ],
)
def test_options_that_agree_are_accepted(argv):
    read(*argv)


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        ([], None),
        (["--demo"], "demo"),
        (["--demo", "--demo_high_entropy"], "demo_high_entropy"),
        (["--demo", "--text", "x"], "text"),
        (["--demo_high_entropy", "--file", "x"], "file"),
        (["--demo", "--stdin"], "stdin"),
        (["--text", ""], "text"),
        (["--no_demo"], None),
    ],
)
def test_the_input_that_comes_first_counts(argv, name):
    assert read(*argv).input_name == name


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--spfw_passes", "2"], "--spfw_passes has no effect without --spfw_cone on."),
        (["--spfw_canary_text", "x"], "--spfw_canary_text has no effect without"),
        (["--disable_gate", "--ood_loss_threshold", "9"], "without the gate, which is off."),
        (["--disable_rollback", "--rollback_z_threshold", "5"], "without rollback, which is off."),
        (["--disable_canary_grad", "--canary_grad_every", "2"], "without the canary gradient"),
        (["--mlm_prob", "0.2"], "--mlm_prob has no effect without --objective mlm."),
        (["--influence", "off", "--topk", "3"], "--topk has no effect"),
        (
            ["--compare", "gru,ssm", "--backbone", "gru"],
            "--backbone has no effect without a single",
        ),
        (["--demo", "--text", "x"], "--demo has no effect beside --text, which comes first."),
        (["--demo", "--demo_high_entropy"], "--demo has no effect beside --demo_high_entropy"),
    ],
)
def test_an_option_that_does_nothing_is_spoken_of(argv, said):
    (sentence,) = without_effect(read(*argv))
    assert said in sentence


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--demo"],
        ["--spfw_cone", "on", "--spfw_passes", "2", "--spfw_canary_text", "x"],
        ["--spfw_null_space", "--spfw_canary_text", "x"],
        ["--objective", "mlm", "--mlm_prob", "0.2"],
    ],
)
def test_options_that_work_are_not_spoken_of(argv):
    assert without_effect(read(*argv)) == ()


def test_what_is_saved_can_be_read_again():
    options = read("--clip", "0.5", "--compare", "gru,ssm", "--canary_text", "a", "b")
    plain = options.model_dump(mode="json")
    assert MonitorOptions.model_validate(plain) == options
    assert "artifacts_root" not in plain
