"""One token through one layer, the norm or the head, as compiled loops for float32 on the CPU.

Import this late: it imports numba. Every product walks down transposed weights, so that its inner
loop runs along contiguous memory; at one token a step is bound by reading the weights once, and
calls of a tensor library would cost more than that. The loops of `gru_numba.py` are called from
here, and the machine code kept on disk is not renewed when *that* file changes: `make clean`.

Shapes: D width, H hidden units, G = 3 H gate inputs, E = 3 H inputs of an SSM layer in the order
value, gate, decay.
"""

import math

import numpy as np
import numpy.typing as npt

from ttt.core.gru_numba import project, run
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
    width, hidden = x_D.size, h_H.size
    u_D = np.empty_like(x_D)
    in_G = np.empty_like(b_2G[0])
    y_H = np.empty_like(h_H)
    normalise(x_D, norm_D, u_D)
    project(u_D, w_XG[:width], b_2G[0], in_G)
    run(
        in_G.reshape((1, 1, 3 * hidden)),
        w_XG[width:],
        b_2G[1],
        h_H.reshape((1, hidden)),
        y_H.reshape((1, 1, hidden)),
    )
    project(y_H, w_out_HD, x_D, x_D)


@compiled
def ssm_step(
    x_D: Array, s_H: Array, norm_D: Array, w_in_DE: Array, b_in_E: Array, w_out_HD: Array
) -> None:
    """One token through a residual SSM layer; `x_D` and `s_H` are overwritten."""
    hidden = s_H.size
    u_D = np.empty_like(x_D)
    in_E = np.empty_like(b_in_E)
    y_H = np.empty_like(s_H)
    normalise(x_D, norm_D, u_D)
    project(u_D, w_in_DE, b_in_E, in_E)
    for h in range(hidden):
        value, gate, logit = in_E[h], in_E[hidden + h], in_E[2 * hidden + h]
        # Both logistic functions from one exponential that cannot overflow; 1 - decay would round
        # away what is left where the decay is close to one.
        small = math.exp(-abs(logit))
        large = ONE / (ONE + small)
        decay, fresh = (large, small * large) if logit > 0 else (small * large, large)
        s_H[h] = decay * s_H[h] + fresh * value
        y_H[h] = s_H[h] * gate / (ONE + math.exp(-gate))
    project(y_H, w_out_HD, x_D, x_D)
