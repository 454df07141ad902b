"""Commands within a command: where the name stands, how the list of them is shown.

Only the standard library is imported here, so that `ttt --help` answers at once.
"""

from collections.abc import Iterable, Mapping, Sequence

from ttt.errors import ConfigError
from ttt.lib.names import did_you_mean

GLOBAL_SWITCHES = ("--json", "--debug")
"""Options of every command that take no value."""
GLOBAL_OPTIONS = ("--config", "--artifacts_root")
"""Options of every command that take one value."""


def split_command(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """Find the sub-command, with the global options before it moved behind it.

    `--artifacts_root here fork --json` and `fork --artifacts_root here --json` mean the same; an
    option given on both sides counts as given last on the right.

    Args:
        argv: The arguments, without the program's name.

    Returns:
        The sub-command (None if there is none) and its arguments. An argument that stands before
        any sub-command and is no global option is returned in the sub-command's place: `--help`,
        `--version` or a mistake, which the caller tells apart.

    Raises:
        ConfigError: A global option lacks its value.
    """
    rest, moved = list(argv), list[str]()
    while rest:
        token = rest.pop(0)
        name, has_value, _ = token.partition("=")
        name = underscored(name)
        if name not in GLOBAL_SWITCHES + GLOBAL_OPTIONS:
            return token, moved + rest
        moved.append(token)
        if name in GLOBAL_OPTIONS and not has_value:
            if not rest:
                raise ConfigError(f"{name} needs a value; write {name}=VALUE.")
            moved.append(rest.pop(0))
    return None, moved


def underscored(token: str) -> str:
    """An option in its canonical spelling: `--chunk-tokens=5` becomes `--chunk_tokens=5`.

    Only the name is changed, never the value; anything but a `--name` is returned as it is.
    """
    if not token.startswith("--"):
        return token
    name, equals, value = token.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


def refuse_command(name: str | None, known: Iterable[str], prog: str) -> ConfigError:
    """The error for a command that is missing or unknown, ready to be raised.

    Args:
        name: What stands in the command's place: a word, an option, or None for nothing.
        known: The commands there are.
        prog: The program they belong to.
    """
    names = tuple(known)
    if name is None:
        what = "No command was given"
    elif name.startswith("-"):
        what = f"{prog} has no option {name} before its command"
    else:
        what = f"{prog} has no command {name!r}{did_you_mean(name, names)}"
    return ConfigError(f"{what}; choose one of: {', '.join(names)}.")


def command_help(rows: Mapping[str, str], *, prog: str, description: str) -> str:
    """What `--help` shows where no command was named yet.

    Args:
        rows: Each command's name and its help of one line.
        prog: The program they belong to.
        description: What the program does.
    """
    width = max(len(name) for name in rows)
    table = "".join(f"  {name:<{width}}  {text}\n" for name, text in rows.items())
    usage = f"usage: {prog} [global options] COMMAND [options]"
    options = " ".join((*GLOBAL_SWITCHES, *GLOBAL_OPTIONS))
    return (
        f"{usage}\n\n{description}\n\ncommands:\n{table}\n"
        f"global options, before or after the command: {options}\n"
        f"'{prog} COMMAND --help' shows the options of one command.\n"
    )
