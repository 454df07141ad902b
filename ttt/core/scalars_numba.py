"""Numbers out of small arrays as compiled loops, added up in double precision.

Import this late: it imports numba. NaN and infinity come out as such.

Shapes: K entries.
"""

import numpy as np
import numpy.typing as npt

from ttt.lib.compiled import compiled_sum

Floats = npt.NDArray[np.floating]


@compiled_sum
def total(values_K: Floats) -> float:
    """Sum of all entries."""
    added = 0.0
    for k in range(values_K.size):
        added += np.float64(values_K[k])
    return added


@compiled_sum
def product(a_K: Floats, b_K: Floats) -> float:
    """Inner product of two arrays of one size."""
    added = 0.0
    for k in range(a_K.size):
        added += np.float64(a_K[k]) * np.float64(b_K[k])
    return added
