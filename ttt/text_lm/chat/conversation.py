"""The one door of chat: sessions that are opened, spoken to, forked, taken back and reset.

    room = ChatRoom(root)
    room.new("ada", ChatSettings())
    for event in room.send("ada", "The engine weaves algebraic patterns.", SayOptions()):
        ...

A message is kept by one durable commit behind its answer: learning, rule memory, cache, recurrent
state, histories and the text together. The event `done` is the acknowledgement; before it nothing
is promised and nothing has changed on disk. Closing the iterator (or Ctrl-C) keeps the part of the
answer that was written and commits it.

Refuses: two messages at once to one session (the second waits for a while, then is told of it), and
everything that the store refuses: a session that is damaged, or moved on by another process.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

from ttt.branching.fork import fork
from ttt.branching.history import log
from ttt.branching.lineage import FORGOT, resolve
from ttt.branching.revert import Method, Reverted, revert
from ttt.errors import BusyError, NotFoundError
from ttt.store.blobs import read_blob
from ttt.store.domains import TEXT
from ttt.store.promotions import resolved_base
from ttt.store.sessions import (
    Draft,
    Session,
    append_commit,
    create_session,
    is_newest,
    open_session,
)
from ttt.text_lm.chat.answer import Answer, drawing
from ttt.text_lm.chat.learner import Learner, Prepared, point_of
from ttt.text_lm.chat.lesson import ChatLesson, encode_lesson
from ttt.text_lm.chat.message import as_spoken, check_message
from ttt.text_lm.chat.options import ChatSettings, SayOptions
from ttt.text_lm.chat.receipts import record
from ttt.text_lm.chat.state import ChatState, encode_state
from ttt.text_lm.chat.workshop import SETTINGS, TextReplayer, TextWorkshop, settings_of
from ttt.text_lm.generation import Writer

LEARNING = "learning"
"""The event that switches learning, and its field."""
SESSIONS_OPEN_MAX = 64
"""Sessions whose state stays in memory; the one that was spoken to longest ago is let go."""
LOG_PAGE = 64
"""Commits that are read at once in search of the newest one that says whether learning is on."""
WAIT_S = 30.0
"""How long a second message to one session waits for the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatEvent:
    """Something that happens while a message is answered."""

    kind: Literal["receipt", "token", "done"]
    """What was learned; a piece of the answer; the message is kept."""
    text: str = ""
    """Of a token: what follows the answer so far."""
    data: Mapping[str, object] = field(default_factory=dict)
    """Of a receipt: the record of the commit; of `done`: session, commit, answer, why it ended."""


@dataclass(slots=True)
class _Open:
    """A session in memory: where it stands and what its next message begins from."""

    session: Session
    learner: Learner
    prepared: Prepared
    learning: bool


