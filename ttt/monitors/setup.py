"""From options to a run: opens the frozen base and turns flags into the rooms' own settings."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import torch

from ttt.changes.fast_weights import LearningConfig
from ttt.core.base import Base
from ttt.core.cache import CacheConfig
from ttt.core.canary_pools import Passage, draw, load_custom_pool
from ttt.core.fisher import Fisher, split_fisher
from ttt.core.gate import GateConfig
from ttt.core.model import ModelConfig, random_model
from ttt.core.objective import OBJECTIVES
from ttt.core.restore import restore_model
from ttt.core.rollback import RollbackConfig
from ttt.core.rules import RULES, UpdateRule
from ttt.core.spfw_config import SpfwConfig
from ttt.core.starter import load_starter
from ttt.core.tokens import BytePairs, HashedWords
from ttt.errors import ConfigError, CorruptArtifactError
from ttt.guarded.system import SafetyConfig
from ttt.monitors.config import MonitorConfig
from ttt.monitors.options import MonitorOptions
from ttt.monitors.signals import FlagThresholds
from ttt.store.models import read_model
from ttt.store.promotions import resolved_base

RANDOM_VOCABULARY, RANDOM_WIDTH = 8192, 64
"""Sizes of the documented toy model."""
STARTERS = ("starter-gru", "starter-ssm")
"""What each starter model calls itself."""
NULL_SPACE_SHARE = 4
"""The null-space takes 1/4 of the width. Source: own; at 1/2 nothing is learned any more."""


def open_base(options: MonitorOptions, *, backbone: str | None = None) -> Base:
    """Open the frozen base that the options name.

    Args:
        options: `base`, `backbone`, `seed`, `device` and `artifacts_root` are read.
        backbone: Replaces that of the options, for comparisons.

    Raises:
        NotFoundError: There is no such model.
        CorruptArtifactError: Its files are damaged.
        ConfigError: The device is not there.
    """
    backbone = backbone or options.backbone
    if options.base == "random":
        base = random_base(backbone, seed=options.seed)
    else:
        base = named_base(Path(options.artifacts_root), options.base, backbone=backbone)
    return on_device(base, options.device)


def named_base(root: Path, name: str, *, backbone: str = "gru") -> Base:
    """A base that knows something, on the CPU, by the name it goes by in records and options.

    Args:
        root: The artifact tree.
        name: `starter`, `starter-gru`, `starter-ssm`, the id of a trained text model, or `current`
            for whichever of them is the current base.
        backbone: Which of the starter models `starter` is.

    Raises:
        NotFoundError: There is no such model.
        CorruptArtifactError: Its files are damaged.
    """
    if name == "starter":
        return load_starter(backbone)
    name = resolved_base(root, name)
    if name in STARTERS:
        return load_starter(name.removeprefix("starter-"))
    return saved_base(root, name)


def random_base(backbone: str, *, seed: int) -> Base:
    """The documented toy model: hashed words, random frozen weights. It knows nothing."""
    config = ModelConfig(
        backbone=backbone,
        vocab_size=RANDOM_VOCABULARY,
        width=RANDOM_WIDTH,
        layers=1,
        hidden=RANDOM_WIDTH,
    )
    return Base(
        name=f"random-{backbone}",
        model=random_model(config, seed=seed),
        encoder=HashedWords(RANDOM_VOCABULARY),
        fisher=None,
    )


def saved_base(root: Path, model_id: str) -> Base:
    """A trained text model of the artifact tree, with its curvature factors if it has them."""
    saved = read_model(root, model_id)
    weights, fisher = split_fisher(saved.tensors)
    try:
        sizes = {field.name: saved.config[field.name] for field in fields(ModelConfig)}
    except KeyError as error:
        raise CorruptArtifactError(
            f"The configuration of text model {model_id!r} lacks {error}."
        ) from error
    config = ModelConfig(**sizes)  # type: ignore[arg-type]  # checked by ModelConfig itself
    return Base(
        name=model_id,
        model=restore_model(config, weights),
        encoder=BytePairs(saved.tokenizer_json),
        fisher=fisher,
    )


def on_device(base: Base, device: str) -> Base:
    """The same base on another device.

    Raises:
        ConfigError: This machine has no such device.
    """
    if device == "cpu":
        return base
    available = torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available()
    if not available:
        raise ConfigError(f"--device {device}: this machine has none; use --device cpu.")
    fisher = base.fisher
    if fisher is not None:
        fisher = Fisher(A_DD=fisher.A_DD.to(device), G_DD=fisher.G_DD.to(device))
    return replace(base, model=base.model.to(device), fisher=fisher)


def monitor_config(options: MonitorOptions, base: Base) -> MonitorConfig:
    """Turn options into the settings of one run on `base`.

    Raises:
        ConfigError: A value is outside its range, or the canaries asked for are not there.
    """
    passages = None if options.canary_pool is None else load_custom_pool(options.canary_pool)
    return MonitorConfig(
        objective_name=options.objective,
        objective=OBJECTIVES.get(options.objective)(options.mlm_prob),
        rule=_rule(options, base),
        canary_texts=_probe_texts(options, passages),
        projection_texts=options.spfw_canary_text or _drawn("project", options.seed, passages),
        learning=_learning(options),
        cache=CacheConfig(weight=options.cache_lambda),
        safety=_safety(options, base.model.config.width),
        thresholds=FlagThresholds(
            grad_norm_max=options.abs_grad_norm_threshold,
            update_norm_max=options.abs_update_norm_threshold,
            z_max=options.robust_z_threshold,
        ),
        read=options.read,
        seed=options.seed,
        history_window=options.history_window,
        probe_every=options.probe_every,
        canary_grad_every=options.canary_grad_every if options.enable_canary_grad else 0,
        audit_every=options.audit_every,
        forbid_texts=options.forbid_text,
        influence=options.influence,
        influence_top=options.topk,
    )


def default_rule_name(base: Base) -> str:
    """`kfac` where the base has its curvature factors, else `muon`."""
    return "muon" if base.fisher is None else "kfac"


def _rule(options: MonitorOptions, base: Base) -> UpdateRule:
    name = options.optimizer or default_rule_name(base)
    if name == "kfac" and base.fisher is None:
        raise ConfigError(
            f"--optimizer kfac needs curvature factors, which base {base.name!r} does not have; "
            "use muon, rls or sgd, or a trained base."
        )
    eye_DD = torch.eye(base.model.config.width, device=base.model.head_VD.device)
    return RULES.get(name)(options.lr, base.fisher or Fisher(A_DD=eye_DD, G_DD=eye_DD))


def _learning(options: MonitorOptions) -> LearningConfig:
    number = options.clip if isinstance(options.clip, float) else None
    return LearningConfig(
        steps_per_chunk=options.ttt_steps_per_chunk,
        clip=number,
        clip_to_median=options.clip == "median",
    )


def _safety(options: MonitorOptions, width: int) -> SafetyConfig:
    return SafetyConfig(
        mode=options.safety_mode,
        gate=GateConfig(
            enabled=options.enable_gate,
            min_entropy_bits=options.min_entropy_threshold,
            min_diversity=options.min_diversity_threshold,
            ood_loss_nats=options.ood_loss_threshold,
            ood_grad_norm=options.ood_grad_threshold,
        ),
        rollback=RollbackConfig(
            enabled=options.enable_rollback,
            rise_nats_max=_rise_limit(options),
            z_max=options.rollback_z_threshold,
            drift_nats_max=options.budget_nats,
        ),
        spfw=SpfwConfig(
            budget_nats=options.budget_nats,
            ball_radius=options.ball_radius,
            cone=options.spfw_cone == "on",
            eps_dot=options.spfw_eps_dot,
            eps_cos=options.spfw_eps_cos,
            passes=options.spfw_passes,
            stall_ratio=options.spfw_stall_ratio,
            null_space_rank=width // NULL_SPACE_SHARE if options.spfw_null_space else 0,
        ),
        gate_scale=options.spfw_gate_scale,
    )


def _rise_limit(options: MonitorOptions) -> float:
    """In plain mode no single change may use up the whole budget: bounded steps never reach 1."""
    if options.rollback_abs_canary_delta is not None:
        return options.rollback_abs_canary_delta
    plain = options.safety_mode == "gate_rollback"
    return options.budget_nats if plain else RollbackConfig().rise_nats_max


def _probe_texts(options: MonitorOptions, passages: Sequence[Passage] | None) -> tuple[str, ...]:
    if options.canary_text:
        return options.canary_text
    return _drawn("probe", options.seed, passages)


def _drawn(part: str, seed: int, passages: Sequence[Passage] | None) -> tuple[str, ...]:
    """Canaries of the committed pools, or as many as there are of a pool given by the user."""
    if passages is None:
        return tuple(passage.text for passage in draw(part, seed=seed))
    strata = sorted({passage.stratum for passage in passages})
    return tuple(
        passage.text
        for passage in draw(
            part, seed=seed, composition=dict.fromkeys(strata, 1), passages=passages
        )
    )
