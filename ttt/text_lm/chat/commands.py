"""The chat domain's own commands as functions: start, say, reset, switch learning, show history."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ttt.branching.answers import Answer, plain_session
from ttt.text_lm.chat.conversation import ChatEvent, ChatRoom
from ttt.text_lm.chat.options import (
    ChatSettings,
    HistoryOptions,
    LearningOptions,
    NewChatOptions,
    ResetOptions,
    SayCommandOptions,
    SayOptions,
)
from ttt.text_lm.chat.receipts import sentence
from ttt.text_lm.chat.turns import Turn, read_turns


def new_session(options: NewChatOptions) -> Answer:
    """Start a session on a frozen base."""
    room = ChatRoom(options.artifacts_root)
    session = room.new(options.session_id, options.part(ChatSettings))
    return Answer.of_fields(plain_session(session, {}))


def say(options: SayCommandOptions) -> Answer:
    """Send one message and wait for the answer."""
    room = ChatRoom(options.artifacts_root)
    return answer_of(list(room.send(options.session_id, options.text, options.part(SayOptions))))


def answer_of(events: list[ChatEvent]) -> Answer:
    """What the events of one message come to."""
    done = dict(events[-1].data)
    receipt = next((event.data for event in events if event.kind == "receipt"), done)
    return Answer(
        plain={**done, "receipt": dict(receipt)},
        lines=(str(done["answer"]), f"[{done['session_id']}:{done['n']}] {sentence(receipt)}"),
    )


def reset(options: ResetOptions) -> Answer:
    """Forget everything learned."""
    session = ChatRoom(options.artifacts_root).reset(options.session_id)
    return Answer.of_fields(plain_session(session, {}))


def learning(options: LearningOptions) -> Answer:
    """Switch learning on or off."""
    room = ChatRoom(options.artifacts_root)
    session = room.set_learning(options.session_id, options.learning)
    return Answer.of_fields({**plain_session(session, {}), "learning": options.learning})


def history(options: HistoryOptions) -> Answer:
    """Show the messages of a session with what became of each."""
    turns = list(read_turns(options.artifacts_root, options.session_id))[-options.limit :]
    return Answer(
        plain={"turns": [_plain(turn) for turn in turns]},
        columns=("commit", "outcome", "base", "read", "message", "answer"),
        rows=tuple(_row(turn) for turn in turns),
    )


def _plain(turn: Turn) -> dict[str, object]:
    return {name: getattr(turn, name) for name in Turn.__dataclass_fields__}


def _row(turn: Turn) -> tuple[object, ...]:
    outcome = turn.outcome + (" (taken back)" if turn.taken_back else "")
    losses = ["-" if x is None else f"{x:.3f}" for x in (turn.loss_base, turn.loss_read)]
    return (turn.n, outcome, *losses, turn.message[:60], turn.answer[:60])


COMMANDS: Final[Mapping[str, Callable[[Any], Answer]]] = MappingProxyType(
    {
        "new_session": new_session,
        "say": say,
        "reset": reset,
        "learning": learning,
        "history": history,
    }
)
"""What each of the domain's own commands does."""