class ChatRoom:
    """All chat sessions of one artifact tree, for any number of threads.

    Args:
        root: The artifact tree.
    """

    def __init__(self, root: Path) -> None:
        self.workshop = TextWorkshop(root)
        self._root = root
        self._open: dict[str, _Open] = {}
        # A lock lives as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._all = threading.Lock()

    def new(self, session_id: str, settings: ChatSettings) -> Session:
        """Start a session.

        Args:
            session_id: Its name; must be new.
            settings: How it learns and what guards it, for life.

        Raises:
            ConfigError: The id is taken or cannot be used, or a setting does not fit the base.
            NotFoundError: There is no such base.
        """
        with self._all:
            learner = self.workshop.learner(settings)
            base_ckpt_hash = self.workshop.weights_digest(learner.base.name)
        event = {
            "type": "init",
            "model_signature": learner.signature,
            "base_ckpt_hash": base_ckpt_hash,
            # By its own name: what is current now need not be so later.
            SETTINGS: {**settings.model_dump(mode="json"), "base": learner.base.name},
        }
        draft = Draft(state=encode_state(learner.fresh()), event=event)
        return create_session(self._root, TEXT, session_id, draft=draft)

    def start(self, session_id: str, settings: ChatSettings) -> bool:
        """Start a session unless it is there already, with its own settings; whether it is new."""
        try:
            open_session(self._root, TEXT, session_id)
        except NotFoundError:
            self.new(session_id, settings)
            return True
        return False

    def send(
        self, session_id: str, text: str, options: SayOptions, *, may_learn: bool = True
    ) -> Iterator[ChatEvent]:
        """Read, learn, answer and keep one message; checked at the call, done as it is iterated.

        Args:
            session_id: The session.
            text: The message.
            options: How it is answered.
            may_learn: False only reads this one message, whatever the session's switch says.

        Yields:
            One receipt, the pieces of the answer, and `done` once the message is kept.

        Raises:
            InputError: The message is empty, too long, or no Unicode.
            ConfigError: An option of the answer means nothing for this model.
            NotFoundError: There is no such session, or its base is gone.
            BusyError: Another message to this session took too long.
            SignatureMismatchError: The base is another one now.
            ConflictError: Another process has spoken to the session meanwhile; nothing is kept.
            StorageError: The disk refused; nothing is kept, and the message can be sent again.
        """
        check_message(text)
        return self._send(session_id, text, options, may_learn)

    def _send(
        self, session_id: str, text: str, options: SayOptions, may_learn: bool
    ) -> Iterator[ChatEvent]:
        with self._held(session_id):
            here = self._opened(session_id)
            known = here.session.head
            if options.request_id and known.request_id == options.request_id:
                yield _done(here.session)
                return
            before, model = here.prepared.state, here.learner.base.model
            drawn = drawing(options, vocab_size=model.config.vocab_size, chunk=before.chunks)
            spoken = as_spoken(before.carry, text)
            learning = here.learning and may_learn
            taken = here.learner.take(here.prepared, spoken, learning=learning)
            told = record(taken)
            yield ChatEvent(kind="receipt", data=told)
            writer = self.writer(here.learner.base.name)
            answer = Answer(drawn, writer=writer, learner=here.learner, taken=taken)
            try:
                for piece in answer:
                    yield ChatEvent(kind="token", text=piece)
            finally:
                # Whoever stops listening has still been answered, and the message was learned.
                after = answer.after(taken.state)
                lesson = ChatLesson(
                    text=spoken,
                    learning=learning,
                    first_chunk=before.chunks,
                    before=point_of(before),
                    after=point_of(after),
                )
                event = {**told, "message": text, **answer.told()}
                self._keep(here, after, event, lesson, options.request_id)
            yield _done(here.session)

    def reset(self, session_id: str) -> Session:
        """Forget everything: the session's state is that of a new one, bit for bit."""
        with self._held(session_id):
            here = self._opened(session_id)
            self._keep(here, here.learner.fresh(), {"type": FORGOT}, None)
            return here.session

    def set_learning(self, session_id: str, learning: bool) -> Session:
        """Switch learning on or off for the messages to come."""
        with self._held(session_id):
            here = self._opened(session_id)
            here.learning = learning
            self._keep(here, here.prepared.state, {"type": LEARNING, LEARNING: learning}, None)
            return here.session

    def fork(self, session_id: str, child_id: str, *, at: str = "head") -> Session:
        """Start a session at a commit of another; nothing is copied."""
        session = open_session(self._root, TEXT, session_id)
        place = resolve(session, at)
        return fork(session, place, child_id, lend=self.workshop.replayer)

    def revert(self, session_id: str, n: str, *, method: Method = "replay") -> Reverted:
        """Take back what was learned from one message; see `ttt/branching/revert.py`."""
        with self._held(session_id):
            session = open_session(self._root, TEXT, session_id)
            with self._all:
                replayer = self.workshop.replayer(session)
            return revert(session, resolve(session, n), method=method, replayer=replayer)

    def settings(self, session_id: str) -> ChatSettings:
        """How a session learns and what guards it, for life; its base by its own name."""
        return settings_of(open_session(self._root, TEXT, session_id))

    def writer(self, base: str) -> Writer:
        """What continues texts with a frozen base; made once, shared by all threads.

        Raises:
            NotFoundError: There is no such base.
        """
        with self._all:
            return self.workshop.writer(resolved_base(self._root, base))

    def learning(self, session_id: str) -> bool:
        """Whether the next message is learned from."""
        with self._held(session_id):
            return self._opened(session_id).learning

    @contextlib.contextmanager
    def _held(self, session_id: str) -> Iterator[None]:
        with self._all:
            lock = self._locks.setdefault(session_id, threading.Lock())
        if not lock.acquire(timeout=WAIT_S):
            raise BusyError(
                f"Session {session_id!r} has been answering another message for {WAIT_S:.0f} s; "
                "send this one again later."
            )
        try:
            yield
        except BaseException:
            # What is in memory may have gone on from what is on disk.
            self._open.pop(session_id, None)
            raise
        finally:
            lock.release()

    def _opened(self, session_id: str) -> _Open:
        """The session at its newest commit; from memory, if nobody else has committed."""
        known = self._open.pop(session_id, None)
        if known is None or not is_newest(known.session):
            session = open_session(self._root, TEXT, session_id)
            with self._all:
                replayer: TextReplayer = self.workshop.replayer(session)
            state = replayer.decoded(read_blob(self._root, session.head.blob))
            known = _Open(
                session=session,
                learner=replayer.learner,
                prepared=replayer.learner.prepare(state),
                learning=_learning(session),
            )
        self._open[session_id] = known
        while len(self._open) > SESSIONS_OPEN_MAX:
            self._open.pop(next(iter(self._open)), None)
        return known

    def _keep(
        self,
        here: _Open,
        state: ChatState,
        event: Mapping[str, object],
        lesson: ChatLesson | None,
        request_id: str = "",
    ) -> None:
        draft = Draft(
            state=encode_state(state),
            event={**event, LEARNING: here.learning},
            input=None if lesson is None else encode_lesson(lesson),
            request_id=request_id,
        )
        wanted = here.session.head.n + 1
        here.session = append_commit(here.session, draft)
        here.prepared = here.learner.prepare(state)
        if here.session.head.n != wanted:  # This request was answered before, by another commit.
            self._open.pop(here.session.session_id, None)


def _done(session: Session) -> ChatEvent:
    event = session.head.event
    names = ("answer", "finish", "answer_tokens", "type", "reasons", "loss_base", "loss_read")
    data = {"session_id": session.session_id, "n": session.head.n, "time": session.head.time}
    return ChatEvent(kind="done", data={**data, **{name: event.get(name) for name in names}})


def _learning(session: Session) -> bool:
    """Whether learning is on: the newest commit that speaks of it says so, a parent's included.

    Nearly every commit does; those of the history's own commands (forks, reverts, merges) do not.
    """
    for offset in count(0, LOG_PAGE):
        lines = log(session, offset=offset, limit=LOG_PAGE)
        for line in lines:
            value = line.entry.commit.event.get(LEARNING)
            if isinstance(value, bool):
                return value
        if len(lines) < LOG_PAGE:
            break
    return settings_of(session).learning
