"""The weights of one state, to be looked at: norms, true singular values, and the entries."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ttt.branching.answers import Answer
from ttt.branching.arrays import Array, norm, weights_of

SIDE_MAX: Final = 64
"""Rows and columns that are shown; a larger matrix is averaged in blocks, and says so."""
SHOWN: Final = 4
"""Singular values in a line of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One matrix of a state."""

    name: str
    shape: tuple[int, ...]
    norm: float
    """Frobenius."""
    singular_values: tuple[float, ...]
    """All of them, descending; of the matrix itself, not of its picture."""
    values: tuple[tuple[float, ...], ...]
    """The entries, or the means of equal blocks of them."""
    averaged: bool
    """Whether `values` are means of blocks."""


def weights(state: bytes) -> tuple[Weights, ...]:
    """Every matrix that learns, by name.

    Raises:
        CorruptArtifactError: The bytes are no state.
    """
    found = sorted(weights_of(state).items())
    return tuple(_looked_at(name, array) for name, array in found if array.ndim == 2)


def weights_answer(found: tuple[Weights, ...]) -> Answer:
    """As JSON whole, as a table without the entries."""
    return Answer(
        plain={"weights": [_plain(one) for one in found]},
        columns=("tensor", "shape", "norm", "largest singular values"),
        rows=tuple(
            (
                one.name,
                "x".join(map(str, one.shape)),
                f"{one.norm:.6g}",
                " ".join(f"{value:.4g}" for value in one.singular_values[:SHOWN]),
            )
            for one in found
        ),
    )


def _plain(one: Weights) -> dict[str, object]:
    return {
        "name": one.name,
        "shape": list(one.shape),
        "norm": one.norm,
        "singular_values": list(one.singular_values),
        "values": [list(row) for row in one.values],
        "averaged": one.averaged,
    }


def _looked_at(name: str, array: Array) -> Weights:
    matrix = np.asarray(array, dtype=np.float64)
    picture = _blocks(_blocks(matrix).T).T
    return Weights(
        name=name,
        shape=matrix.shape,
        norm=norm(matrix),
        singular_values=tuple(map(float, np.linalg.svd(matrix, compute_uv=False))),
        values=tuple(tuple(map(float, row)) for row in picture),
        averaged=picture.shape != matrix.shape,
    )


def _blocks(matrix: Array) -> Array:
    """The rows of a matrix, or means of neighbours where there are too many."""
    if len(matrix) <= SIDE_MAX:
        return matrix
    return np.stack([part.mean(axis=0) for part in np.array_split(matrix, SIDE_MAX)])
