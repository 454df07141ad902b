"""JSON without its traps: no duplicate keys, no NaN or infinity, and one way to write a value.

`json.loads` keeps the last of two equal keys, reads `NaN` and turns `1e400` into infinity; each of
these lets a damaged or forged file pass for a good one.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from ttt.errors import ConfigError


def loads(text: str | bytes) -> object:
    """Parse JSON (UTF-8 if bytes).

    Raises:
        ValueError: It is not JSON, holds a key twice, a number that is not finite or too long, or
            is nested too deeply.
    """
    try:
        parsed: object = json.loads(
            text.decode("utf-8") if isinstance(text, bytes) else text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return parsed


def dumps(value: Mapping[str, object], *, indent: int | None = 2) -> bytes:
    """Write a mapping as canonical JSON: equal values give equal bytes.

    Args:
        value: Text keys and JSON values; numbers must be finite.
        indent: Spaces of indentation, or None for one line.

    Returns:
        ASCII bytes, keys sorted, ending in a newline.

    Raises:
        ConfigError: Something in it cannot be written as JSON.
    """
    separators = (",", ": ") if indent else (",", ":")
    try:
        text = json.dumps(
            value, sort_keys=True, allow_nan=False, indent=indent, separators=separators
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"Not JSON: {error}; give text, finite numbers and lists.") from error
    return text.encode("ascii") + b"\n"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands there twice")
        found[key] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a finite number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number
