"""The scan as compiled loops: values and gradients on the CPU, one pass over memory each.

Import this late: it imports numba. The state of one row stays in a buffer of width D that fits the
first cache level, so the loop over time reads each input once and writes each output once. Reading
a sequence in pieces gives the same bits as reading it whole, because the carried state is rounded
at every token either way; a wider accumulator would be more accurate and would lose that.

Shapes: B batch, L tokens, D width.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttt.lib.compiled import compiled

Array = npt.NDArray[np.floating]


@compiled
def _values(a_BLD: Array, x_BLD: Array, s0_BD: Array, s_BLD: Array) -> None:
    batch, length, width = a_BLD.shape
    carried_D = np.empty(width, a_BLD.dtype)
    for b in range(batch):
        for d in range(width):
            carried_D[d] = s0_BD[b, d]
        for t in range(length):
            for d in range(width):
                state = a_BLD[b, t, d] * carried_D[d] + x_BLD[b, t, d]
                carried_D[d] = state
                s_BLD[b, t, d] = state


@compiled
def _gradients(
    a_BLD: Array, s_BLD: Array, s0_BD: Array, up_BLD: Array, da_BLD: Array, dx_BLD: Array
) -> None:
    # g_t = up_t + a_(t+1) g_(t+1) is the gradient of x_t; that of a_t is g_t s_(t-1).
    batch, length, width = a_BLD.shape
    for b in range(batch):
        for d in range(width):
            dx_BLD[b, length - 1, d] = up_BLD[b, length - 1, d]
        for back in range(1, length):
            t = length - 1 - back
            for d in range(width):
                later = dx_BLD[b, t + 1, d]
                da_BLD[b, t + 1, d] = later * s_BLD[b, t, d]
                dx_BLD[b, t, d] = up_BLD[b, t, d] + a_BLD[b, t + 1, d] * later
        for d in range(width):
            da_BLD[b, 0, d] = dx_BLD[b, 0, d] * s0_BD[b, d]


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().contiguous().numpy()
    return array


def values(a_BLD: Tensor, x_BLD: Tensor, s0_BD: Tensor) -> Tensor:
    """States of the recurrence; arguments as `scan` has checked and promoted them.

    Returns:
        s_BLD, contiguous.
    """
    s_BLD = torch.empty(a_BLD.shape, dtype=a_BLD.dtype)
    _values(_array(a_BLD), _array(x_BLD), _array(s0_BD), s_BLD.numpy())
    return s_BLD


def gradients(
    a_BLD: Tensor, s_BLD: Tensor, s0_BD: Tensor, up_BLD: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the recurrence.

    Args:
        a_BLD: Decays.
        s_BLD: States that `values` returned.
        s0_BD: State before the first token.
        up_BLD: Gradient of the loss with respect to `s_BLD`.

    Returns:
        Gradients with respect to a, x and s0.
    """
    da_BLD = torch.empty(a_BLD.shape, dtype=a_BLD.dtype)
    dx_BLD = torch.empty_like(da_BLD)
    arrays = (_array(a_BLD), _array(s_BLD), _array(s0_BD), _array(up_BLD))
    _gradients(*arrays, da_BLD.numpy(), dx_BLD.numpy())
    return da_BLD, dx_BLD, a_BLD[:, 0] * dx_BLD[:, 0]
