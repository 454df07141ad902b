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

from ttt.branching.answers import Answer
from ttt.branching.commands import COMMANDS as HISTORY
from ttt.branching.screen import show_answer
from ttt.branching.store_commands import COMMANDS as UPKEEP
from ttt.lib.flags import CommandOptions, parse_command, run_command
from ttt_ssm_nano.session_options import InitBaseOptions, NewSessionOptions, RunSessionOptions


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command."""
    shared = {**HISTORY, **UPKEEP}
    models = {**OWN, **{name: model for name, (model, _) in shared.items()}}
    name, options = parse_command(models, argv, prog="ttt nano", description=__doc__ or "")
    assert isinstance(options, CommandOptions), "each of them is a command's"
    # Here, so that help and wrong options are answered at once.
    from ttt_ssm_nano.replayer import NanoWorkshop

    workshop = NanoWorkshop(options.artifacts_root)
    if name in OWN:
        from ttt_ssm_nano import session_commands

        run: Callable[[Any, NanoWorkshop], Answer] = getattr(session_commands, name)
        return show_answer(run(options, workshop), json_output=options.json_output)
    return show_answer(shared[name][1](options, workshop), json_output=options.json_output)


OWN: Mapping[str, type[CommandOptions]] = {
    "init_base": InitBaseOptions,
    "new_session": NewSessionOptions,
    "run_session": RunSessionOptions,
}
"""The domain's own commands; each is the function of that name in `session_commands.py`."""


if __name__ == "__main__":
    sys.exit(main())
