"""What a candidate must show before it may become the base.

Losses on text that it was not trained on, before and after:

    core      held-out windows of the core knowledge; may hardly rise
    memory    memories that were kept out of the training
    mixed     both, in the night's proportion; must fall
    canary    texts of every kind; may hardly rise

The texts are saved with the candidate, so that a promotion measures once more what the night did
and takes nobody's word for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttt.core.model import LanguageModel
from ttt.errors import CorruptArtifactError
from ttt.spine.change import Verdict
from ttt.store.tensor_files import decode_arrays, encode_arrays
from ttt.text_lm.sleep.rows import Row, loss_of

HELD_OUT = "held_out.safetensors"
"""The file of a candidate that holds the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """What a candidate may do to each loss, nats per token."""

    core_rise_max: float
    canary_rise_max: float
    core_ratio: float
    """Share of the core loss in the mixed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """The rows that are measured."""

    core: tuple[Row, ...]
    memory: tuple[Row, ...]
    canary: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Of one model on them, nats per token."""

    core: float
    memory: float
    mixed: float
    canary: float


def measure(model: LanguageModel, rows: HeldOut, *, core_ratio: float) -> Losses:
    """Read all rows with a model."""
    core, memory = loss_of(model, rows.core), loss_of(model, rows.memory)
    return Losses(
        core=core,
        memory=memory,
        mixed=core_ratio * core + (1.0 - core_ratio) * memory,
        canary=loss_of(model, rows.canary),
    )


def gate_verdict(before: Losses, after: Losses, limits: GateLimits) -> Verdict:
    """Whether a candidate may be promoted; every gate that it fails is a reason.

    Args:
        before: Losses of the base.
        after: Losses of the candidate.
        limits: What is allowed.
    """
    readings = {
        "core_rise": after.core - before.core,
        "mixed_fall": before.mixed - after.mixed,
        "memory_fall": before.memory - after.memory,
        "canary_rise": after.canary - before.canary,
    }
    passed = {  # Comparisons with NaN are false: it passes none of them.
        "core_rise": readings["core_rise"] <= limits.core_rise_max,
        "mixed_not_lower": readings["mixed_fall"] > 0.0,
        "canary_rise": readings["canary_rise"] <= limits.canary_rise_max,
    }
    reasons = tuple(name for name, holds in passed.items() if not holds)
    return Verdict(allowed=not reasons, reasons=reasons, readings=readings)


def encode_held_out(rows: HeldOut) -> bytes:
    """The rows as a file: each family's ids behind each other, and the length of each row."""
    arrays = {}
    for name in ("core", "memory", "canary"):
        family: tuple[Row, ...] = getattr(rows, name)
        arrays[f"{name}.ids"] = np.array([one for row in family for one in row], np.int64)
        arrays[f"{name}.lengths"] = np.array([len(row) for row in family], np.int64)
    return encode_arrays(arrays)


def decode_held_out(data: bytes, *, where: str, vocab_size: int) -> HeldOut:
    """Read what `encode_held_out` wrote.

    Raises:
        CorruptArtifactError: It is damaged, or holds what no row can.
    """
    arrays = decode_arrays(data, where)
    try:
        families = {
            name: _rows(arrays[f"{name}.ids"], arrays[f"{name}.lengths"], vocab_size)
            for name in ("core", "memory", "canary")
        }
    except (KeyError, ValueError) as error:
        raise CorruptArtifactError(f"{where} holds no held-out rows: {error}.") from error
    return HeldOut(**families)


def _rows(ids_T: np.ndarray, lengths_B: np.ndarray, vocab_size: int) -> tuple[Row, ...]:
    lengths: Sequence[int] = lengths_B.tolist()
    if not lengths or min(lengths) < 2 or sum(lengths) != len(ids_T):
        raise ValueError("its lengths do not add up")
    if int(ids_T.min()) < 0 or int(ids_T.max()) >= vocab_size:
        raise ValueError(f"it holds ids outside of the vocabulary of {vocab_size}")
    ends = np.cumsum(lengths)[:-1]
    return tuple(tuple(part.tolist()) for part in np.split(ids_T, ends))
