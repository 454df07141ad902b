"""The console script `ttt`: one name for every command, each loaded only when it is called.

This file knows the commands' names and where they live; their options are their own. Nothing but
the standard library is imported to show `--help`.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ttt import __version__
from ttt.lib.entry import EXIT_OK, EXIT_USAGE, Main, run_command
from ttt.lib.subcommands import command_help, refuse_command, split_command

DESCRIPTION = "Models that learn at test time, made safe, observable and reversible."

COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "monitor": (
            "ttt.monitors.command:main",
            "Read a text while learning from it, and watch, gate and undo each update.",
        ),
        "train": ("ttt.text_lm.train:main", "Train a text model from files."),
        "generate": ("ttt.text_lm.generate:main", "Continue a text with a frozen base."),
        "models": (
            "ttt.text_lm.models_command:main",
            "List, show, compare and delete text models.",
        ),
        "tokenizer": (
            "ttt.text_lm.tokenizer_command:main",
            "Train a byte-level tokenizer, encode and decode with one.",
        ),
        "chat": (
            "ttt.text_lm.chat.command:main",
            "Talk to a model that learns from what you say, under guard.",
        ),
        "sleep": (
            "ttt.text_lm.sleep.command:main",
            "Audit what sessions learned and train it into a candidate; promote or reject it.",
        ),
        "nano": (
            "ttt_ssm_nano.phase1_branching_muon:main",
            "Sessions that learn a plant online, and git for them.",
        ),
        "serve": (
            "ttt.ui.serve:main",
            "Serve the API and the dashboard on this machine.",
        ),
        "jobs": (
            "ttt.api.jobs_command:main",
            "List, show, cancel and resume the long work of a service.",
        ),
        "fsck": (
            "ttt.branching.fsck_command:main",
            "Verify every byte of the artifact tree.",
        ),
        "doctor": ("ttt.doctor:main", "Check this installation and say what is missing."),
    }
)
"""Each command's place, `module:function`, and its help of one line."""


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name.

    Args:
        argv: The arguments without the program's name; those of the process if None.

    Returns:
        The command's exit code; 2 if no command was named (the list of them goes to stderr).

    Raises:
        ConfigError: There is no such command.
    """
    name, rest = split_command(sys.argv[1:] if argv is None else argv)
    if name in ("-h", "--help"):
        sys.stdout.write(_help())
        return EXIT_OK
    if name == "--version":
        sys.stdout.write(f"ttt {__version__}\n")
        return EXIT_OK
    if name is None:
        sys.stderr.write(_help())
        return EXIT_USAGE
    if name not in COMMANDS:
        raise refuse_command(name, COMMANDS, "ttt")
    return load(name)(rest)


def load(name: str) -> Main:
    """Import one command's module and return its entry function.

    Args:
        name: A key of `COMMANDS`.

    Raises:
        ImportError: A package that the command needs is not installed.
    """
    module, _, function = COMMANDS[name][0].partition(":")
    entry: Main = getattr(importlib.import_module(module), function)
    return entry


def _help() -> str:
    rows = {name: text for name, (_, text) in COMMANDS.items()}
    return command_help(rows, prog="ttt", description=DESCRIPTION)
