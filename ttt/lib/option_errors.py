"""Turns pydantic's errors into sentences a person can act on.

One sentence a field: the option as it was written, what it must be, the value that was given, and
the nearest right value or the default. Values are shown: this is for a terminal. The API answers
with place and kind only.
"""

import re
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ttt.lib.names import did_you_mean
from ttt.lib.options import default_text, named_values

VALUE_CHARACTERS_MAX = 80
"""A longer value is cut in the message: a whole text may have been given."""


def explain(error: ValidationError, model: type[BaseModel], labels: Mapping[str, str]) -> list[str]:
    """One sentence for each field that was refused.

    Args:
        error: What `model_validate` raised.
        model: The model it was raised for.
        labels: What to call a field, by field name: `--chunk_tokens`, `TTT_CHUNK_TOKENS`. A field
            that is missing here is called by its name.

    Returns:
        The sentences, in the order of the errors; never empty.
    """
    by_field: dict[str, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        by_field.setdefault(str(detail["loc"][0]) if detail["loc"] else "", []).append(detail)
    return [
        _sentence(labels.get(name, name), model.model_fields.get(name), name, details)
        for name, details in by_field.items()
    ]


def _sentence(
    label: str, field: FieldInfo | None, name: str, details: Sequence[ErrorDetails]
) -> str:
    """The sentence for one field; several details are the branches of a union."""
    first = details[0]
    if not name:  # A rule over several fields: its author wrote the whole sentence.
        return _requirement(first)
    if field is None:
        return f"{label} is not an option of this command."
    if first["type"] == "missing":
        return f"{label} is required; give it a value."
    wanted = " or ".join(dict.fromkeys(_requirement(detail) for detail in details))
    wanted = wanted.replace(" or must be ", " or ")
    verb = " " if wanted.startswith("must ") else ": "
    value = first["input"]
    return f"{label}{verb}{wanted}, but is {_short(value)}{_remedy(field, value)}."


def _requirement(detail: ErrorDetails) -> str:
    """What the value must be, from pydantic's own message or a validator's."""
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message.split(", unable to ")[0].split(", got ")[0]
    message = re.sub(r"^\w+ should ", "must ", message)
    for verbose, short in _WORDING.items():
        message = message.replace(verbose, short)
    return message


_WORDING = {
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
    "a valid string": "text",
    "a valid list": "a list",
    "a valid tuple": "a list",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
}


def _remedy(field: FieldInfo, value: object) -> str:
    """The nearest right name if one is close, else the default if there is one."""
    near = did_you_mean(str(value), named_values(field.annotation))
    default = default_text(field)
    return near or (f"; the default is {default}" if default else "")


def _short(value: object) -> str:
    """The value as Python would write it, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= VALUE_CHARACTERS_MAX else text[:VALUE_CHARACTERS_MAX] + "…"
