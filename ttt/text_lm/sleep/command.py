"""Sleep, in the terminal.

    ttt sleep --dry_run                      audit what sessions have learned, change nothing
    ttt sleep                                train what passes into a candidate
    ttt sleep promote --model_id ID          make the candidate the current base
    ttt sleep rollback                       go back to the base before it

Without a command it sleeps one night.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ttt.lib.flags import CommandOptions, parse_command, run_command
from ttt.text_lm.sleep.options import (
    ManifestOptions,
    PromoteOptions,
    RejectOptions,
    RollbackOptions,
    SleepOptions,
    StatusOptions,
    UseOptions,
)

if TYPE_CHECKING:
    from ttt.lib.terminal import Advance

COMMANDS: Mapping[str, type[CommandOptions]] = {
    "run": SleepOptions,
    "promote": PromoteOptions,
    "reject": RejectOptions,
    "use": UseOptions,
    "rollback": RollbackOptions,
    "status": StatusOptions,
    "manifest": ManifestOptions,
}


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Sleep one night, or run one sub-command."""
    name, options = parse_command(
        COMMANDS, argv, prog="ttt sleep", description=__doc__ or "", default="run"
    )
    if isinstance(options, SleepOptions):
        return _sleep(options)
    assert isinstance(options, CommandOptions), "each of them is a command's"
    # Here, so that help and wrong options are answered at once.
    from ttt.branching.screen import show_answer
    from ttt.text_lm.sleep.commands import COMMANDS as FUNCTIONS

    return show_answer(FUNCTIONS[name](options), json_output=options.json_output)


def _sleep(options: SleepOptions) -> int:
    from ttt.branching.screen import show_answer
    from ttt.text_lm.sleep.commands import run_night

    with StageBars() as bars:
        answer = run_night(options, bars)
    return show_answer(answer, json_output=options.json_output)


class StageBars:
    """A progress bar for the stage that a night is in, on a terminal only."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._stage = ""
        self._done = 0
        self._advance: Advance | None = None

    def __enter__(self) -> "StageBars":
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage is."""
        from ttt.lib.terminal import progress

        if stage != self._stage:
            self._open.close()
            self._open = ExitStack()
            self._advance = self._open.enter_context(progress(stage.replace("_", " "), total))
            self._stage, self._done = stage, 0
        assert self._advance is not None, "a stage was begun"
        self._advance(done - self._done)
        self._done = done


if __name__ == "__main__":
    sys.exit(main())
