"""States as named arrays: what this room needs to compare and combine them.

By convention of every domain, `plastic.*` are the weights that learn, `optim.*` is what the update
rule remembers, `session.*` the rest that the next step depends on.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ttt.errors import SignatureMismatchError
from ttt.store.tensor_files import decode_arrays, encode_arrays

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]
PLASTIC: Final = "plastic."


def arrays_of(state: bytes) -> dict[str, Array]:
    """All arrays of a state.

    Raises:
        CorruptArtifactError: The bytes are no state.
    """
    return decode_arrays(state, where="a session's state")


def weights_of(state: bytes) -> dict[str, Array]:
    """The weights that learn."""
    return {name: x for name, x in arrays_of(state).items() if name.startswith(PLASTIC)}


def with_weights(state: bytes, weights: Arrays) -> bytes:
    """A state with other weights and everything else as it was.

    Raises:
        SignatureMismatchError: The weights are not those of the same model.
    """
    own = arrays_of(state)
    check_same_shapes(weights_of(state), weights)
    cast = {name: weights[name].astype(own[name].dtype, copy=False) for name in weights}
    return encode_arrays({**own, **cast})


def moved(head: bytes, after: bytes, before: bytes) -> bytes:
    """`head` with one step taken out of its weights: `head - (after - before)`."""
    old, new, now = weights_of(before), weights_of(after), weights_of(head)
    check_same_shapes(now, new)
    check_same_shapes(now, old)
    return with_weights(head, {name: now[name] - (new[name] - old[name]) for name in now})


def check_same_shapes(one: Arrays, other: Arrays) -> None:
    """Refuse to combine arrays of different names or shapes.

    Raises:
        SignatureMismatchError: They are of different models; names the first difference.
    """
    for name in sorted(one.keys() | other.keys()):
        shapes = [x[name].shape if name in x else None for x in (one, other)]
        if shapes[0] != shapes[1]:
            raise SignatureMismatchError(
                f"These states belong to different models: {name!r} is {_shown(shapes[0])} in one "
                f"and {_shown(shapes[1])} in the other."
            )


def norm(x: Array) -> float:
    """Frobenius norm; divided by its largest entry on the way, so that no square overflows."""
    flat = np.asarray(x, dtype=np.float64).ravel()
    peak = float(np.abs(flat).max(initial=0.0))
    return peak * float(np.linalg.norm(flat / peak)) if 0.0 < peak < np.inf else peak


def _shown(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else str(list(shape))
