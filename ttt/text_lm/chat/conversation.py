"""The one door of chat: sessions that are opened, spoken to, forked, taken back and reset.

    room = ChatRoom(root)
    room.new(NewChatOptions(session_id="ada"))
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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ttt.branching.commands import open_here
from ttt.branching.fork import fork
from ttt.branching.lineage import resolve
from ttt.branching.revert import Reverted, revert
from ttt.core.gate import CARRY_CHARS
from ttt.errors import BusyError, InputError
from ttt.store.blobs import read_blob
from ttt.store.domains import TEXT
from ttt.store.sessions import (
    Draft,
    Session,
    append_commit,
    create_session,
    open_session,
    read_commits,
)
from ttt.text_lm.chat.learner import Learner, Prepared, Taken, point_of
from ttt.text_lm.chat.lesson import ChatLesson, encode_lesson
from ttt.text_lm.chat.options import (
    MESSAGE_CHARACTERS_MAX,
    ChatSettings,
    NewChatOptions,
    SayOptions,
)
from ttt.text_lm.chat.receipts import record
from ttt.text_lm.chat.state import ChatState, encode_state
from ttt.text_lm.chat.voice import next_token_of
from ttt.text_lm.chat.workshop import SETTINGS, TextReplayer, TextWorkshop, settings_of
from ttt.text_lm.generation import Generation, GenerationConfig, Writer
from ttt.text_lm.sampling import Sampling

LEARNING = "learning"
"""The event that switches learning, and its field."""
RESET = "reset"
SESSIONS_OPEN_MAX = 64
"""Sessions whose state stays in memory; the one that was spoken to longest ago is let go."""
SWITCH_BACK = 64
"""Commits that are looked through for the newest one that says whether learning is on."""
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
        self._writers: dict[str, Writer] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._all = threading.Lock()

    def new(self, options: NewChatOptions) -> Session:
        """Start a session.

        Raises:
            ConfigError: The id is taken or cannot be used, or a setting does not fit the base.
            NotFoundError: There is no such base.
        """
        names = ChatSettings.model_fields
        settings = ChatSettings.model_validate({n: getattr(options, n) for n in names})
        with self._all:
            learner = self.workshop.learner(settings)
        event = {
            "type": "init",
            "model_signature": learner.signature,
            "base_ckpt_hash": learner.signature,
            SETTINGS: settings.model_dump(mode="json"),
        }
        draft = Draft(state=encode_state(learner.fresh()), event=event)
        return create_session(self._root, TEXT, options.session_id, draft=draft)

    def send(self, session_id: str, text: str, options: SayOptions) -> Iterator[ChatEvent]:
        """Read, learn, answer and keep one message; checked at the call, done as it is iterated.

        Args:
            session_id: The session.
            text: The message.
            options: How it is answered.

        Yields:
            One receipt, the pieces of the answer, and `done` once the message is kept.

        Raises:
            InputError: The message is empty, too long, or no Unicode.
            NotFoundError: There is no such session, or its base is gone.
            BusyError: Another message to this session took too long.
            SignatureMismatchError: The base is another one now.
            ConflictError: Another process has spoken to the session meanwhile; nothing is kept.
            StorageError: The disk refused; nothing is kept, and the message can be sent again.
        """
        check_message(text)
        return self._send(session_id, text, options)

    def _send(self, session_id: str, text: str, options: SayOptions) -> Iterator[ChatEvent]:
        with self._held(session_id):
            here = self._opened(session_id)
            known = here.session.head
            if options.request_id and known.request_id == options.request_id:
                yield _done(here.session)
                return
            before = here.prepared.state
            spoken = as_spoken(before, text)
            taken = here.learner.take(here.prepared, spoken, learning=here.learning)
            told = record(taken)
            yield ChatEvent(kind="receipt", data=told)
            answer = _Answer(self._writer(here.learner), here.learner, taken, options)
            try:
                for piece in answer:
                    yield ChatEvent(kind="token", text=piece)
            finally:
                # Whoever stops listening has still been answered, and the message was learned.
                after = answer.after(taken.state)
                lesson = ChatLesson(
                    text=spoken,
                    learning=here.learning,
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
            self._keep(here, here.learner.fresh(), {"type": RESET}, None)
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

    def revert(
        self, session_id: str, n: str, *, method: Literal["replay", "subtract"] = "replay"
    ) -> Reverted:
        """Take back what was learned from one message; see `ttt/branching/revert.py`."""
        with self._held(session_id):
            here = open_here(self._root, session_id, self.workshop)
            replayer = self.workshop.replayer(here.session)
            done = revert(here.session, resolve(here.session, n), method=method, replayer=replayer)
            self._open.pop(session_id, None)
            return done

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
        session = open_session(self._root, TEXT, session_id)
        known = self._open.pop(session_id, None)
        if known is None or known.session.head.digest != session.head.digest:
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

    def _writer(self, learner: Learner) -> Writer:
        with self._all:
            if learner.signature not in self._writers:
                self._writers[learner.signature] = Writer(learner.base)
            return self._writers[learner.signature]


class _Answer(Iterator[str]):
    """An answer under way, and where it leaves the conversation.

    Args:
        writer: Of the base.
        learner: Whose settings count.
        taken: The message.
        options: How it is answered.
    """

    def __init__(self, writer: Writer, learner: Learner, taken: Taken, options: SayOptions) -> None:
        self._generation: Generation | None = None
        self.text, self.finish, self.tokens = "", "", 0
        if options.max_new_tokens == 0:
            return
        config = GenerationConfig(
            max_new_tokens=options.max_new_tokens,
            sampling=Sampling(
                temperature=options.temperature, top_k=options.top_k, top_p=options.top_p
            ),
            seed=options.answer_seed + taken.state.chunks,
            stop=options.stop,
        )
        state = taken.state
        self._generation = writer.generate(
            [state.last_id],
            config,
            state=state.hidden_1NH,
            next_token=next_token_of(learner, writer.stepper, state.fast, taken.expert_weights),
        )

    def __next__(self) -> str:
        if self._generation is None:
            raise StopIteration
        token = next(self._generation)
        self.text, self.finish = self.text + token.text, token.finish
        self.tokens += 1
        return token.text

    def told(self) -> dict[str, object]:
        """What the commit says of it."""
        finish = self.finish or ("none" if self._generation is None else "interrupted")
        return {"answer": self.text, "finish": finish, "answer_tokens": self.tokens}

    def after(self, state: ChatState) -> ChatState:
        """The state behind the answer, as far as it was written."""
        unread = None if self._generation is None else self._generation.unread
        if unread is None:
            return state
        hidden_1NH, last_id = unread
        carry = (state.carry + self.text)[-CARRY_CHARS:]
        return replace(state, hidden_1NH=hidden_1NH, last_id=last_id, carry=carry)


def check_message(text: str) -> None:
    """Refuse what is no message.

    Raises:
        InputError: It is empty, too long, or holds half of a surrogate pair.
    """
    if not text.strip():
        raise InputError("The message is empty; write at least one word.")
    if len(text) > MESSAGE_CHARACTERS_MAX:
        raise InputError(
            f"The message has {len(text)} characters; send at most {MESSAGE_CHARACTERS_MAX}, or "
            "train a model on it."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"The message is not Unicode: character {error.start} is half of a surrogate pair."
        ) from error


def as_spoken(state: ChatState, message: str) -> str:
    """A message with the line ends that set it apart from what stands before and behind it."""
    apart = "\n" if state.carry and not state.carry.endswith("\n") else ""
    return apart + message + ("" if message.endswith("\n") else "\n")


def _done(session: Session) -> ChatEvent:
    event = session.head.event
    names = ("answer", "finish", "answer_tokens", "type", "reasons", "loss_base", "loss_read")
    data = {"session_id": session.session_id, "n": session.head.n, "time": session.head.time}
    return ChatEvent(kind="done", data={**data, **{name: event.get(name) for name in names}})


def _learning(session: Session) -> bool:
    """Whether learning is on: the newest commit that speaks of it says so, or the settings."""
    oldest = max(0, session.head.n - SWITCH_BACK)
    for commit in reversed(read_commits(session, oldest, session.head.n + 1)):
        value = commit.event.get(LEARNING)
        if isinstance(value, bool):
            return value
    return settings_of(session).learning
