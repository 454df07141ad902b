"""The GRU's recurrence as compiled loops, for float32 on the CPU.

Import this late: it imports numba. The recurrent product walks down the transposed weights, so
that its inner loop runs along contiguous memory. The hyperbolic tangent is a quotient of
polynomials, since the library's would be called for one number at a time; the logistic function
is a tangent too. Both are right to about 3e-7.

Shapes: B batch, L tokens, D hidden units, G = 3 D gate inputs in the order reset, update, new.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttt.lib.compiled import compiled

Array = npt.NDArray[np.float32]

HALF = np.float32(0.5)
TANH_LIMIT = np.float32(7.90531110763549805)
"""Beyond it the tangent is 1 to float32 precision."""
TANH_ABOVE = tuple(
    np.float32(c)
    for c in (
        -2.76076847742355e-16,
        2.00018790482477e-13,
        -8.60467152213735e-11,
        5.12229709037114e-08,
        1.48572235717979e-05,
        6.37261928875436e-04,
        4.89352455891786e-03,
    )
)
TANH_BELOW = tuple(
    np.float32(c)
    for c in (
        1.19825839466702e-06,
        1.18534705686654e-04,
        2.26843463243900e-03,
        4.89352518554385e-03,
    )
)
"""Coefficients of even powers, highest first. Source: Eigen, `generic_fast_tanh_float`."""


@compiled
def _tanh(values: Array) -> None:
    for i in range(values.size):
        x = values[i]
        # NaN fails both comparisons and goes through; compiled min and max need not let it.
        x = TANH_LIMIT if x > TANH_LIMIT else x  # noqa: FURB136
        x = -TANH_LIMIT if x < -TANH_LIMIT else x  # noqa: FURB136
        square = x * x
        above = TANH_ABOVE[0]
        above = above * square + TANH_ABOVE[1]
        above = above * square + TANH_ABOVE[2]
        above = above * square + TANH_ABOVE[3]
        above = above * square + TANH_ABOVE[4]
        above = above * square + TANH_ABOVE[5]
        above = above * square + TANH_ABOVE[6]
        below = TANH_BELOW[0]
        below = below * square + TANH_BELOW[1]
        below = below * square + TANH_BELOW[2]
        below = below * square + TANH_BELOW[3]
        values[i] = x * above / below


@compiled
def project(h_D: Array, w_DG: Array, b_G: Array, out_G: Array) -> None:
    """`out = b + h w`, where `out` may be `b` itself."""
    # Four rows at a time: one pass over the result serves four products.
    width, gates = w_DG.shape
    for g in range(gates):
        out_G[g] = b_G[g]
    for block in range(width // 4):
        k = 4 * block
        w0_G, w1_G, w2_G, w3_G = w_DG[k], w_DG[k + 1], w_DG[k + 2], w_DG[k + 3]
        h0, h1, h2, h3 = h_D[k], h_D[k + 1], h_D[k + 2], h_D[k + 3]
        for g in range(gates):
            out_G[g] += h0 * w0_G[g] + h1 * w1_G[g] + h2 * w2_G[g] + h3 * w3_G[g]
    for k in range(width - width % 4, width):
        w0_G, h0 = w_DG[k], h_D[k]
        for g in range(gates):
            out_G[g] += h0 * w0_G[g]


@compiled
def advance(in_G: Array, carried_G: Array, h_D: Array) -> None:
    """One token: `h_D` is overwritten by the next state."""
    width = h_D.size
    gates_H = np.empty(2 * width, np.float32)
    new_D = np.empty(width, np.float32)
    in_new_D, carried_new_D = in_G[2 * width :], carried_G[2 * width :]
    # logistic(x) = (1 + tanh(x / 2)) / 2 for the reset and the update gate.
    for g in range(2 * width):
        gates_H[g] = HALF * (in_G[g] + carried_G[g])
    _tanh(gates_H)
    for d in range(width):
        new_D[d] = in_new_D[d] + (HALF + HALF * gates_H[d]) * carried_new_D[d]
    _tanh(new_D)
    update_D = gates_H[width:]
    for d in range(width):
        keep = HALF + HALF * update_D[d]
        h_D[d] = new_D[d] + keep * (h_D[d] - new_D[d])


@compiled
def run(gates_in_BLG: Array, w_DG: Array, b_G: Array, h_BD: Array, out_BLD: Array) -> None:
    """State after each token in `out_BLD`; `h_BD` is carried on in place."""
    batch, length, width = out_BLD.shape
    carried_G = np.empty(3 * width, np.float32)
    for b in range(batch):
        h_D = h_BD[b]
        for t in range(length):
            project(h_D, w_DG, b_G, carried_G)
            advance(gates_in_BLG[b, t], carried_G, h_D)
            out_BLD[b, t] = h_D


def states(gates_in_BLG: Tensor, w_DG: Tensor, b_G: Tensor, h0_BD: Tensor) -> Tensor:
    """State after each token; arguments as `gru_forward` has checked them, weights transposed.

    Returns:
        out_BLD, contiguous.
    """
    batch, length, gates = gates_in_BLG.shape
    out_BLD = torch.empty(batch, length, gates // 3)
    carried_BD = h0_BD.detach().clone(memory_format=torch.contiguous_format)
    run(
        gates_in_BLG.detach().contiguous().numpy(),
        w_DG.detach().contiguous().numpy(),
        b_G.detach().contiguous().numpy(),
        carried_BD.numpy(),
        out_BLD.numpy(),
    )
    return out_BLD
