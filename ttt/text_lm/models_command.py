"""`ttt models list | show | compare | delete`: the text models of an artifact tree."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ttt.lib.flags import CommandOptions, Options, parse_command, run_command

if TYPE_CHECKING:
    from ttt.text_lm.models import ModelInfo

COLUMNS = ("model", "status", "parents", "network", "loss", "weights", "created", "note")


class ModelsListOptions(CommandOptions):
    """List every text model, damaged ones too, and every training that has made none yet."""


class ModelsShowOptions(CommandOptions):
    """Verify one model and show all that is known of it."""

    model_id: str = Field(min_length=1)
    """Which: an id, starter-gru or starter-ssm."""


class ModelsCompareOptions(CommandOptions):
    """Show in what models differ."""

    model_ids: tuple[str, ...]
    """Two ids or more."""
    all: bool = False
    """Show what is the same in all, too."""


class ModelsDeleteOptions(CommandOptions):
    """Remove a model and what its training left, unless something depends on it."""

    model_id: str = Field(min_length=1)
    """Which."""
    dry_run: bool = False
    """Remove nothing; only say what depends on it."""


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the four sub-commands."""
    name, options = parse_command(
        {name: model for name, (model, _) in COMMANDS.items()},
        argv,
        prog="ttt models",
        description="The text models of an artifact tree.",
    )
    COMMANDS[name][1](options)
    return 0


def _list(options: ModelsListOptions) -> None:
    from ttt.text_lm.models import list_models

    found = list_models(options.artifacts_root)
    if options.json_output:
        _write({"models": [asdict(one) for one in found]})
        return
    _table(COLUMNS, [_row(one) for one in found])


def _show(options: ModelsShowOptions) -> None:
    from ttt.text_lm.models import flat, show_model

    plain = asdict(show_model(options.artifacts_root, options.model_id))
    if options.json_output:
        _write(plain)
        return
    _table(("field", "value"), [(name, _cell(value)) for name, value in flat(plain)])


def _compare(options: ModelsCompareOptions) -> None:
    from ttt.text_lm.models import compare_models

    found = compare_models(options.artifacts_root, options.model_ids, everything=options.all)
    if options.json_output:
        _write(asdict(found))
        return
    rows = [(name, *map(_cell, values)) for name, values in found.fields.items()]
    _table(("field", *found.model_ids), rows)
    if found.alike:
        _note(f"{found.alike} fields are the same in all; --all shows them")


def _delete(options: ModelsDeleteOptions) -> None:
    from ttt.text_lm.models import delete_model, dependents, show_model

    root, name = options.artifacts_root, options.model_id
    if options.dry_run:
        show_model(root, name)
        needed = dependents(root, name)
        if options.json_output:
            _write({"model_id": name, "needed_by": needed})
        else:
            _note("\n".join(needed) or f"nothing depends on {name}")
        return
    removed = [str(folder) for folder in delete_model(root, name)]
    if options.json_output:
        _write({"model_id": name, "removed": removed})
    else:
        _note(f"removed {' and '.join(removed)}")


def _row(one: "ModelInfo") -> tuple[str, ...]:
    """A line of the list."""
    config = one.config
    network = (
        f"{config['backbone']} {config.get('layers')} x {config.get('width')}"
        if "backbone" in config
        else ""
    )
    return (
        one.model_id,
        one.status,
        " ".join(one.parents),
        network,
        _cell(one.held_out.get("ar_nats_per_token")),
        f"{one.weights_bytes / 1e6:.1f} MB" if one.weights_bytes else "",
        one.created,
        one.note,
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    from ttt.lib.terminal import print_table, result_console

    print_table(result_console(), columns, rows)


def _note(text: str) -> None:
    from ttt.lib.terminal import log_console, print_line

    for line in text.splitlines():
        print_line(log_console(), line)


def _write(plain: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(plain) + "\n")


COMMANDS: Mapping[str, tuple[type[Options], Callable[[Any], None]]] = MappingProxyType(
    {
        "list": (ModelsListOptions, _list),
        "show": (ModelsShowOptions, _show),
        "compare": (ModelsCompareOptions, _compare),
        "delete": (ModelsDeleteOptions, _delete),
    }
)
"""Each sub-command's options and what it does."""


if __name__ == "__main__":
    sys.exit(main())
