"""What every entry point shares: exit codes, and errors as sentences instead of tracebacks.

Only the standard library is imported here, so that `ttt --help` answers at once. Exit codes:

    0    done
    1    failed: the data, the disk, a named artifact, or a fault of ours
    2    the command line, the environment or the configuration file is wrong (`ConfigError`):
         decided from these alone, so the same call can never work
    3    a command's own `--fail_on` condition was met
    130  interrupted by Ctrl-C (128 + SIGINT)
    141  the reader of our output went away, as in `| head` (128 + SIGPIPE)
"""

import contextlib
import functools
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from ttt.errors import ConfigError, TTTError
from ttt.lib.allocator import tune_memory
from ttt.lib.terminal import plain

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


@runtime_checkable
class Main(Protocol):
    """A command's entry: arguments in (those of the process if None), exit code out."""

    def __call__(self, argv: Sequence[str] | None = None) -> int: ...


def run_command(function: Main) -> Main:
    """Wrap a command's entry function so that no way to end it shows a traceback uninvited.

    Args:
        function: Gets the arguments, without the program's name, and returns an exit code.

    Returns:
        The wrapped function. It never raises: an error becomes one sentence on stderr and an exit
        code (see the module's table); `--debug` among the arguments adds the traceback.
    """

    @functools.wraps(function)
    def main(argv: Sequence[str] | None = None) -> int:
        arguments = list(sys.argv[1:] if argv is None else argv)
        tune_memory()
        try:
            code = _code_of(function, arguments)
            sys.stdout.flush()  # Here, so that a closed pipe or a full disk is met inside the try.
        except KeyboardInterrupt:
            return _tell("Interrupted.", EXIT_INTERRUPTED)
        except BrokenPipeError:
            return EXIT_BROKEN_PIPE
        except TTTError as error:
            _show_traceback(arguments)
            return _tell(str(error), EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILURE)
        except Exception as error:  # noqa: BLE001 - the outermost edge: what slips through is told.
            if not _show_traceback(arguments):
                return _tell(_unexpected(error), EXIT_FAILURE)
            return EXIT_FAILURE
        finally:
            _settle_stdout()
        return code

    return main


def _code_of(function: Main, arguments: list[str]) -> int:
    """Run the command; where it ends the process (as `--help` does), return that code instead."""
    try:
        return function(arguments)
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or EXIT_OK
        return _tell(stop.code, EXIT_FAILURE)


def _show_traceback(arguments: list[str]) -> bool:
    """Show the traceback of the current error if `--debug` asks for it; say whether it did."""
    wanted = "--debug" in arguments
    if wanted:
        traceback.print_exc()
    return wanted


def _tell(sentences: str, code: int) -> int:
    """Write an error to stderr, one line a sentence, and return the exit code."""
    for sentence in sentences.splitlines():
        sys.stderr.write(f"error: {plain(sentence)}\n")
    return code


def _unexpected(error: Exception) -> str:
    """One sentence for an error nobody foresaw."""
    first_line = next(iter(str(error).splitlines()), "")
    what = f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
    return f"Unexpected {what}; run with --debug for the traceback."


def _settle_stdout() -> None:
    """Drop what stdout does not take: the interpreter would try again on exit, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
