"""bfloat16 in compiled loops: numbers as their bits, read into float32 rows and written from them.

Import this late: it imports numba, which knows no bfloat16. A number's bits are those of the upper
half of a float32; it is written by rounding to nearest, ties to even. float32 goes the same way,
unshifted, so that one loop serves both.

Shapes: H numbers of one row.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttt.lib.compiled import compiled

Floats: TypeAlias = npt.NDArray[np.float32]
Bits: TypeAlias = npt.NDArray[np.int16] | npt.NDArray[np.int32]
"""Of bfloat16 or of float32 numbers."""

HALF, WHOLE = np.int32(16), np.int32(0)
"""How far the bits of a number are shifted when it is read."""
LAST_BIT, ALMOST_HALF = np.int32(1), np.int32(0x7FFF)
NAN_BITS = np.int32(0x7FC00000)


@compiled
def read(bits_H: Bits, shift: np.int32, row_H: Floats) -> None:
    """Fill a row from bits."""
    for h in range(row_H.size):
        row_H[h] = np.int32(np.int32(bits_H[h]) << shift).view(np.float32)


@compiled
def write(row_H: Floats, shift: np.int32, bits_H: Bits) -> None:
    """Fill bits from a row."""
    rounds = np.int32(1) if shift == HALF else np.int32(0)
    for h in range(row_H.size):
        bits = np.float32(row_H[h]).view(np.int32)
        # Rounding would carry some NaN over into a number.
        bits = NAN_BITS if row_H[h] != row_H[h] else bits
        odd = np.int32(np.int32(bits >> HALF) & LAST_BIT)
        bump = np.int32(np.int32(odd + ALMOST_HALF) * rounds)
        bits_H[h] = np.int32(np.int32(bits + bump) >> shift)


def shift_of(tensor: Tensor) -> np.int32:
    """The shift that `read` and `write` need for this tensor's bits."""
    return HALF if tensor.dtype == torch.bfloat16 else WHOLE


def bits_of(tensor: Tensor) -> Bits:
    """The same memory as whole numbers.

    Args:
        tensor: bfloat16 or float32, in one piece.
    """
    wanted = torch.int16 if tensor.dtype == torch.bfloat16 else torch.int32
    bits: Bits = tensor.detach().view(wanted).numpy()
    return bits
