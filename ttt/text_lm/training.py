"""From options, corpus and tokenizer to a saved model: the part of a training that needs torch."""

from dataclasses import asdict, fields
from pathlib import Path

import torch

from ttt.core.fisher import with_fisher
from ttt.core.model import LanguageModel, ModelConfig, random_model
from ttt.core.tokens import BytePairs
from ttt.errors import ConfigError
from ttt.store.models import save_model
from ttt.text_lm.corpus import Corpus
from ttt.text_lm.encoding import encoded_corpus
from ttt.text_lm.evaluate import fisher_over, held_out_losses
from ttt.text_lm.fit import FitConfig, fit
from ttt.text_lm.train_options import Progress, TrainOptions, TrainResult
from ttt.text_lm.training_log import TrainingLog
from ttt.text_lm.windows import Mixture, Source

HIDDEN_PER_WIDTH = 2
"""Recurrent units over embedding width; source: as in the starter models."""
VALIDATION_WINDOWS = 64
"""Held-out segments that the final losses are taken over."""


def train_model(
    config: TrainOptions, corpus: Corpus, encoder: BytePairs, *, root: Path, progress: Progress
) -> TrainResult:
    """Train a model and save it; `ttt.text_lm.train.train` says what it raises."""
    device = pick_device(config.device)
    progress("encoding_corpus", 0, config.steps, "")
    tokens_T = encoded_corpus(root, corpus, encoder).tokens_T
    fitting = FitConfig(**{field.name: getattr(config, field.name) for field in fields(FitConfig)})
    source = Source(
        name=", ".join((*corpus.names, *corpus.folders)),
        tokens_T=tokens_T,
        length=fitting.segment_length,
        val_fraction=config.val_fraction,
    )
    data = Mixture(sources=(source,))
    model = _new_model(config, encoder.vocab_size, device)
    log = TrainingLog(root=root, config=config, weights=model.state_dict, progress=progress)
    fit(model, data, fitting, report=log)
    model.frozen()
    held_out = held_out_losses(
        model, source.validation(VALIDATION_WINDOWS), encoder, mlm_length=config.seq_len
    )
    fisher, _ = fisher_over(model, data, seed=config.seed)
    folder = save_model(
        root,
        config.model_id,
        tensors=with_fisher(model.state_dict(), fisher),
        config=asdict(model.config),
        tokenizer_json=encoder.json,
        meta={"options": config.model_dump(mode="json"), "held_out": held_out},
    )
    return TrainResult(
        model_id=config.model_id,
        folder=folder,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        tokens_seen=config.steps * config.batch_size * config.seq_len,
        corpus_tokens=len(tokens_T),
        seconds=log.seconds,
        held_out=held_out,
        notices=tuple(corpus.notices),
    )


def pick_device(name: str) -> str:
    """The device of that name, or for `auto` the best there is.

    Raises:
        ConfigError: There is no such device here.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    there["cpu"] = True
    if name == "auto":
        return next(device for device, found in there.items() if found)
    if not there.get(name, False):
        raise ConfigError(f"There is no {name} device here; use --device auto or cpu.")
    return name


def _new_model(config: TrainOptions, vocab_size: int, device: str) -> LanguageModel:
    sizes = ModelConfig(
        backbone=config.backbone,
        vocab_size=vocab_size,
        width=config.d_model,
        layers=config.n_layers,
        hidden=HIDDEN_PER_WIDTH * config.d_model,
    )
    return random_model(sizes, seed=config.seed).requires_grad_(True).to(device)
