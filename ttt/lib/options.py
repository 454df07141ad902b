"""A command's options as a pydantic model: the command line, the API body and the saved config.

    class TrainOptions(CommandOptions):
        '''Train a small language model.'''

        steps: int = Field(default=2000, ge=1)
        '''Optimiser steps.'''
        backbone: Literal["gru", "ssm"] = "ssm"
        '''Frozen recurrent network.'''

The docstring under a field is its help. Values are refused rather than bent: unknown names, NaN
and infinity, true for 1, an empty path. A field that may be infinite says so with
`Field(allow_inf_nan=True)`.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    runtime_checkable,
)

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.fields import FieldInfo

Part = TypeVar("Part", bound="Options")

GLOBAL_GROUP = "global options"
"""The heading of `--help` that options of every command stand under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """How a field appears outside, where its name does not say it: `Annotated[int, Flag()]`."""

    name: str = ""
    """The option's name without dashes, where the field's own name is not wanted."""
    env: tuple[str, ...] = ()
    """Documented environment variables read beside `TTT_<NAME>`, which wins over them."""
    group: str = "options"
    """The heading of `--help` it stands under."""
    bare: str = ""
    """What the option stands for when it is given without a value; empty: it needs one."""


@runtime_checkable
class _Place(Protocol):
    """What a validator needs of `ValidationInfo`, which beartype cannot check at run time."""

    @property
    def field_name(self) -> str | None: ...


class Options(BaseModel):
    """Base of every set of options; also fit to be the body of a request."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        ser_json_inf_nan="strings",  # Where a field allows it: JSON has no infinity.
        use_attribute_docstrings=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _take_nothing_for_something(cls, value: object, info: _Place) -> object:
        """Refuse what pydantic lets pass: true as 1, an empty path, text that is no Unicode."""
        kinds = leaf_types(cls.model_fields[info.field_name or ""].annotation)
        items = value if isinstance(value, list | tuple) else (value,)
        if bool not in kinds and any(isinstance(item, bool) for item in items):
            raise ValueError("must not be true or false")
        if Path in kinds and "" in items:
            raise ValueError("must not be empty")
        if str in kinds and not all(_is_unicode(item) for item in items):
            raise ValueError("must be UTF-8 text")
        return value

    def part(self, model: type[Part]) -> Part:
        """The values that make up another set of options, all of whose fields are among these."""
        return model.model_validate({name: getattr(self, name) for name in model.model_fields})


class CommandOptions(Options):
    """Options of a command: its own fields and the global ones that its code reads.

    `--config` and `--debug` are global too, but nothing a command needs to know. What is excluded
    here never reaches a saved config.
    """

    json_output: Annotated[bool, Flag(name="json", group=GLOBAL_GROUP)] = Field(
        default=False, exclude=True
    )
    """Write results as JSON on stdout (one object, or one a line for streams)."""
    artifacts_root: Annotated[Path, Flag(env=("ARTIFACTS_ROOT",), group=GLOBAL_GROUP)] = Field(
        default=Path("artifacts"), exclude=True
    )
    """Folder of everything that is saved."""


def _is_unicode(item: object) -> bool:
    """Whether text can be encoded: bytes of the command line that are no UTF-8 cannot."""
    if isinstance(item, str):
        try:
            item.encode()
        except UnicodeEncodeError:
            return False
    return True


def flag_of(field: FieldInfo) -> Flag:
    """The field's `Flag`, or the default one."""
    return next((item for item in field.metadata if isinstance(item, Flag)), Flag())


def option_names(model: type[BaseModel]) -> dict[str, str]:
    """Every field's name mapped to its option's name, without dashes, in the model's order."""
    return {name: flag_of(field).name or name for name, field in model.model_fields.items()}


def default_text(field: FieldInfo) -> str:
    """The field's default for a person to read; empty where there is none to speak of."""
    default = field.get_default(call_default_factory=True)
    if field.is_required() or default is None or default is False or default in ("", (), []):
        return ""
    return "on" if default is True else str(default)


def leaf_types(annotation: object) -> tuple[Any, ...]:
    """The plain types inside an annotation, with unions, lists and `Annotated` opened.

    `list[Path] | None` gives `(Path, NoneType)`; a `Literal` stays whole.
    """
    return tuple(_leaves(annotation))


def _leaves(annotation: object) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from _leaves(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType) or takes_many(annotation):
        for member in get_args(annotation):
            yield from _leaves(member)
    elif annotation is not Ellipsis:  # As in `tuple[int, ...]`.
        yield annotation


def takes_many(annotation: object) -> bool:
    """Whether values of this type are collections: their option may be repeated."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(takes_many(member) for member in get_args(annotation))
    return origin in (list, tuple, set, frozenset)


def is_switch(annotation: object) -> bool:
    """Whether the field is true or false (or unset) and nothing else."""
    return set(leaf_types(annotation)) - {types.NoneType} == {bool}


def named_values(annotation: object) -> dict[str, object]:
    """The values a `Literal` or an `Enum` in the annotation allows, by their text."""
    values: dict[str, object] = {}
    for leaf in leaf_types(annotation):
        if get_origin(leaf) is Literal:
            values |= {str(value): value for value in get_args(leaf)}
        elif isinstance(leaf, type) and issubclass(leaf, Enum):
            values |= {str(member.value): member for member in leaf}
    return values


def metavar(annotation: object) -> str:
    """What stands for the value in `--help`: `{gru,ssm}`, `INT`, `{median,none}|FLOAT`."""
    names = {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}
    choices = named_values(annotation)
    plain = [names[leaf] for leaf in leaf_types(annotation) if leaf in names]
    return "|".join([*(["{" + ",".join(choices) + "}"] if choices else []), *plain]) or "VALUE"


def from_text(annotation: object, text: str) -> object:
    """Turn the text of a flag or variable into what pydantic should validate.

    pydantic reads numbers, paths and booleans from text by itself; this adds what it does not:
    `Literal[1, 2]`, and `none` for a number that may be unset.
    """
    values: Mapping[str, object] = named_values(annotation)
    kinds = set(leaf_types(annotation))
    if text == "none" and types.NoneType in kinds and kinds <= {types.NoneType, int, float}:
        return None
    return values.get(text, text)
