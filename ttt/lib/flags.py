"""The command line: one pydantic model per command, read from four places.

    options = parse(TrainOptions, argv, prog="ttt train", description="Train a language model.")

Later places win: the model's defaults, the file named by `--config`, the environment
(`TTT_<NAME>` and the documented variables), the flags. `--chunk_tokens` and `--chunk-tokens` are
the same; a boolean `enable_gate` has `--enable_gate` and `--disable_gate`, any other `--x` and
`--no_x`, so that a flag can overrule a file in both directions; a list takes several values and
may be repeated. Every refusal is a `ConfigError` of one sentence a field, which `run_command`
turns into exit code 2.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ttt.errors import ConfigError
from ttt.lib.entry import run_command
from ttt.lib.names import did_you_mean
from ttt.lib.option_errors import explain
from ttt.lib.option_sources import read_config, read_environment
from ttt.lib.options import (
    GLOBAL_GROUP,
    CommandOptions,
    Flag,
    Options,
    default_text,
    flag_of,
    from_text,
    is_switch,
    metavar,
    option_names,
    takes_many,
)
from ttt.lib.subcommands import command_help, refuse_command, split_command, underscored

__all__ = ["CommandOptions", "Flag", "Options", "parse", "parse_command", "run_command"]

Model = TypeVar("Model", bound=Options)


def parse(
    model: type[Model],
    argv: Sequence[str] | None = None,
    *,
    prog: str,
    description: str,
    environ: Mapping[str, str] | None = None,
) -> Model:
    """Read a command's options.

    Args:
        model: The options; `model_fields_set` of the result tells what was given anywhere.
        argv: The arguments without the program's name; those of the process if None.
        prog: The program's name in messages, e.g. `"ttt train"`.
        description: Its help, one sentence or more.
        environ: The environment; that of the process if None.

    Returns:
        The validated options.

    Raises:
        ConfigError: Something given is wrong; one line for each field.
        SystemExit: `--help` was asked for and shown.
    """
    environ = os.environ if environ is None else environ
    given = _read_flags(_parser(model, prog, description), model, argv)
    config = given.pop("config", None) or environ.get("TTT_CONFIG")
    labels: dict[str, str] = {}
    values: dict[str, object] = {}
    if config:
        values |= read_config(Path(str(config)), model)
        labels |= {name: f"{name} in {config}" for name in values}
    for name, (variable, value) in read_environment(model, environ).items():
        values[name], labels[name] = value, variable
    values |= given
    labels |= {name: f"--{option}" for name, option in option_names(model).items() if name in given}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        missing = {name: f"--{option}" for name, option in option_names(model).items()}
        raise ConfigError("\n".join(explain(error, model, missing | labels))) from error


def parse_command(
    commands: Mapping[str, type[Options]],
    argv: Sequence[str] | None = None,
    *,
    prog: str,
    description: str,
    default: str = "",
    environ: Mapping[str, str] | None = None,
) -> tuple[str, Options]:
    """Read a sub-command and its options; global options may stand on either side of its name.

    Args:
        commands: Each sub-command's options; the first line of the class's docstring is its help.
        argv: As for `parse`.
        prog: As for `parse`.
        description: As for `parse`.
        default: The sub-command that is meant where options stand without one; empty: none is.
        environ: As for `parse`.

    Returns:
        The sub-command's name and its options.

    Raises:
        ConfigError: There is no sub-command, none of that name, or its options are wrong.
        SystemExit: `--help` was asked for and shown.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    name, rest = split_command(given)
    if default and name not in ("-h", "--help") and (name is None or name.startswith("-")):
        options = parse(
            commands[default], given, prog=prog, description=description, environ=environ
        )
        return default, options
    if name in ("-h", "--help"):
        rows = {key: _first_line(model) for key, model in commands.items()}
        sys.stdout.write(command_help(rows, prog=prog, description=description))
        raise SystemExit(0)
    if name is None or name not in commands:
        raise refuse_command(name, commands, prog)
    model = commands[name]
    help_text = (model.__doc__ or "").strip()
    return name, parse(model, rest, prog=f"{prog} {name}", description=help_text, environ=environ)


