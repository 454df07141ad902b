"""An answer on the terminal: a table and sentences, or one JSON value."""

import sys

from ttt.branching.answers import Answer
from ttt.lib import strict_json
from ttt.lib.entry import EXIT_FAILURE, EXIT_OK


def show_answer(answer: Answer, *, json_output: bool) -> int:
    """Write an answer to stdout.

    Args:
        answer: What a command came to.
        json_output: As JSON, on one line.

    Returns:
        The exit code: 1 if what was asked for was refused.
    """
    if json_output:
        sys.stdout.write(strict_json.dumps(answer.plain, indent=None).decode("ascii"))
        return EXIT_OK if answer.ok else EXIT_FAILURE
    from ttt.lib.terminal import print_line, print_table, result_console

    console = result_console()
    if answer.columns:
        print_table(console, answer.columns, answer.rows)
    for line in answer.lines:
        print_line(console, line)
    return EXIT_OK if answer.ok else EXIT_FAILURE
