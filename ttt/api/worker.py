"""`python -m ttt.api.worker ROOT JOB PARENT`: the process of one job; the service starts it."""

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from ttt.api.kinds import all_kinds
from ttt.errors import TTTError
from ttt.jobs.worker import Bounds, work_on

COMMAND = (sys.executable, "-m", "ttt.api.worker")


def main(argv: Sequence[str]) -> int:
    """Work on one job; what goes wrong stands in its status, a traceback in its output."""
    root, job_id, parent = argv
    try:
        return work_on(Path(root), job_id, all_kinds(), parent=int(parent), bounds=Bounds())
    except TTTError as error:
        sys.stderr.write(f"error: {error}\n")
    except Exception:  # noqa: BLE001 - the outermost edge: what slips through is told.
        traceback.print_exc()
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
