"""Text models, generation and saved runs."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from ttt.api.problems import PROBLEMS
from ttt.api.replies import Limit, Offset, reply
from ttt.api.routers.names import FileName, ModelId, RunId
from ttt.api.run_pages import chunk_page, curve, run_columns, tape
from ttt.api.service import Here
from ttt.core.tokens import EOS_ID
from ttt.lib.options import Options
from ttt.store.promotions import CURRENT
from ttt.store.runs import list_runs, read_run_file
from ttt.text_lm.chat.options import MESSAGE_CHARACTERS_MAX, NEW_TOKENS_MAX
from ttt.text_lm.generation import GenerationConfig
from ttt.text_lm.models import compare_models, delete_model, list_models, show_model
from ttt.text_lm.sampling import Sampling

router = APIRouter(prefix="/api/text", tags=["text"])
TAPE_MARKS = 240
"""Marks of a tape at most: what a screen can show side by side."""


class GenerateRequest(Options):
    """Continue a text with a frozen base."""

    prompt: str = Field(min_length=1, max_length=MESSAGE_CHARACTERS_MAX, examples=["The river"])
    """The text to continue."""
    base: str = Field(default=CURRENT, min_length=1)
    """The model: current, starter-gru, starter-ssm, or a model's id."""
    max_new_tokens: int = Field(default=120, ge=1, le=NEW_TOKENS_MAX)
    """Tokens at most."""
    temperature: float = Field(default=0.9, ge=0, le=10)
    """0 takes the likeliest token every time."""
    top_k: int | None = Field(default=50, ge=1)
    """Draw among so many likeliest ids; null draws among all."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Draw from the likeliest tokens that hold this share."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """The same seed and prompt give the same text."""
    stop: tuple[str, ...] = Field(default=(), max_length=16)
    """Texts that end it when they appear."""


class ChunkQuery(Options):
    """Which chunks of a run to show."""

    decision: tuple[str, ...] = Field(default=(), max_length=10)
    """Those that were decided so; all if there is none."""
    newest_first: bool = True
    """The order."""
    offset: int = Field(default=0, ge=0, le=10_000_000)
    """Chunks to leave out first."""
    limit: int = Field(default=50, ge=1, le=500)
    """Chunks of the page at most."""


@router.get("/models", summary="List the text models", responses={**PROBLEMS})
def models(request: Request, here: Here, offset: Offset = 0, limit: Limit = 100) -> Response:
    """Every model, damaged ones too, and every training that has made none yet."""
    found = list_models(here.root)
    page = [asdict(one) for one in found[offset : offset + limit]]
    return reply(request, {"total": len(found), "models": page})


@router.get("/models/compare", summary="Show in what models differ", responses={**PROBLEMS})
def compare(
    request: Request,
    here: Here,
    ids: Annotated[list[str], Query(max_length=20, examples=[["starter-gru", "starter-ssm"]])],
) -> Response:
    """Two models or more, field by field; what is the same in all is left out."""
    return reply(request, asdict(compare_models(here.root, ids)))


@router.get("/models/{model_id}", summary="One model, verified", responses={**PROBLEMS})
def model(request: Request, here: Here, model_id: ModelId) -> Response:
    """All that is known of a model."""
    return reply(request, asdict(show_model(here.root, model_id)))


@router.delete("/models/{model_id}", summary="Remove a model", responses={**PROBLEMS})
def remove(request: Request, here: Here, model_id: ModelId) -> Response:
    """Remove a model and what its training left, unless something depends on it."""
    return reply(request, {"removed": [str(one.name) for one in delete_model(here.root, model_id)]})


@router.post("/generate", summary="Continue a text", responses={**PROBLEMS})
def generate(request: Request, here: Here, given: GenerateRequest) -> Response:
    """Continue a text with a frozen base; nothing is learned."""
    sampling = Sampling(temperature=given.temperature, top_k=given.top_k, top_p=given.top_p)
    config = GenerationConfig(
        max_new_tokens=given.max_new_tokens,
        sampling=sampling,
        seed=given.seed,
        stop=given.stop,
        stop_ids=(EOS_ID,),
    )
    writer = here.chat.writer(given.base)
    tokens = list(writer.generate(writer.base.encoder.encode(given.prompt), config))
    text = "".join(token.text for token in tokens)
    finish = tokens[-1].finish if tokens else "stop"
    return reply(
        request,
        {"base": writer.base.name, "text": text, "tokens": len(tokens), "finish": finish},
    )


@router.get("/runs", summary="List the saved runs", responses={**PROBLEMS})
def runs(request: Request, here: Here, offset: Offset = 0, limit: Limit = 100) -> Response:
    """The ids of monitored runs."""
    found = list_runs(here.root)
    return reply(request, {"total": len(found), "runs": found[offset : offset + limit]})


@router.get("/runs/{run_id}/chunks", summary="The chunks of a run", responses={**PROBLEMS})
def run_chunks(
    request: Request, here: Here, run_id: RunId, asked: Annotated[ChunkQuery, Query()]
) -> Response:
    """A page of events, whole; `decision` chooses among them and may be repeated."""
    run = run_columns(here.root, run_id)
    return reply(request, chunk_page(run, **asked.model_dump()))


@router.get("/runs/{run_id}/curve", summary="The curves of a run", responses={**PROBLEMS})
def run_curve(
    request: Request,
    here: Here,
    run_id: RunId,
    points: Annotated[int, Query(ge=10, le=10_000)] = 1000,
    begin: Offset = 0,
    end: Offset = 10_000_000,
) -> Response:
    """Losses, canary changes and drift by chunk; where there are too many, the extremes stay."""
    run = run_columns(here.root, run_id)
    found = curve(run, points=points, begin=begin, end=end)
    return reply(request, {**found, "tape": tape(run, marks=TAPE_MARKS)})


@router.get("/runs/{run_id}/{name}", summary="One file of a run", responses={**PROBLEMS})
def run_file(here: Here, run_id: RunId, name: FileName) -> Response:
    """Configuration, summary or events of a run, verified."""
    kind = "application/json" if name.endswith((".json", ".jsonl")) else "application/octet-stream"
    return Response(read_run_file(here.root, run_id, name), media_type=kind)
