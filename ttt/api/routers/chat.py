"""Chat: sessions, one message at a time, answered whole or as a stream, and git for them."""

from collections.abc import Iterator

from fastapi import APIRouter, Request
from fastapi.sse import format_sse_event
from pydantic import Field
from starlette.responses import Response

from ttt.api.problems import PROBLEMS
from ttt.api.replies import as_json, reply
from ttt.api.routers.commands import Command, add_command
from ttt.api.routers.names import SessionId
from ttt.api.routers.sessions import session_routes
from ttt.api.service import Here, Service
from ttt.api.streaming import event_stream
from ttt.branching.answers import Answer, plain_session
from ttt.text_lm.chat import commands as chat
from ttt.text_lm.chat.conversation import ChatEvent
from ttt.text_lm.chat.options import (
    MESSAGE_CHARACTERS_MAX,
    ChatSettings,
    HistoryOptions,
    LearningOptions,
    NewChatOptions,
    ResetOptions,
    SayOptions,
)

router = APIRouter(prefix="/api/text/sessions", tags=["chat"])


class ChatRequest(SayOptions):
    """One message."""

    text: str = Field(max_length=MESSAGE_CHARACTERS_MAX, examples=["The engine weaves patterns."])
    """What is said."""
    learn: bool = True
    """False only reads this one message, whatever the session's switch says."""
    stream: bool = False
    """Answer as a stream of events: `receipt`, then `token` by token, then `done`."""


@router.post("/{session_id}/chat", summary="Say something", responses={**PROBLEMS})
def say(request: Request, here: Here, session_id: SessionId, given: ChatRequest) -> Response:
    """Read, learn, answer and keep one message; `done` is the acknowledgement."""
    options = given.part(SayOptions)
    sent = here.chat.send(session_id, given.text, options, may_learn=given.learn)
    events = announced(here, sent)
    if given.stream:
        return event_stream(events, encoded)
    return reply(request, chat.answer_of(list(events)).plain)


def _new(options: NewChatOptions, here: Service) -> Answer:
    session = here.chat.new(options.session_id, options.part(ChatSettings))
    here.live.announce("chat.new", {"session_id": session.session_id})
    return Answer.of_fields(plain_session(session, {}))


def _reset(options: ResetOptions, here: Service) -> Answer:
    session = here.chat.reset(options.session_id)
    here.live.announce("chat.reset", {"session_id": session.session_id, "n": session.head.n})
    return Answer.of_fields(plain_session(session, {}))


def _learning(options: LearningOptions, here: Service) -> Answer:
    session = here.chat.set_learning(options.session_id, options.learning)
    return Answer.of_fields({**plain_session(session, {}), "learning": options.learning})


def _history(options: HistoryOptions, _: Service) -> Answer:
    return chat.history(options)


one = "/{session_id}"
for command in (
    Command(method="POST", path="", options=NewChatOptions, run=_new, status=201),
    Command(method="GET", path=f"{one}/history", options=HistoryOptions, run=_history),
    Command(method="POST", path=f"{one}/reset", options=ResetOptions, run=_reset),
    Command(method="POST", path=f"{one}/learning", options=LearningOptions, run=_learning),
):
    add_command(router, command)
session_routes(router, lambda here: here.text)


def announced(here: Service, events: Iterator[ChatEvent]) -> Iterator[ChatEvent]:
    """The events of a message; what is decided and what is kept is told to all listeners."""
    for event in events:
        if event.kind == "done":
            here.metrics.messages.labels(outcome=str(event.data.get("type"))).inc()
        if event.kind != "token":
            here.live.announce(f"chat.{event.kind}", event.data)
        yield event


def encoded(event: ChatEvent) -> bytes:
    """An event of a message for the wire."""
    data = {"text": event.text} if event.kind == "token" else dict(event.data)
    return format_sse_event(event=event.kind, data_str=as_json(data))
