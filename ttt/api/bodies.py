"""A command's options as the body or the query of a request: the same names, ranges and texts.

What the service itself decides (the artifact tree, the shape of the answer) and what stands in the
path is left out; it cannot be sent.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import create_model

from ttt.lib.options import CommandOptions, Options

Model = TypeVar("Model", bound=CommandOptions)

OURS = frozenset(CommandOptions.model_fields)
"""Fields of every command that a request has no say in."""


@cache
def body_of(model: type[CommandOptions], without: frozenset[str] = frozenset()) -> type[Options]:
    """A model of the fields that a request may give.

    Args:
        model: The command's options.
        without: Fields that stand in the path.
    """
    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in model.model_fields.items()
        if name not in OURS | without
    }
    name = f"{model.__name__.removesuffix('Options')}Request"
    return create_model(name, __base__=Options, __doc__=model.__doc__, **fields)


def options_of(
    model: type[Model], given: Options | None, *, root: Path, path: Mapping[str, str]
) -> Model:
    """The command's options: what was sent, what stood in the path, and the tree.

    Raises:
        ValidationError: A value is outside of its range.
    """
    sent = given.model_dump(exclude_unset=True) if given is not None else {}
    return model.model_validate({**sent, **path, "artifacts_root": root})
