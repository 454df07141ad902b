"""What a night is asked for, and what becomes of its candidate; imports no tensor library."""

from typing import Annotated, Final

from pydantic import Field

from ttt.lib.flags import CommandOptions
from ttt.lib.options import Flag
from ttt.store.promotions import CURRENT

SESSIONS_MAX: Final = 10_000
MEMORIES_MAX: Final = 2_000
"""Memories of one night at most: their influence is measured one by one."""
_AUDIT = Flag(group="audit")
_TRAINING = Flag(group="consolidation")
_GATES = Flag(group="gates")


class SleepOptions(CommandOptions):
    """Audit what the chat sessions of a base have learned and train it into a candidate."""

    base_model_id: str = Field(default=CURRENT, min_length=1)
    """The base whose sessions are harvested and that is trained on: current, starter-gru,
    starter-ssm, or a model's id."""
    candidate_id: str = ""
    """The candidate's id; empty makes one from the base's name."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Decides which canaries are asked and in which order is trained."""
    dry_run: bool = False
    """Harvest and audit only: show what would be learned, and why the rest would not."""
    sessions_limit: int = Field(default=200, ge=1, le=SESSIONS_MAX)
    """Sessions that are harvested, those that were spoken to last."""
    max_memories: int = Field(default=200, ge=1, le=MEMORIES_MAX)
    """Memories at most, taken from the sessions in turn, the newest of each first."""
    audit: Annotated[bool, _AUDIT] = True
    """Let the auditor reject memories; off trains on everything, which the manifest then says."""
    let_in: Annotated[tuple[str, ...], _AUDIT] = ()
    """Memories (SESSION:COMMIT) that a person lets in whatever the auditor says."""
    leave_out: Annotated[tuple[str, ...], _AUDIT] = ()
    """Memories (SESSION:COMMIT) that a person leaves out."""
    influence_nats: Annotated[float, _AUDIT] = Field(default=0.1, ge=0)
    """How far the canary loss may rise above what the night's memories usually do to it, when one
    of them alone is trained on, nats per token."""
    reviewer_url: Annotated[str, _AUDIT] = ""
    """Base address of an OpenAI-compatible service that may reject memories, too; empty asks
    nobody."""
    reviewer_model: Annotated[str, _AUDIT] = "reviewer"
    """The model that is asked there."""
    core_path: Annotated[tuple[str, ...], _TRAINING] = ("stdlib",)
    """Files or folders of core knowledge that is interleaved; stdlib is the running Python's
    documentation."""
    core_ratio: Annotated[float, _TRAINING] = Field(default=0.8, ge=0, lt=1)
    """Share of core knowledge in each batch."""
    seq_len: Annotated[int, _TRAINING] = Field(default=128, ge=8, le=4096)
    """Tokens that one row predicts; a longer memory is cut into several."""
    batch_size: Annotated[int, _TRAINING] = Field(default=16, ge=2, le=1024)
    """Rows of one step."""
    train_steps: Annotated[int, _TRAINING] = Field(default=200, ge=1, le=100_000)
    """Steps of the consolidation."""
    lr: Annotated[float, _TRAINING] = Field(default=3e-4, gt=0, le=1)
    """Peak rate of AdamW."""
    importance: Annotated[float, _TRAINING] = Field(default=10.0, ge=0)
    """Weight of the pull back to the base, of each parameter in proportion to its Fisher
    information; 0 pulls none."""
    fisher_tokens: Annotated[int, _TRAINING] = Field(default=100_000, ge=1_000, le=10_000_000)
    """Core tokens over which the candidate's curvature is taken, for the rule kfac."""
    residual: Annotated[bool, _TRAINING] = False
    """Merge what the sessions' fast weights know beyond the candidate (TIES), as a start for new
    sessions."""
    eval_batches: Annotated[int, _GATES] = Field(default=20, ge=1, le=10_000)
    """Batches of held-out core text that the gates measure on."""
    core_rise_nats: Annotated[float, _GATES] = Field(default=0.01, ge=0)
    """Largest rise of the loss on held-out core text, nats per token."""
    canary_rise_nats: Annotated[float, _GATES] = Field(default=0.05, ge=0)
    """Largest rise of the mean canary loss, nats per token."""


class CandidateOptions(CommandOptions):
    """Name a model."""

    model_id: str = Field(min_length=1, examples=["night-1"])
    """The model."""
    note: str = Field(default="", max_length=2000)
    """Why, for the record."""


class PromoteOptions(CandidateOptions):
    """Make a candidate the current base, if it passes the gates once more."""


class RejectOptions(CandidateOptions):
    """Say that a candidate shall not become a base; it stays on disk."""


class UseOptions(CandidateOptions):
    """Make a sound model the current base that is no candidate, such as starter-ssm."""


class RollbackOptions(CommandOptions):
    """Go back to the base before the current one."""

    note: str = Field(default="", max_length=2000)
    """Why, for the record."""


class StatusOptions(CommandOptions):
    """Show the current base and every decision about it."""


class ManifestOptions(CommandOptions):
    """Show what a candidate was made from: memories, reasons, losses before and after."""

    model_id: str = Field(min_length=1)
    """The candidate."""
