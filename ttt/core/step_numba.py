"""One token through one layer, the norm or the head, as compiled loops for float32 on the CPU.

Import this late: it imports numba. Every product walks down transposed weights, so that its inner
loop runs along contiguous memory; at one token a step is bound by reading the weights once, and
calls of a tensor library would cost more than that. The loops of `gru_numba.py` are called from
here, and the machine code kept on disk is not renewed when *that* file changes: `make clean`.

Shapes: D width, N layers, H hidden units, G = 3 H gate inputs, E = 3 H inputs of an SSM layer in
the order value, gate, decay.
"""

import math

import numpy as np
import numpy.typing as npt

from ttt.core.gru_numba import advance, project
from ttt.core.softmax_numba import exponential
from ttt.lib.compiled import compiled

Array = npt.NDArray[np.float32]

ONE = np.float32(1.0)
EPSILON = np.finfo(np.float32).eps
"""What `torch.nn.RMSNorm` adds under its root unless told otherwise."""


@compiled
def normalise(x_D: Array, weight_D: Array, out_D: Array) -> None:
    """RMS norm: `x / sqrt(mean(x^2) + eps) * weight`."""
    squares = np.float32(0.0)
    for d in range(x_D.size):
        squares += x_D[d] * x_D[d]
    scale = np.float32(1.0 / math.sqrt(squares / x_D.size + EPSILON))
    for d in range(x_D.size):
        out_D[d] = x_D[d] * scale * weight_D[d]


@compiled
def gru_step(
    x_D: Array, h_H: Array, norm_D: Array, w_XG: Array, b_2G: Array, w_out_HD: Array
) -> None:
    """One token through a residual GRU layer; `x_D` and `h_H` are overwritten.

    `w_XG` holds the input's weights above the carried ones (X = D + H), `b_2G` their biases.
    """
    width = x_D.size
    u_D = np.empty_like(x_D)
    in_G = np.empty_like(b_2G[0])
    carried_G = np.empty_like(b_2G[1])
    normalise(x_D, norm_D, u_D)
    project(u_D, w_XG[:width], b_2G[0], in_G)
    project(h_H, w_XG[width:], b_2G[1], carried_G)
    advance(in_G, carried_G, h_H)
    project(h_H, w_out_HD, x_D, x_D)


@compiled
def advance_ssm(in_E: Array, s_H: Array, y_H: Array) -> None:
    """One token: `s_H` is overwritten by the next state, `y_H` by what is read from it."""
    hidden = s_H.size
    value_H, gate_H, logit_H = in_E[:hidden], in_E[hidden : 2 * hidden], in_E[2 * hidden :]
    for h in range(hidden):
        # Both logistic functions from one exponential that cannot overflow; 1 - decay would round
        # away what is left where the decay is close to one.
        small = exponential(-abs(logit_H[h]))
        large = ONE / (ONE + small)
        rest = small * large
        decay = large if logit_H[h] > 0 else rest
        fresh = rest if logit_H[h] > 0 else large
        s_H[h] = decay * s_H[h] + fresh * value_H[h]
    for h in range(hidden):
        small = exponential(-abs(gate_H[h]))
        large = ONE / (ONE + small)
        y_H[h] = s_H[h] * gate_H[h] * (large if gate_H[h] > 0 else small * large)


@compiled
def ssm_step(
    x_D: Array, s_H: Array, norm_D: Array, w_in_DE: Array, b_in_E: Array, w_out_HD: Array
) -> None:
    """One token through a residual SSM layer; `x_D` and `s_H` are overwritten."""
    u_D = np.empty_like(x_D)
    in_E = np.empty_like(b_in_E)
    y_H = np.empty_like(s_H)
    normalise(x_D, norm_D, u_D)
    project(u_D, w_in_DE, b_in_E, in_E)
    advance_ssm(in_E, s_H, y_H)
    project(y_H, w_out_HD, x_D, x_D)


@compiled
def gru_stack(
    x_D: Array, h_NH: Array, norm_ND: Array, w_NXG: Array, b_N2G: Array, w_out_NHD: Array
) -> None:
    """One token through all layers of a GRU, as `gru_step`."""
    for n in range(h_NH.shape[0]):
        gru_step(x_D, h_NH[n], norm_ND[n], w_NXG[n], b_N2G[n], w_out_NHD[n])


@compiled
def ssm_stack(
    x_D: Array, s_NH: Array, norm_ND: Array, w_in_NDE: Array, b_in_NE: Array, w_out_NHD: Array
) -> None:
    """One token through all layers of an SSM, as `ssm_step`."""
    for n in range(s_NH.shape[0]):
        ssm_step(x_D, s_NH[n], norm_ND[n], w_in_NDE[n], b_in_NE[n], w_out_NHD[n])


@compiled
def advance_rows(in_BG: Array, carried_BG: Array, h_BH: Array) -> None:
    """One token of each of many sequences through the gates of a GRU layer; `h_BH` in place."""
    for b in range(h_BH.shape[0]):
        advance(in_BG[b], carried_BG[b], h_BH[b])


@compiled
def advance_ssm_rows(in_BE: Array, s_BH: Array, y_BH: Array) -> None:
    """One token of each of many sequences through the middle of an SSM layer; `s_BH` in place."""
    for b in range(s_BH.shape[0]):
        advance_ssm(in_BE[b], s_BH[b], y_BH[b])


@compiled
def normalise_rows(x_BD: Array, weight_D: Array, out_BD: Array) -> None:
    """The RMS norm of each row."""
    for b in range(x_BD.shape[0]):
        normalise(x_BD[b], weight_D, out_BD[b])


@compiled
def project_rows(h_BD: Array, w_BDD: Array, out_BD: Array) -> None:
    """`out = h + h w` for each row with a matrix of its own, stored (in, out)."""
    for b in range(h_BD.shape[0]):
        project(h_BD[b], w_BDD[b], h_BD[b], out_BD[b])
