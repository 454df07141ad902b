"""Softmax and its error over one tile of logits, as a compiled loop that reads and writes it once.

Import this late: it imports numba.

Shapes: R rows, V vocabulary.
"""

import numpy as np
import numpy.typing as npt

from ttt.core.half_numba import Bits, read, write
from ttt.core.softmax_numba import Ids, exponential, highest, sum_up
from ttt.lib.compiled import compiled


@compiled
def errors_in_place(
    logits_RV: Bits, targets_R: Ids, shift: np.int32, losses_R: npt.NDArray[np.float64]
) -> None:
    """Turn logits into `softmax - onehot`, and write down each row's cross-entropy in nats.

    Args:
        logits_RV: Bits of the logits; see `half_numba`.
        targets_R: Token of each row; one outside the vocabulary makes a loss of NaN.
        shift: Of these bits.
        losses_R: Gets the losses.
    """
    vocabulary = logits_RV.shape[1]
    row_V = np.empty(vocabulary, np.float32)
    for r in range(targets_R.size):
        target = targets_R[r]
        inside = 0 <= target < vocabulary
        read(logits_RV[r], shift, row_V)
        hit = row_V[target] if inside else np.float32(np.nan)
        top = highest(row_V)
        for i in range(vocabulary):
            row_V[i] = exponential(row_V[i] - top)
        total = np.float64(sum_up(row_V))
        losses_R[r] = np.log(total) + np.float64(top) - np.float64(hit)
        share = np.float32(1.0 / total)
        for i in range(vocabulary):
            row_V[i] *= share
        if inside:
            row_V[target] -= np.float32(1.0)
        write(row_V, shift, logits_RV[r])
