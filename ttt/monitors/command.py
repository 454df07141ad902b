"""`python run_monitor.py` and `ttt monitor`: from arguments to an exit code.

What is wrong with the arguments, the input or the places to write to is found before the tensor
library is loaded. Results go to stdout, everything else to stderr. Exit codes are those of
`ttt/lib/entry.py`; 3 says that what `--fail_on` names happened.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ttt.errors import ConfigError
from ttt.lib.flags import parse, run_command
from ttt.lib.subcommands import underscored
from ttt.lib.terminal import log_console, print_line
from ttt.monitors.options import MonitorOptions, without_effect

if TYPE_CHECKING:
    from ttt.monitors.documents import Document
    from ttt.monitors.inputs import Meter

PROG = "run_monitor.py"
DESCRIPTION = (
    "Read a text while learning from it, chunk by chunk, and watch, gate and undo each update. "
    "Start with --demo."
)
_SWITCHES = ("gate", "rollback", "canary_grad")


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the monitor.

    Args:
        argv: The arguments without the program's name; those of the process if None.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _refuse_both_ways(arguments)
    options = parse(MonitorOptions, arguments, prog=PROG, description=DESCRIPTION)
    _require_input(options)
    notes = log_console()
    for sentence in without_effect(options):
        print_line(notes, f"note: {sentence}")
    _check_outputs(options)

    from ttt.monitors.inputs import Meter

    meter = Meter()
    documents = list(documents_of(options, meter))

    from ttt.monitors.session import run_session  # Only now: it takes a second to load.

    return run_session(options, documents, meter)


def documents_of(options: MonitorOptions, meter: "Meter") -> "Iterator[Document]":
    """The input that the options name, the first of them that is given.

    Args:
        options: At least one input is named.
        meter: Told how many bytes were read, where the input is a file or a stream.

    Raises:
        InputError: It is missing, empty, or no text.
    """
    from ttt.monitors import demo, inputs

    if options.input_name == "stdin":
        stream = sys.stdin.buffer
        assert isinstance(stream, inputs.ByteStream), "Python's own stdin is read as it comes"
        yield inputs.stream_document(stream, meter=meter)
    elif options.file is not None:
        yield inputs.file_document(options.file, meter=meter)
    elif options.text is not None:
        yield inputs.text_document(options.text)
    elif options.input_name == "demo_high_entropy":
        yield from demo.high_entropy_documents(options.seed)
    else:
        yield from demo.demo_documents(options.seed)


def _require_input(options: MonitorOptions) -> None:
    if options.input_name is not None:
        return
    hint = "" if sys.stdin.isatty() else " (a text that is piped in is read with --stdin)"
    raise ConfigError(
        "There is nothing to read; give one of --demo, --demo_high_entropy, --text TEXT, "
        f"--file FILE, --stdin{hint}."
    )


def _refuse_both_ways(arguments: Sequence[str]) -> None:
    """Refuse to guess between a safety switch's on and off in one command line."""
    given = {underscored(argument) for argument in arguments}
    for name in _SWITCHES:
        if {f"--enable_{name}", f"--disable_{name}"} <= given:
            raise ConfigError(f"--enable_{name} and --disable_{name} contradict; keep one.")


def _check_outputs(options: MonitorOptions) -> None:
    from ttt.store.exports import check_output

    for path in (options.write_json, options.plot):
        if path is not None:
            check_output(path)
