"""One session on one plant: pretrain a base, learn online, draw three curves.

    python ttt_ssm_nano/phase0_muon.py --steps 600
    python ttt_ssm_nano/phase0_muon.py --online rls --jump_at 300

The default rule is Muon with settings that were measured to help, not those once documented
(`--documented` shows what these do). Sessions with a history are `phase1_branching_muon.py`.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):  # Run as a file: its own folder is on the path, the project's is not.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from ttt.lib.flags import parse, run_command
from ttt.lib.terminal import log_console, print_line, print_table, progress, result_console
from ttt_ssm_nano.phase0_options import Phase0Options

PROG = "phase0_muon.py"


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run one session and say what came out."""
    options = parse(Phase0Options, argv, prog=PROG, description=__doc__ or "")
    notes = log_console()
    if options.resume_session_dir is None:
        print_line(notes, f"pretraining a base, {options.pretrain_steps} steps")
    from ttt_ssm_nano.phase0 import run  # Here, so that help and wrong options are answered first.

    with progress("steps", options.steps, console=notes) as advance:
        result = run(options, advance)
    if options.json_output:
        sys.stdout.write(json.dumps(result) + "\n")
        return 0
    print_table(result_console(), ("figure", "value"), list(result.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
