"""Train one starter model in a process of its own, and measure it as it will be loaded.

Shapes: B windows, L tokens, T tokens of a source.
"""

import dataclasses
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from ttt.core.fisher import with_fisher
from ttt.core.model import LanguageModel, ModelConfig
from ttt.core.restore import restore_model
from ttt.core.tokens import EOS_ID, BytePairs
from ttt.lib.terminal import log_console, print_line
from ttt.store import tensor_files
from ttt.text_lm.corpus import STDLIB
from ttt.text_lm.evaluate import fisher_over, held_out_losses
from ttt.text_lm.fit import FitConfig, StepReport, fit, start_fit
from ttt.text_lm.tokenizer import encode_many
from ttt.text_lm.windows import Mixture, Source

STDLIB_SHARE = 0.28
"""Share of the training windows that is documentation. Own: most text that people bring is prose,
but documentation is what the demo reads; it is a fifth of the tokens, so it is seen more often."""
VALIDATION_WINDOWS = 24
"""Held-out segments of each source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one starter model is made."""

    backbone: Literal["gru", "ssm"]
    layers: int
    fit: FitConfig
    width: int = 128
    hidden: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One model to train."""

    recipe: Recipe
    texts: Mapping[str, str]
    """By name; `stdlib` is the documentation."""
    tokenizer_json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """One trained model."""

    backbone: str
    weights: bytes
    """Half-precision safetensors, with the Fisher factors in single precision."""
    figures: dict[str, Any]
    """What `starter.json` says about it."""


def train_starter(job: Job) -> Trained:
    """Train, round to half precision, and measure what is left; one thread, so that it repeats."""
    torch.set_num_threads(1)
    recipe, encoder = job.recipe, BytePairs(job.tokenizer_json)
    data = mix_sources(job.texts, encoder, recipe.fit.segment_length)
    config = ModelConfig(
        backbone=recipe.backbone,
        vocab_size=encoder.vocab_size,
        width=recipe.width,
        layers=recipe.layers,
        hidden=recipe.hidden,
    )
    torch.manual_seed(recipe.fit.seed)
    model = LanguageModel(config)
    clock = _Clock(recipe.backbone)
    before_s = time.process_time()
    fit(start_fit(model, data, recipe.fit), recipe.fit, report=clock)
    cpu_s = time.process_time() - before_s
    halves = {name: weight.detach().half() for name, weight in model.state_dict().items()}
    loaded = restore_model(config, halves)
    fisher, fisher_tokens = fisher_over(loaded, data, seed=recipe.fit.seed)
    return Trained(
        backbone=recipe.backbone,
        weights=tensor_files.encode(with_fisher(halves, fisher)),
        figures={
            "config": dataclasses.asdict(config),
            "training": dataclasses.asdict(recipe.fit),
            "tokens_seen": recipe.fit.steps * recipe.fit.batch_size * recipe.fit.seq_len,
            "wall_s": round(clock.seconds, 1),
            "cpu_s": round(cpu_s, 1),
            "threads": 1,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "fisher_tokens": fisher_tokens,
            "held_out": {
                source.name: held_out_losses(
                    loaded,
                    source.validation(VALIDATION_WINDOWS),
                    encoder,
                    mlm_length=recipe.fit.seq_len,
                )
                for source in data.sources
            },
        },
    )


def mix_sources(texts: Mapping[str, str], encoder: BytePairs, length: int) -> Mixture:
    """Every text as a token source for windows of `length`, documentation at its fixed share."""
    sources = []
    for name, text in texts.items():
        ids = [*encode_many(encoder, [text])[0], EOS_ID]
        sources.append(Source(name=name, tokens_T=np.array(ids, dtype=np.uint16), length=length))
    prose = sum(source.training_tokens for source in sources if source.name != STDLIB)
    shares = tuple(
        STDLIB_SHARE if s.name == STDLIB else (1 - STDLIB_SHARE) * s.training_tokens / prose
        for s in sources
    )
    return Mixture(sources=tuple(sources), shares=shares)


class _Clock:
    """Keeps the time of the last step and says now and then how it goes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seconds = 0.0
        self._console = log_console()

    def __call__(self, report: StepReport) -> None:
        self.seconds = report.seconds
        if report.step % 100 == 0:
            print_line(
                self._console,
                f"{self.name} step {report.step}: {report.objective} loss {report.loss:.3f}, "
                f"{report.seconds:.0f} s",
            )
