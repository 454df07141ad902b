"""YAML by the core rules of version 1.2, for configuration files.

PyYAML follows 1.1, where `spfw_cone: off` is False, `lr: 1e-3` is text, `0123` is 83, `1:30` is 90
and a key given twice is dropped in silence. Here only `true` and `false` are booleans, numbers are
read as Python reads them, there are no dates and no merge keys, and a second key is an error.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml


def loads(text: str) -> object:
    """Parse one YAML document; nothing but plain values can come out of it.

    Raises:
        ValueError: It is not YAML, holds a key twice or is nested too deeply; the message says
            where.
    """
    try:
        parsed: object = yaml.load(text, Loader=_CoreLoader)  # noqa: S506 - it is a SafeLoader.
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"line {line}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return parsed


class _CoreLoader(yaml.SafeLoader):
    """SafeLoader with the resolvers of the core schema alone; class attributes replace PyYAML's."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping, unless a key stands there twice."""
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands there twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def integer(self, node: yaml.ScalarNode) -> int:
        """Decimal with any leading zeros, `0x` or `0o`."""
        text = str(self.construct_scalar(node))
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)

    def number(self, node: yaml.ScalarNode) -> float:
        """`1.5`, `1e-3`, `.5`, `.inf`, `.nan`."""
        text = str(self.construct_scalar(node)).lower()
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_TAG = "tag:yaml.org,2002:"
_DECIMAL = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
_NOT_FINITE = r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
# In this order: the first that matches wins, and every whole number is also a number.
for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", f"{_DECIMAL}|{_NOT_FINITE}", list("-+.0123456789")),
):
    _CoreLoader.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern})$"), _first)
_CoreLoader.add_constructor(_TAG + "int", _CoreLoader.integer)
_CoreLoader.add_constructor(_TAG + "float", _CoreLoader.number)