def _first_line(model: type[Options]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


class _Parser(argparse.ArgumentParser):
    """argparse that raises instead of exiting, and takes `-1e-3` and `-inf` for numbers."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog=prog,
            usage=f"{prog} [options]",
            description=description,
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
            add_help=False,
        )
        self._negative_number_matcher = re.compile(r"-(\.?\d|inf$|nan$)")

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        what = message.removeprefix("argument ")
        hint = ""
        if "expected" in what:
            option = what.partition(":")[0]
            hint = f" (a value that begins with '-' is written {option}=VALUE)"
        raise ConfigError(f"{what}{hint}; see {self.prog} --help.")


def _parser(model: type[Options], prog: str, description: str) -> _Parser:
    """An argparse parser that knows the model's options and collects text."""
    assert not {"config", "debug"} & set(model.model_fields), "taken by the global options"
    parser = _Parser(prog, description.replace("%", "%%"))
    headings = dict.fromkeys(flag_of(field).group for field in model.model_fields.values())
    headings.pop(GLOBAL_GROUP, None)
    groups = {text: parser.add_argument_group(text) for text in (*headings, GLOBAL_GROUP)}
    for name, option in option_names(model).items():
        field = model.model_fields[name]
        _add_option(groups[flag_of(field).group], name, option, field)
    general = groups[GLOBAL_GROUP]
    general.add_argument("--config", metavar="FILE", help="YAML or JSON file of options.")
    general.add_argument("--debug", action="store_true", help="Show the traceback of an error.")
    general.add_argument("-h", "--help", action="help", help="Show this and exit.")
    return parser


def _add_option(group: argparse._ArgumentGroup, name: str, option: str, field: FieldInfo) -> None:
    """One field as one option, or as a pair of switches."""
    text = _help(field)
    if not is_switch(field.annotation):
        shown = metavar(field.annotation)
        group.add_argument(f"--{option}", dest=name, metavar=shown, help=text, **_arity(field))
        return
    group.add_argument(f"--{option}", dest=name, action="store_true", help=text)
    opposite = f"The opposite of --{option}." if field.default else argparse.SUPPRESS
    group.add_argument(f"--{_opposite(option)}", dest=name, action="store_false", help=opposite)


def _arity(field: FieldInfo) -> dict[str, Any]:
    """How many values the option takes, in argparse's words."""
    if takes_many(field.annotation):
        return {"action": "extend", "nargs": "+"}
    if bare := flag_of(field).bare:
        return {"nargs": "?", "const": bare}
    return {}


def _opposite(option: str) -> str:
    """The switch that turns this one off."""
    for prefix, other in (("enable_", "disable_"), ("disable_", "enable_"), ("no_", "")):
        if option.startswith(prefix):
            return other + option.removeprefix(prefix)
    return f"no_{option}"


def _help(field: FieldInfo) -> str:
    """The field's docstring on one line with its default."""
    text = " ".join((field.description or "").split()).replace("%", "%%")
    if field.is_required():
        return f"{text} (required)"
    default = default_text(field).replace("%", "%%")
    return f"{text} (default: {default})" if default else text


def _read_flags(
    parser: _Parser, model: type[Options], argv: Sequence[str] | None
) -> dict[str, object]:
    """What the flags say, by field name; `config` too, `debug` not."""
    arguments = sys.argv[1:] if argv is None else argv
    namespace, unknown = parser.parse_known_args([underscored(token) for token in arguments])
    if unknown:
        _refuse_unknown(unknown[0], parser)
    given: dict[str, object] = {}
    for name, value in vars(namespace).items():
        field = model.model_fields.get(name)
        given[name] = value if field is None else _typed(field, value)
    given.pop("debug", None)
    return given


def _typed(field: FieldInfo, value: object) -> object:
    """The text of an option as pydantic should see it; switches are booleans already."""
    if isinstance(value, list):
        return [from_text(field.annotation, text) for text in value]
    return from_text(field.annotation, value) if isinstance(value, str) else value


def _refuse_unknown(token: str, parser: _Parser) -> NoReturn:
    if not token.startswith("-") or token == "--":
        raise ConfigError(f"Unexpected argument {token!r}; see {parser.prog} --help.")
    name = token.partition("=")[0]
    known = [option for action in parser._actions for option in action.option_strings]
    near = did_you_mean(name, known)
    raise ConfigError(f"Unknown option {name}{near}; see {parser.prog} --help.")
