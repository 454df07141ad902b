"""The nano domain on the command line: a base, sessions that learn online, and git for them.

    python ttt_ssm_nano/phase1_branching_muon.py init_base --pretrain_steps 500
    python ttt_ssm_nano/phase1_branching_muon.py new_session --session_id alice
    python ttt_ssm_nano/phase1_branching_muon.py run_session --session_id alice --steps 600

`ttt nano` is the same command. The name is the experiment's of old; the default rule is rls.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # Run as a file: its own folder is on the path, the project's is not.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from ttt.branching.options import HISTORY, UPKEEP
from ttt.lib.flags import CommandOptions, parse_command, run_command
from ttt_ssm_nano.session_options import InitBaseOptions, NewSessionOptions, RunSessionOptions

OWN: Mapping[str, type[CommandOptions]] = {
    "init_base": InitBaseOptions,
    "new_session": NewSessionOptions,
    "run_session": RunSessionOptions,
}
"""The domain's own commands; each is the function of that name in `session_commands.py`."""
COMMANDS: Mapping[str, type[CommandOptions]] = {**OWN, **HISTORY, **UPKEEP}


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command."""
    name, options = parse_command(COMMANDS, argv, prog="ttt nano", description=__doc__ or "")
    assert isinstance(options, CommandOptions), "each of them is a command's"
    # Here, so that help and wrong options are answered at once.
    from ttt.branching.screen import show_answer
    from ttt_ssm_nano.replayer import NanoWorkshop

    answer = _function(name)(options, NanoWorkshop(options.artifacts_root))
    return show_answer(answer, json_output=options.json_output)


def _function(name: str) -> Callable[..., Any]:
    """What a command does."""
    from ttt.branching import commands, store_commands
    from ttt_ssm_nano import session_commands

    if name in OWN:
        function: Callable[..., Any] = getattr(session_commands, name)
        return function
    return {**commands.COMMANDS, **store_commands.COMMANDS}[name]


if __name__ == "__main__":
    sys.exit(main())
