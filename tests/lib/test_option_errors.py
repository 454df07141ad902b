"""Refusals as sentences."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, field_validator, model_validator

from ttt.lib.option_errors import VALUE_CHARACTERS_MAX, explain
from ttt.lib.options import Options


class Demo(Options):
    model_id: str = Field(pattern="[a-z]+")
    steps: int = Field(default=5, ge=1, le=9)
    rate: float = Field(default=0.5, gt=0, lt=1)
    clip: Literal["median", "none"] | Annotated[float, Field(gt=0)] = "median"
    backbone: Literal["gru", "ssm"] = "gru"
    gate: bool = True
    texts: tuple[str, ...] = Field(default=("a",), min_length=1)
    even: int = 2

    @field_validator("even")
    @classmethod
    def _even(cls, value):
        if value % 2:
            raise ValueError("odd numbers have no half")
        return value

    @model_validator(mode="after")
    def _fits(self):
        if self.steps == 7:
            raise ValueError("--steps 7 and --even 2 do not go together; give --steps 8.")
        return self


def said(**values):
    with pytest.raises(ValidationError) as caught:
        Demo(**{"model_id": "m", **values})
    return explain(caught.value, Demo, {"steps": "--steps"})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"steps": 0}, "--steps must be at least 1, but is 0; the default is 5."),
        ({"steps": 10}, "--steps must be at most 9, but is 10; the default is 5."),
        ({"steps": "x"}, "--steps must be a whole number, but is 'x'; the default is 5."),
        ({"steps": 1.5}, "--steps must be a whole number, but is 1.5; the default is 5."),
        ({"steps": True}, "--steps must not be true or false, but is True; the default is 5."),
        ({"rate": 0}, "rate must be greater than 0, but is 0; the default is 0.5."),
        ({"rate": 1}, "rate must be less than 1, but is 1; the default is 0.5."),
        ({"rate": "nan"}, "rate must be a finite number, but is 'nan'; the default is 0.5."),
        ({"gate": "maybe"}, "gate must be true or false, but is 'maybe'; the default is on."),
        ({"backbone": "gr"}, "backbone must be 'gru' or 'ssm', but is 'gr' (did you mean 'gru'?)."),
        (
            {"clip": "x"},
            "clip must be 'median' or 'none' or a number, but is 'x'; the default is median.",
        ),
        ({"model_id": 5}, "model_id must be text, but is 5."),
        ({"model_id": "A"}, "model_id must match pattern '[a-z]+', but is 'A'."),
        ({"even": 3}, "even: odd numbers have no half, but is 3; the default is 2."),
        ({"steps": 7}, "--steps 7 and --even 2 do not go together; give --steps 8."),
        ({"texts": 4}, "texts must be a list, but is 4; the default is ('a',)."),
        ({"nonsense": 4}, "nonsense is not an option of this command."),
    ],
)  # fmt: skip
def test_a_refusal_names_the_option_the_rule_the_value_and_a_way_out(values, sentence):
    assert said(**values) == [sentence]


def test_a_missing_value_is_asked_for():
    with pytest.raises(ValidationError) as caught:
        Demo()
    assert explain(caught.value, Demo, {}) == ["model_id is required; give it a value."]


def test_each_field_has_its_own_sentence():
    assert len(said(steps=0, rate=2, backbone="x")) == 3


def test_a_long_value_is_cut():
    sentence = said(steps="y" * 5000)[0]
    assert "…" in sentence
    assert len(sentence) < VALUE_CHARACTERS_MAX + 100


def test_too_few_items_are_told_in_words():
    assert "must have at least 1 item" in said(texts=())[0]
