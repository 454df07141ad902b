"""What lies between two states, tensor by tensor.

The rank is that of the difference: how many independent directions the learning in between has
moved. It counts singular values above numpy's threshold for rounding, so it is a true rank and not
a guess from norms.
"""

from dataclasses import dataclass

import numpy as np

from ttt.branching.arrays import PLASTIC, Array, arrays_of, check_same_shapes, norm


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorDiff:
    """One tensor in two states, `a` and `b`."""

    name: str
    shape: tuple[int, ...]
    norm_a: float
    norm_b: float
    norm_delta: float
    """Frobenius norm of `b - a`."""
    relative: float | None
    """`norm_delta / norm_a`; None where `a` is zero."""
    cosine: float | None
    """Between `a` and `b`, flattened; None where one of them is zero."""
    changed: float
    """Share of the entries that differ in any bit of their value."""
    rank: int | None
    """Of `b - a`, for a matrix; None for anything else."""


def diff(a: bytes, b: bytes, *, everything: bool = False) -> tuple[TensorDiff, ...]:
    """Compare two states of one model.

    Args:
        a: The earlier one.
        b: The later one.
        everything: The rule's memory and the session's own arrays too, not only the weights.

    Returns:
        One row for each tensor, by name.

    Raises:
        SignatureMismatchError: They belong to different models.
        CorruptArtifactError: One of them is no state.
    """
    old, new = arrays_of(a), arrays_of(b)
    if not everything:
        old, new = ({k: x for k, x in s.items() if k.startswith(PLASTIC)} for s in (old, new))
        check_same_shapes(old, new)
    # Histories grow from state to state; only what has one shape in both can be subtracted.
    shared = [name for name in sorted(old) if name in new and old[name].shape == new[name].shape]
    return tuple(_compare(name, old[name], new[name]) for name in shared)


def _compare(name: str, a: Array, b: Array) -> TensorDiff:
    a64, b64 = (np.asarray(x, dtype=np.float64) for x in (a, b))
    norm_a, norm_b, norm_delta = norm(a64), norm(b64), norm(b64 - a64)
    return TensorDiff(
        name=name,
        shape=a.shape,
        norm_a=norm_a,
        norm_b=norm_b,
        norm_delta=norm_delta,
        relative=norm_delta / norm_a if norm_a > 0.0 else None,
        cosine=_cosine(a64, b64, norm_a, norm_b),
        changed=float(np.mean(a != b)) if a.size else 0.0,
        rank=int(np.linalg.matrix_rank(b64 - a64)) if a.ndim == 2 and a.size else None,
    )


def _cosine(a: Array, b: Array, norm_a: float, norm_b: float) -> float | None:
    if not (norm_a > 0.0 and norm_b > 0.0):
        return None
    # Normalised before they meet, so that neither product nor square can overflow.
    return float(np.clip(np.dot(a.ravel() / norm_a, b.ravel() / norm_b), -1.0, 1.0))
