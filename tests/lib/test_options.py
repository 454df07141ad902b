"""Options as a model: what is refused wherever they come from."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from ttt.lib.options import (
    CommandOptions,
    Flag,
    Options,
    default_text,
    flag_of,
    from_text,
    is_switch,
    leaf_types,
    metavar,
    named_values,
    option_names,
    takes_many,
)


class Rule(StrEnum):
    SGD = "sgd"
    MUON = "muon"


class Demo(CommandOptions):
    """A command."""

    steps: int = 5
    """Steps to take,
    each one small."""
    rate: float | None = None
    limit: float = Field(default=1.0, allow_inf_nan=True)
    texts: tuple[str, ...] = ()
    sizes: list[int] = Field(default_factory=list)
    file: Path | None = None
    gate: bool = True
    rule: Rule = Rule.SGD
    device: Annotated[Literal["auto", "cpu"], Flag(env=("DEVICE",))] = "auto"


@pytest.mark.parametrize(
    "values",
    [
        {"steps": True},
        {"rate": False},
        {"sizes": [1, True]},
        {"texts": [True]},
        {"rate": float("nan")},
        {"rate": float("inf")},
        {"rate": "nan"},
        {"rate": "1e999"},
        {"file": ""},
        {"texts": ["\udcff"]},
        {"texts": "abc"},
        {"stpes": 5},
        {"rule": "adam"},
        {"device": "gpu"},
        {"steps": 1.5},
        {"json": True},
    ],
)
def test_a_value_that_is_no_value_is_refused(values):
    with pytest.raises(ValidationError):
        Demo(**values)


def test_a_field_may_allow_what_is_not_finite_and_keeps_it_through_json():
    options = Demo(limit=float("-inf"))
    assert Demo.model_validate_json(options.model_dump_json()) == options


def test_options_cannot_be_changed():
    with pytest.raises(ValidationError):
        Demo().steps = 6


def test_the_docstring_under_a_field_describes_it():
    assert "each one small" in Demo.model_fields["steps"].description


def test_what_is_of_this_machine_is_not_saved():
    saved = Demo(artifacts_root=Path("/here"), json_output=True).model_dump(mode="json")
    assert not {"artifacts_root", "json_output"} & set(saved)
    assert saved["rule"] == "sgd"


@pytest.mark.parametrize(
    ("annotation", "leaves"),
    [
        (int, (int,)),
        (int | None, (int, type(None))),
        (list[Path] | None, (Path, type(None))),
        (tuple[int, ...], (int,)),
        (Annotated[float, Field(gt=0)] | Literal["none"], (float, Literal["none"])),
    ],
)
def test_an_annotation_is_opened_down_to_its_plain_types(annotation, leaves):
    assert leaf_types(annotation) == leaves


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (int, "INT"),
        (float | None, "FLOAT"),
        (list[Path], "PATH"),
        (str, "TEXT"),
        (Literal["gru", "ssm"], "{gru,ssm}"),
        (Literal["median"] | float, "{median}|FLOAT"),
        (Rule, "{sgd,muon}"),
        (dict[str, int], "VALUE"),
    ],
)
def test_help_shows_what_kind_of_value_is_wanted(annotation, shown):
    assert metavar(annotation) == shown


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "5", "5"),
        (float | None, "none", None),
        (float | Literal["none"], "none", "none"),
        (str | None, "none", "none"),
        (Path | None, "none", "none"),
        (Literal[1, 2], "2", 2),
        (Literal[1, 2], "3", "3"),
        (Rule, "muon", Rule.MUON),
    ],
)
def test_text_becomes_what_the_model_should_see(annotation, text, value):
    found = from_text(annotation, text)
    assert found == value
    assert type(found) is type(value)


def test_switches_and_collections_are_told_apart():
    assert is_switch(bool)
    assert is_switch(bool | None)
    assert not is_switch(bool | float)
    assert not is_switch(int)
    assert takes_many(list[int])
    assert takes_many(tuple[str, ...] | None)
    assert not takes_many(str | None)


def test_names_values_flags_and_defaults_are_read_from_the_model():
    fields = Demo.model_fields
    assert option_names(Demo)["json_output"] == "json"
    assert option_names(Demo)["steps"] == "steps"
    assert flag_of(fields["device"]).env == ("DEVICE",)
    assert flag_of(fields["steps"]) == Flag()
    assert list(named_values(fields["rule"].annotation)) == ["sgd", "muon"]
    texts = {name: default_text(field) for name, field in fields.items()}
    assert texts["steps"] == "5"
    assert texts["gate"] == "on"
    assert texts["rule"] == "sgd"
    assert texts["rate"] == texts["texts"] == texts["sizes"] == texts["json_output"] == ""


def test_a_part_of_some_options_has_their_values_and_is_checked():
    class Size(Options):
        width: int = 1
        depth: int = 2

    class Whole(Size):
        name: str = "x"

    assert Whole(width=7, name="y").part(Size) == Size(width=7, depth=2)
    with pytest.raises(AttributeError):
        Size().part(Whole)
