"""The part of OpenAI's interface that chat clients use, plain and streaming.

`model` is a base (`starter-gru`), which continues what was said and keeps nothing, or
`base:session`, which sends the last message to that session. Nothing is learned unless the request
says `"ttt": {"learn": true}`; the receipt comes back in the field `ttt`.
"""

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.responses import Response

from ttt.api.problems import PROBLEMS
from ttt.api.replies import as_json, reply
from ttt.api.routers.chat import announced
from ttt.api.service import Here, Service
from ttt.api.streaming import event_stream
from ttt.core.tokens import EOS_ID
from ttt.errors import ConfigError
from ttt.store.promotions import resolved_base
from ttt.text_lm.chat.message import check_message
from ttt.text_lm.chat.options import MESSAGE_CHARACTERS_MAX, NEW_TOKENS_MAX, SayOptions
from ttt.text_lm.generation import GenerationConfig
from ttt.text_lm.models import list_models
from ttt.text_lm.sampling import Sampling

router = APIRouter(prefix="/v1", tags=["openai"])
TOKENS: Final = 120
"""Tokens of an answer where the request names no number."""


class Part(BaseModel):
    """A part of a message; only text is taken."""

    type: Literal["text"]
    text: str = Field(max_length=MESSAGE_CHARACTERS_MAX)


class Message(BaseModel):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] = Field(max_length=MESSAGE_CHARACTERS_MAX)

    @property
    def text(self) -> str:
        """Its words."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class Wishes(BaseModel):
    """What this service knows beyond OpenAI's."""

    model_config = ConfigDict(extra="forbid")

    learn: bool = False
    """Let the session learn from the message, if its own switch is on."""


class Completion(BaseModel):
    """A request for an answer; fields that clients send beside these mean nothing here."""

    model_config = ConfigDict(allow_inf_nan=False)

    model: str = Field(min_length=1, max_length=200, examples=["starter-gru", "starter-gru:ada"])
    messages: list[Message] = Field(
        min_length=1, max_length=200, examples=[[{"role": "user", "content": "The engine weaves."}]]
    )
    stream: bool = False
    max_tokens: int | None = Field(default=None, ge=1, le=NEW_TOKENS_MAX)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=NEW_TOKENS_MAX)
    temperature: float = Field(default=0.9, ge=0, le=10)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    n: Literal[1] = 1
    stop: str | list[str] | None = Field(default=None, max_length=200)
    ttt: Wishes = Wishes()

    @field_validator("seed", "temperature", "top_p", mode="before")
    @classmethod
    def _unset(cls, value: object, info: Any) -> object:  # noqa: ANN401 (pydantic's own)
        return cls.model_fields[info.field_name].default if value is None else value

    @property
    def tokens_max(self) -> int:
        """Tokens of the answer at most."""
        return self.max_completion_tokens or self.max_tokens or TOKENS

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end it."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class Piece(BaseModel):
    """Something of an answer: a piece of text, its end, or the receipt."""

    text: str = ""
    finish: str | None = None
    ttt: dict[str, Any] | None = None


@router.get("/models", summary="The models that can answer", responses={**PROBLEMS})
def models(request: Request, here: Here) -> Response:
    """Every base; `base:session` is a model, too."""
    data = [
        {"id": one.model_id, "object": "model", "created": 0, "owned_by": "ttt"}
        for one in list_models(here.root)
        if one.weights_sha256
    ]
    return reply(request, {"object": "list", "data": data})


@router.post("/chat/completions", summary="Answer a conversation", responses={**PROBLEMS})
def completions(request: Request, here: Here, given: Completion) -> Response:
    """Answer, plain or as a stream; see the module."""
    for message in given.messages:
        check_message(message.text)
    named, colon, session_id = given.model.partition(":")
    base = _base_of(here, named, session_id) if colon else named
    pieces = _by_session(here, given, session_id) if colon else _by_base(here, given)
    head = {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "created": int(time.time()),
        "model": given.model,
    }
    if given.stream:
        return event_stream(_with_end(pieces), lambda piece: _chunk(head, piece))
    found = list(pieces)
    ttt = next((one.ttt for one in found if one.ttt is not None), None)
    body = {
        **head,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(one.text for one in found)},
                "finish_reason": next((one.finish for one in found if one.finish), "stop"),
                "logprobs": None,
            }
        ],
        "usage": _usage(here, base, given, sum(bool(one.text) for one in found)),
        "ttt": ttt,
    }
    return reply(request, body)


def _by_base(here: Service, given: Completion) -> Iterator[Piece]:
    """Continue the conversation as one text; nothing is kept."""
    writer = here.chat.writer(given.model)
    config = GenerationConfig(
        max_new_tokens=given.tokens_max,
        sampling=Sampling(temperature=given.temperature, top_k=None, top_p=given.top_p),
        seed=given.seed,
        stop=given.stops,
        stop_ids=(EOS_ID,),
    )
    prompt = "\n".join(message.text for message in given.messages) + "\n"
    finish = "stop"
    for token in writer.generate(writer.base.encoder.encode(prompt), config):
        finish = token.finish or finish
        yield Piece(text=token.text)
    yield Piece(finish=_finish(finish))


def _base_of(here: Service, named: str, session_id: str) -> str:
    """The base of a session, which the request may name or leave out."""
    base = here.chat.settings(session_id).base
    if named and resolved_base(here.root, named) != base:
        raise ConfigError(f"Session {session_id!r} is on {base!r}; ask for {base}:{session_id}.")
    return base


def _by_session(here: Service, given: Completion, session_id: str) -> Iterator[Piece]:
    """Send the last message to a session."""
    if given.messages[-1].role != "user":
        raise ConfigError("The last message must be the user's; the session knows what was said.")
    options = SayOptions(
        max_new_tokens=given.tokens_max,
        temperature=given.temperature,
        top_k=None,
        top_p=given.top_p,
        answer_seed=given.seed,
        stop=given.stops,
    )
    text = given.messages[-1].text
    events = here.chat.send(session_id, text, options, may_learn=given.ttt.learn)
    for event in announced(here, events):
        if event.kind == "receipt":
            yield Piece(ttt=dict(event.data))
        elif event.kind == "token":
            yield Piece(text=event.text)
        else:
            yield Piece(finish=_finish(str(event.data["finish"])))


def _finish(finish: str) -> str:
    return "length" if finish == "length" else "stop"


def _usage(here: Service, base: str, given: Completion, written: int) -> Mapping[str, int]:
    encoder = here.chat.writer(base).base.encoder
    read = sum(len(encoder.encode(message.text)) for message in given.messages)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }


def _with_end(pieces: Iterator[Piece]) -> Iterator[Piece | None]:
    """The pieces, and the mark behind the last one."""
    yield from pieces
    yield None


def _chunk(head: Mapping[str, object], piece: Piece | None) -> bytes:
    """A piece for the wire."""
    if piece is None:
        return format_sse_event(data_str="[DONE]")
    delta = {"role": "assistant", "content": piece.text} if piece.text else {}
    body = {
        **head,
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": piece.finish}],
        **({"ttt": piece.ttt} if piece.ttt is not None else {}),
    }
    return format_sse_event(data_str=as_json(body))
