"""Root-mean-square normalisation as compiled loops, one pass over memory each way.

Import this late: it imports numba. Results and their gradients are handed over as bits
(`half_numba.py`).

Shapes: B batch, L tokens, D width, N tokens of all texts.
"""

import numpy as np
import torch
from torch import Tensor

from ttt.core.half_numba import Bits, Floats, bits_of, read, shift_of, write
from ttt.lib.compiled import compiled, compiled_sum


@compiled_sum
def _dot(one_D: Floats, other_D: Floats) -> np.float32:
    total = np.float32(0.0)
    for d in range(one_D.size):
        total += one_D[d] * other_D[d]
    return total


@compiled
def _normed(
    x_ND: Floats, weight_D: Floats, eps: np.float32, y_ND: Bits, shift: np.int32, scale_N: Floats
) -> None:
    width = weight_D.size
    row_D = np.empty(width, np.float32)
    for n in range(x_ND.shape[0]):
        mean = _dot(x_ND[n], x_ND[n]) / np.float32(width)
        scale = np.float32(1.0) / np.sqrt(np.float32(mean + eps))
        for d in range(width):
            row_D[d] = x_ND[n, d] * scale * weight_D[d]
        write(row_D, shift, y_ND[n])
        scale_N[n] = scale


@compiled
def _gradients(  # noqa: PLR0913, PLR0917 (a loop has as many arguments as it has arrays)
    x_ND: Floats, weight_D: Floats, scale_N: Floats, up_ND: Bits, shift: np.int32,
    dx_ND: Floats, dweight_D: Floats,
) -> None:  # fmt: skip
    width = weight_D.size
    up_D, dy_D = np.empty(width, np.float32), np.empty(width, np.float32)
    for n in range(x_ND.shape[0]):
        scale = scale_N[n]
        read(up_ND[n], shift, up_D)
        for d in range(width):
            dweight_D[d] += up_D[d] * x_ND[n, d] * scale
        for d in range(width):
            dy_D[d] = up_D[d] * weight_D[d]
        # The scale falls as x grows: that part of the gradient lies along x.
        along = _dot(dy_D, x_ND[n]) / np.float32(width) * scale * scale
        for d in range(width):
            dx_ND[n, d] = scale * (dy_D[d] - x_ND[n, d] * along)


def normed(
    x_BLD: Tensor, weight_D: Tensor, eps: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Normalised features in this precision, and what each token was multiplied with.

    Args:
        x_BLD: Features, float32 and in one piece.
        weight_D: Of each feature.
        eps: Added to the mean of the squares.
        dtype: bfloat16 or float32.
    """
    flat_ND = x_BLD.flatten(0, -2)
    y_BLD = torch.empty(x_BLD.shape, dtype=dtype)
    scale_N = torch.empty(len(flat_ND))
    _normed(
        flat_ND.detach().numpy(), weight_D.detach().numpy(), np.float32(eps),
        bits_of(y_BLD.view(flat_ND.shape)), shift_of(y_BLD), scale_N.numpy(),
    )  # fmt: skip
    return y_BLD, scale_N


def gradients(
    x_BLD: Tensor, weight_D: Tensor, scale_N: Tensor, up_BLD: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients with respect to features and weight.

    Args:
        x_BLD: As for `normed`.
        weight_D: As for `normed`.
        scale_N: What `normed` returned.
        up_BLD: Gradient of the loss with respect to the result, in its precision.
    """
    flat_ND = x_BLD.flatten(0, -2)
    dx_BLD, dweight_D = torch.empty_like(x_BLD), torch.zeros_like(weight_D)
    _gradients(
        flat_ND.detach().numpy(), weight_D.detach().numpy(), scale_N.numpy(),
        bits_of(up_BLD.view(flat_ND.shape)), shift_of(up_BLD),
        dx_BLD.view(flat_ND.shape).numpy(), dweight_D.numpy(),
    )  # fmt: skip
    return dx_BLD, dweight_D
