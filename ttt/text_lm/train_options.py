"""What a training is asked for, what it tells meanwhile, and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field

from ttt.lib.flags import CommandOptions
from ttt.store.training_status import Phase
from ttt.text_lm.corpus import Notice

Progress: TypeAlias = Callable[[Phase, int, int, str], None]
"""Called with the status, steps done, steps in all, and a note such as the loss."""


class TrainOptions(CommandOptions):
    """Train a text model from files."""

    model_id: str = "tiny"
    """Name of the new model in the artifact tree."""
    corpus: tuple[str, ...] = ()
    """Text files, or `stdlib`: the documentation of the running Python, which is also what is read
    when no corpus is named at all."""
    corpus_dir: tuple[str, ...] = ()
    """Folders; their .txt .md .text .tex .rst files are read, hidden folders are not."""
    tokenizer: str = ""
    """A tokenizer.json, or `starter`; empty trains one on the corpus."""
    vocab_size: int = Field(default=4096, ge=260, le=1 << 20)
    """Ids of a tokenizer that is trained here."""
    tokenizer_max_lines: int | None = Field(default=None, ge=1)
    """Train the tokenizer on so many lines of the corpus at most."""
    backbone: str = "ssm"
    """Recurrent network: gru or ssm."""
    d_model: int = Field(default=256, ge=8, le=8192)
    """Width of embedding and adapter."""
    n_layers: int = Field(default=4, ge=1, le=64)
    """Recurrent layers."""
    seq_len: int = Field(default=128, ge=2, le=1 << 16)
    """Tokens of one window."""
    batch_size: int = Field(default=32, ge=1, le=1 << 16)
    """Windows of one step."""
    steps: int = Field(default=2000, ge=1, le=10**8 - 1)
    """Optimizer steps."""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Decides initial weights, windows and masks."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train; auto takes an accelerator if there is one."""
    lr: float = Field(default=0.03, gt=0, le=1)
    """Peak rate of Muon; AdamW's is a fixed share of it."""
    weight_decay: float = Field(default=0.01, ge=0, lt=1)
    """Decoupled weight decay."""
    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Muon's momentum."""
    ns_steps: int = Field(default=5, ge=1, le=100)
    """Muon's Newton-Schulz iterations."""
    lr_schedule: Literal["cosine", "linear"] = "cosine"
    """How the rate falls to 0 after the warm-up."""
    mlm_share: float = Field(default=0.1, ge=0, le=1)
    """Share of the batches that predict masked tokens instead of the next one: 0 is AR alone, 1 is
    MLM alone."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of matrix products; auto is bfloat16 where the processor has instructions for it."""
    val_fraction: float = Field(default=0.05, gt=0, le=0.5)
    """Share of the corpus that is held out."""
    log_every: int = Field(default=20, ge=1)
    """Steps from one line of train_log.jsonl to the next."""
    val_every: int = Field(default=100, ge=0)
    """Steps from one validation to the next; 0 validates at the end only."""
    save_every: int = Field(default=500, ge=0)
    """Steps from one saved state to the next; 0 saves at the end and when stopped."""
    compile: bool = False
    """Let torch compile forward and backward: half a minute at start, for long trainings."""
    fsdp: bool = Field(default=False, exclude=True)
    """Under torchrun: cut gradients and optimizer memory into pieces, one for each process."""
    plot: Path | None = Field(default=None, exclude=True)
    """Write the curves to this PNG too."""
    resume: bool = Field(default=False, exclude=True)
    """Go on with a training of this model id that broke off; options need not be repeated."""
    cancel: str = Field(default="", exclude=True)
    """Ask the process that trains this model id to save its state and stop, and do nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a training made."""

    model_id: str
    folder: Path
    parameters: int
    tokens_seen: int
    corpus_tokens: int
    """Tokens of the whole corpus, held-out ones included."""
    seconds: float
    """Of the training loop alone."""
    held_out: Mapping[str, float]
    """`ar` and `mlm` losses in nats per token and bits per byte."""
    notices: tuple[Notice, ...]
    """Files that were left out, each with its reason."""


def resume_command(model_id: str) -> str:
    """What goes on with a training that broke off."""
    return f"ttt train --resume --model_id {model_id}"
