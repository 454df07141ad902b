"""`ttt fsck`: verify an artifact tree, whatever sessions of whatever domain it holds."""

import sys
from collections.abc import Sequence

from ttt.branching.options import FsckOptions
from ttt.lib.flags import parse, run_command


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Verify every byte and say what is damaged."""
    options = parse(FsckOptions, argv, prog="ttt fsck", description=FsckOptions.__doc__ or "")
    # Here, so that help and wrong options are answered at once.
    from ttt.branching.screen import show_answer
    from ttt.branching.store_commands import check_tree

    return show_answer(check_tree(options), json_output=options.json_output)


if __name__ == "__main__":
    sys.exit(main())
