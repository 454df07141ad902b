"""Chat: sessions, one message at a time, answered whole or as a stream, and git for them."""

from collections.abc import Iterator

from fastapi import APIRouter, Request
from fastapi.sse import format_sse_event
from pydantic import Field
from starlette.responses import Response

from ttt.api.replies import as_json, reply
from ttt.api.routers.commands import PROBLEMS, Command, SessionId, add_command
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
    stream: bool = False
    """Answer as a stream of events: `receipt`, then `token` by token, then `done`."""


class NewChatRequest(ChatSettings):
    """A new session."""

    session_id: str = Field(examples=["ada"])
    """Its name."""


@router.post("", status_code=201, summary="Start a session", responses={**PROBLEMS})
def new(request: Request, here: Here, given: NewChatRequest) -> Response:
    """Start a session on a frozen base; its settings are for life."""
    options = NewChatOptions(**given.model_dump(), artifacts_root=here.root)
    session = here.chat.new(options.session_id, options.part(ChatSettings))
    here.live.announce("chat.new", {"session_id": session.session_id})
    return reply(request, plain_session(session, {}), status=201)


@router.post("/{session_id}/chat", summary="Say something", responses={**PROBLEMS})
def say(request: Request, here: Here, session_id: SessionId, given: ChatRequest) -> Response:
    """Read, learn, answer and keep one message; `done` is the acknowledgement."""
    events = announced(here, here.chat.send(session_id, given.text, given.part(SayOptions)))
    if given.stream:
        return event_stream(events, encoded)
    return reply(request, chat.answer_of(list(events)).plain)


@router.get("/{session_id}/history", summary="What was said", responses={**PROBLEMS})
def history(request: Request, here: Here, session_id: SessionId, limit: int = 50) -> Response:
    """The newest messages of a session, with what became of each."""
    options = HistoryOptions(session_id=session_id, limit=limit, artifacts_root=here.root)
    return reply(request, chat.history(options).plain)


@router.post("/{session_id}/reset", summary="Forget everything learned", responses={**PROBLEMS})
def reset(request: Request, here: Here, session_id: SessionId) -> Response:
    """The state of a new session, bit for bit; the history stays."""
    options = ResetOptions(session_id=session_id, artifacts_root=here.root)
    session = here.chat.reset(options.session_id)
    here.live.announce("chat.reset", {"session_id": session_id, "n": session.head.n})
    return reply(request, plain_session(session, {}))


def _learning(options: LearningOptions, here: Service) -> Answer:
    session = here.chat.set_learning(options.session_id, options.learning)
    return Answer.of_fields({**plain_session(session, {}), "learning": options.learning})


add_command(
    router,
    Command(
        method="POST",
        path="/{session_id}/learning",
        options=LearningOptions,
        run=_learning,
    ),
)
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
