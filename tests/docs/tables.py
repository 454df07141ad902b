"""Tables of the docs that are made from the code: `python -m tests.docs.tables` prints them."""

import sys

from ttt.lib.options import (
    GLOBAL_GROUP,
    CommandOptions,
    default_text,
    flag_of,
    is_switch,
    metavar,
    option_names,
)
from ttt.monitors.options import MonitorOptions


def option_table(model: type[CommandOptions]) -> str:
    """Every option of a command, group by group, those of every command last."""
    groups: dict[str, list[str]] = {}
    for name, option in option_names(model).items():
        field = model.model_fields[name]
        if is_switch(field.annotation):
            spellings = [option, option.replace("enable_", "disable_")][: 1 + bool(field.default)]
            shown, default = ", ".join(f"`--{one}`" for one in spellings), "off"
        else:
            shown, default = f"`--{option} {metavar(field.annotation)}`", ""
        cells = (shown, default_text(field) or default, " ".join((field.description or "").split()))
        row = "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
        groups.setdefault(flag_of(field).group, []).append(row)
    groups[GLOBAL_GROUP] = groups.pop(GLOBAL_GROUP)
    head = "| option | default | meaning |\n|---|---|---|\n"
    tables = (f"**{title}**\n\n{head}" + "\n".join(rows) for title, rows in groups.items())
    return "\n\n".join(tables) + "\n"


if __name__ == "__main__":
    sys.stdout.write(option_table(MonitorOptions))
