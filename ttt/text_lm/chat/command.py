"""Chat that learns, in the terminal.

    ttt chat                                 talk; a new session is made and named
    ttt chat --session_id ada                talk to session ada
    ttt chat say --session_id ada --text "Hello."
    ttt chat log --session_id ada            git for what it has learned

Without a command it is a conversation: lines in, answers out, /help shows what else.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ttt.branching.options import HISTORY, UPKEEP
from ttt.lib.entry import EXIT_OK
from ttt.lib.flags import CommandOptions, parse_command, run_command
from ttt.text_lm.chat.options import (
    HistoryOptions,
    LearningOptions,
    NewChatOptions,
    ResetOptions,
    SayCommandOptions,
    TalkOptions,
)

OWN: Mapping[str, type[CommandOptions]] = {
    "talk": TalkOptions,
    "new_session": NewChatOptions,
    "say": SayCommandOptions,
    "reset": ResetOptions,
    "learning": LearningOptions,
    "history": HistoryOptions,
}
"""The domain's own commands; `commands.py` has their functions, `talk.py` the conversation."""
COMMANDS: Mapping[str, type[CommandOptions]] = {**OWN, **HISTORY, **UPKEEP}


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Talk, or run one sub-command."""
    name, options = parse_command(
        COMMANDS, argv, prog="ttt chat", description=__doc__ or "", default="talk"
    )
    assert isinstance(options, CommandOptions), "each of them is a command's"
    if isinstance(options, TalkOptions):
        return _talk(options)
    # Here, so that help and wrong options are answered at once.
    from ttt.branching.screen import show_answer

    _one_thread()
    return show_answer(_function(name, options), json_output=options.json_output)


def _function(name: str, options: CommandOptions) -> Any:  # noqa: ANN401 (an Answer, imported late)
    """Do what a command does."""
    from ttt.branching import commands as history
    from ttt.branching import store_commands
    from ttt.text_lm.chat import commands
    from ttt.text_lm.chat.workshop import TextWorkshop

    if name in commands.COMMANDS:
        return commands.COMMANDS[name](options)
    shared: Mapping[str, Callable[..., Any]] = {**history.COMMANDS, **store_commands.COMMANDS}
    return shared[name](options, TextWorkshop(options.artifacts_root))


def _talk(options: TalkOptions) -> int:
    _one_thread()
    from ttt.text_lm.chat.talk import Talk, lines_of_terminal

    Talk(options).run(lines_of_terminal())
    return EXIT_OK


def _one_thread() -> None:
    """More do not pay at these sizes, and another count gives other last bits."""
    import torch

    torch.set_num_threads(1)


if __name__ == "__main__":
    sys.exit(main())
