"""YAML by the core rules of version 1.2."""

import math

import pytest

from ttt.lib import core_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("true", True),
        ("FALSE", False),
        ("1e-3", 1e-3),
        ("-1.5E+2", -150.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("0123", 123),
        ("-7", -7),
        ("0x1F", 31),
        ("0o17", 15),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("null", None),
        ("~", None),
        ("", None),
        ("none", "none"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("'1'", "1"),
        ("[a, 1, {b: off}]", ["a", 1, {"b": "off"}]),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
    ],
)
def test_a_scalar_means_what_it_says(text, value):
    found = core_yaml.loads(text)
    assert found == value
    assert type(found) is type(value)


def test_nan_can_be_written():
    assert math.isnan(core_yaml.loads(".nan"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands there twice"),
        ("x: {a: 1, a: 1}", "twice"),
        ("a: [1", "line 1"),
        ("a: b: c", "line 1"),
        ("*nobody", "alias"),
        ("!!python/object/apply:os.system [ls]", "constructor"),
        ("!!python/name:os.system", "constructor"),
        ("? [a]\n: 1", "unhashable"),
        ("--- 1\n--- 2", "another document"),
        ("\x00", "character"),
        ("[" * 5000, "deep"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text, why):
    with pytest.raises(ValueError, match=why):
        core_yaml.loads(text)


def test_the_safe_loader_of_the_library_keeps_its_own_rules():
    import yaml

    assert core_yaml.loads("off") == "off"
    assert yaml.safe_load("off") is False
