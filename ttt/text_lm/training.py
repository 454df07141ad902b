"""From tokens to a saved model: the part of a training that needs torch."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path

import torch

from ttt.core.backbone import BACKBONES
from ttt.core.fisher import with_fisher
from ttt.core.model import LanguageModel, ModelConfig, random_model
from ttt.core.objective import AutoRegressive, Masked
from ttt.core.restore import restore_model
from ttt.core.tokens import BytePairs
from ttt.errors import ConfigError, CorruptArtifactError
from ttt.store.checkpoints import latest_checkpoint, prune_checkpoints
from ttt.store.models import save_model
from ttt.store.trainings import Sources
from ttt.text_lm.corpus import Notice
from ttt.text_lm.evaluate import HeldOutLoss, fisher_over, held_out_loss, held_out_losses
from ttt.text_lm.fit import FitConfig, fit, start_fit
from ttt.text_lm.fit_state import FitState
from ttt.text_lm.interruption import deferred_interrupts
from ttt.text_lm.parallel import Group
from ttt.text_lm.sources import token_buffer
from ttt.text_lm.train_options import Progress, TrainOptions, TrainResult
from ttt.text_lm.training_log import TrainingLog
from ttt.text_lm.windows import Mixture, Source

HIDDEN_PER_WIDTH = 2
"""Recurrent units over embedding width; source: as in the starter models."""
VALIDATION_WINDOWS = 64
"""Held-out segments that the final losses are taken over."""
QUICK_WINDOWS = 16
"""Held-out segments of a validation on the way. Own: they cost about as much as one step."""


def check_options(config: TrainOptions, group: Group) -> None:
    """Refuse what cannot be trained here, before any work.

    Raises:
        ConfigError: There is no such backbone or device, or the batch cannot be shared.
    """
    BACKBONES.get(config.backbone)
    pick_device(config.device)
    group.check_batch(config.batch_size)


def train_model(
    config: TrainOptions, sources: Sources, *, root: Path, progress: Progress, group: Group
) -> TrainResult | None:
    """Train a model and save it; `ttt.text_lm.train.train` says what it raises.

    Returns:
        What was made; None in all processes of a group but the first.
    """
    encoder = BytePairs(sources.tokenizer_json)
    tokens_T = token_buffer(config, sources, root=root, progress=progress).tokens_T
    fitting = FitConfig(**{field.name: getattr(config, field.name) for field in fields(FitConfig)})
    source = Source(
        name=", ".join((*config.corpus, *config.corpus_dir)) or "stdlib",
        tokens_T=tokens_T,
        length=fitting.segment_length,
        val_fraction=config.val_fraction,
    )
    data = Mixture(sources=(source,))
    state = start_fit(
        _new_model(config, encoder.vocab_size),
        data,
        fitting,
        group=group,
        compile_lesson=config.compile,
    )
    _go_on(state, config, root)
    with deferred_interrupts() as interruption:
        log = TrainingLog(
            root=root,
            config=config,
            state=state,
            validate=_validation(state, config, source, encoder),
            progress=progress,
            interrupted=interruption.requested,
        )
        fit(state, fitting, report=log)
    weights = state.weights()
    if not group.first:
        return None
    model = restore_model(state.model.config, weights).to(pick_device(config.device))
    held_out = held_out_losses(
        model, source.validation(VALIDATION_WINDOWS), encoder, mlm_length=config.seq_len
    )
    return TrainResult(
        model_id=config.model_id,
        folder=_save(model, config, data, held_out, root=root, encoder=encoder),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        tokens_seen=config.steps * config.batch_size * config.seq_len,
        corpus_tokens=len(tokens_T),
        seconds=state.seconds,
        held_out=held_out,
        notices=tuple(Notice(**notice) for notice in sources.notices),
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


def _new_model(config: TrainOptions, vocab_size: int) -> LanguageModel:
    sizes = ModelConfig(
        backbone=config.backbone,
        vocab_size=vocab_size,
        width=config.d_model,
        layers=config.n_layers,
        hidden=HIDDEN_PER_WIDTH * config.d_model,
    )
    model = random_model(sizes, seed=config.seed).requires_grad_(True)
    return model.to(pick_device(config.device))


def _go_on(state: FitState, config: TrainOptions, root: Path) -> None:
    """Restore the newest saved state of the training, if there is one."""
    saved = latest_checkpoint(root, config.model_id)
    if saved is None:
        return
    try:
        state.restore(saved.tensors, saved.state)
    except (KeyError, RuntimeError, ValueError) as error:
        raise CorruptArtifactError(
            f"The state of step {saved.step} of the training {config.model_id!r} does not fit its "
            f"options ({error}); begin anew under another --model_id."
        ) from error


def _validation(
    state: FitState, config: TrainOptions, source: Source, encoder: BytePairs
) -> Callable[[], HeldOutLoss]:
    """A function that measures the loss the training lowers, on windows that it never sees."""
    windows_BL = source.validation(QUICK_WINDOWS)
    masked = config.mlm_share == 1.0
    objective = Masked() if masked else AutoRegressive()
    seen_BL = windows_BL[:, : config.seq_len] if masked else windows_BL

    def validate() -> HeldOutLoss:
        with state.readable() as model:
            return held_out_loss(model, seen_BL, objective=objective, encoder=encoder)

    return validate


def _save(
    model: LanguageModel,
    config: TrainOptions,
    data: Mixture,
    held_out: Mapping[str, float],
    *,
    root: Path,
    encoder: BytePairs,
) -> Path:
    """Save the finished model; the states on the way to it, but for the last, are then removed."""
    fisher, _ = fisher_over(model, data, seed=config.seed)
    folder = save_model(
        root,
        config.model_id,
        tensors=with_fisher(model.state_dict(), fisher),
        config=asdict(model.config),
        tokenizer_json=encoder.json,
        meta={"options": config.model_dump(mode="json"), "held_out": dict(held_out)},
    )
    prune_checkpoints(root, config.model_id, keep=1)
    return folder
