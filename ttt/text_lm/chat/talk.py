"""A conversation in the terminal: lines in, answers as they are written, a receipt for each.

A line that begins with `/` is a command. Standard input that is no terminal is read line by line,
so a script can hold a conversation too; with `--json` every event is one line of JSON.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from ttt.errors import InputError, TTTError
from ttt.lib import strict_json
from ttt.lib.terminal import log_console, print_line
from ttt.store.domains import TEXT
from ttt.store.layout import saved_ids
from ttt.text_lm.chat.conversation import ChatRoom
from ttt.text_lm.chat.options import ChatSettings, SayOptions, TalkOptions
from ttt.text_lm.chat.receipts import sentence
from ttt.text_lm.chat.turns import read_turns

NAMES_MAX: Final = 10_000
"""Names that are tried for a session that was given none."""


class Talk:
    """One conversation.

    Args:
        options: Session, settings of a new one, and how answers are drawn.
    """

    def __init__(self, options: TalkOptions) -> None:
        self._options = options
        self.room = ChatRoom(options.artifacts_root)
        self.session_id = options.session_id or self._free_name()
        self._say = options.part(SayOptions)
        self._receipt: Mapping[str, object] = {}
        self._over = False
        self._start()

    def run(self, lines: Iterator[str]) -> None:
        """Talk until the lines end or somebody says /quit."""
        for line in lines:
            text = line.rstrip("\n")
            try:
                self.take(text)
            except TTTError as error:
                self._log(f"error: {error}")
            if self._over:
                return

    def take(self, text: str) -> None:
        """One line: a message, or a command that begins with `/`."""
        if not text.strip():
            return
        if not text.startswith("/"):
            self._message(text)
            return
        name, _, rest = text[1:].partition(" ")
        if name not in SLASH:
            known = ", ".join(f"/{one}" for one in SLASH)
            raise InputError(f"There is no command /{name}; there are {known}.")
        SLASH[name](self, rest.strip())

    def _message(self, text: str) -> None:
        with contextlib.closing(self.room.send(self.session_id, text, self._say)) as events:  # type: ignore[type-var] # a generator
            for event in events:
                if self._options.json_output:
                    line = {"kind": event.kind, "text": event.text, "data": dict(event.data)}
                    sys.stdout.write(strict_json.dumps(line, indent=None).decode("ascii"))
                elif event.kind == "token":
                    sys.stdout.write(event.text)
                if event.kind == "receipt":
                    self._receipt = event.data
                sys.stdout.flush()
        if not self._options.json_output:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._log(f"[{sentence(self._receipt)}]")

    def undo(self, rest: str) -> None:
        """Take back what was learned from the last message, or from the one named."""
        turns = read_turns(self._options.artifacts_root, self.session_id)
        left = [turn for turn in turns if not turn.taken_back and turn.outcome == "update"]
        if not rest and not left:
            raise InputError("Nothing was learned that could be taken back.")
        place = rest or f"{left[-1].session_id}:{left[-1].n}"
        done = self.room.revert(self.session_id, place)
        self._log(f"{done.outcome}: {place}. {done.statement}")

    def fork(self, rest: str) -> None:
        """Go on in a new session that starts from here."""
        if not rest:
            raise InputError("Name the new session: /fork NAME.")
        self.room.fork(self.session_id, rest)
        self.session_id = rest
        self._log(f"Now in session {rest}.")

    def why(self, _rest: str) -> None:
        """Show what was decided about each chunk of the last message."""
        chunks = self._receipt.get("chunks")
        for one in chunks if isinstance(chunks, list) else []:
            fields = [f"{k}={_short(v)}" for k, v in one.items() if v not in (None, [], "")]
            self._log("  " + " ".join(fields))
        self._log(sentence(self._receipt) if self._receipt else "No message yet.")

    def learn(self, rest: str) -> None:
        """Switch learning: /learn on, /learn off."""
        if rest not in ("on", "off"):
            raise InputError(f"Write /learn on or /learn off, not {rest!r}.")
        self.room.set_learning(self.session_id, rest == "on")
        self._log(f"Learning is {rest}.")

    def history(self, _rest: str) -> None:
        """Show what was said."""
        for turn in read_turns(self._options.artifacts_root, self.session_id):
            mark = " (taken back)" if turn.taken_back else ""
            self._log(f"{turn.n} {turn.outcome}{mark}: {turn.message[:70]}")

    def reset(self, _rest: str) -> None:
        """Forget everything learned."""
        self.room.reset(self.session_id)
        self._log("Everything learned is forgotten.")

    def help(self, _rest: str) -> None:
        """Show the commands."""
        for name, function in SLASH.items():
            self._log(f"/{name:<8} {(function.__doc__ or '').strip()}")

    def quit(self, _rest: str) -> None:
        """End."""
        self._over = True

    def _start(self) -> None:
        if self.room.start(self.session_id, self._options.part(ChatSettings)):
            base = self.room.settings(self.session_id).base
            self._log(f"New session {self.session_id} on {base}; /help shows more.")
        else:
            self._log(f"Session {self.session_id} goes on.")

    def _free_name(self) -> str:
        taken = set(saved_ids(self._options.artifacts_root / TEXT.folder))
        return next(name for k in range(1, NAMES_MAX) if (name := f"chat-{k:04d}") not in taken)

    def _log(self, text: str) -> None:
        print_line(log_console(), text)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


SLASH: Final[Mapping[str, Callable[[Talk, str], None]]] = MappingProxyType(
    {
        "undo": Talk.undo,
        "fork": Talk.fork,
        "why": Talk.why,
        "learn": Talk.learn,
        "history": Talk.history,
        "reset": Talk.reset,
        "help": Talk.help,
        "quit": Talk.quit,
    }
)
"""The commands of a conversation."""


def lines_of_terminal() -> Iterator[str]:
    """What is typed, with a prompt where there is a terminal."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    with contextlib.suppress(EOFError):
        while True:
            yield input("> ")
