"""The middle of an SSM layer as compiled loops: one pass over memory forward, one backward.

Import this late: it imports numba. What is as long as the text is handed over as bits
(`half_numba.py`). Decays and gates are computed again backward rather than kept, which is quicker
than reading them.

Shapes: B batch, L tokens, H hidden, G twice H (values, then gates).
"""

import numpy as np
import torch
from torch import Tensor

from ttt.core.half_numba import Bits, Floats, bits_of, read, shift_of, write
from ttt.core.softmax_numba import exponential
from ttt.lib.compiled import compiled

ONE, ZERO = np.float32(1.0), np.float32(0.0)


# Of several short loops over one row each finds the row in the first cache level, and needs so few
# checks for overlapping arrays that it is turned into vector instructions; one long loop is not.


@compiled
def _sigmoids(x_H: Floats, up_H: Floats, down_H: Floats) -> None:
    """`sigmoid(x)` and `sigmoid(-x)`, both to the last digits."""
    for h in range(x_H.size):
        small = exponential(-abs(x_H[h]))
        share = ONE / (ONE + small)
        up_H[h] = share if x_H[h] >= ZERO else small * share
        down_H[h] = small * share if x_H[h] >= ZERO else share


@compiled
def _values(vg: Bits, logit: Bits, s0: Floats, s: Floats, y: Bits, shift: np.int32) -> None:
    batch, length, hidden = s.shape
    carried, row = np.empty(hidden, s.dtype), np.empty(hidden, s.dtype)
    v, g = np.empty(hidden, s.dtype), np.empty(hidden, s.dtype)
    a, b = np.empty(hidden, s.dtype), np.empty(hidden, s.dtype)
    for i in range(batch):
        for h in range(hidden):
            carried[h] = s0[i, h]
        for t in range(length):
            read(logit[i, t], shift, row)
            _sigmoids(row, a, b)
            read(vg[i, t, :hidden], shift, v)
            read(vg[i, t, hidden:], shift, g)
            for h in range(hidden):
                carried[h] = a[h] * carried[h] + b[h] * v[h]
            for h in range(hidden):
                s[i, t, h] = carried[h]
            _sigmoids(g, a, b)
            for h in range(hidden):
                row[h] = carried[h] * g[h] * a[h]
            write(row, shift, y[i, t])


@compiled
def _gradients(  # noqa: PLR0913, PLR0917 (as above)
    vg: Bits, logit: Bits, s0: Floats, s: Floats, up: Bits, later: Floats,
    dvg: Bits, dlogit: Bits, shift: np.int32,
) -> None:  # fmt: skip
    # `later` holds the gradient of the state after token t when t's turn comes: at first that of
    # the last state, and at the end, in the same place, that of the start.
    batch, length, hidden = s.shape
    v, g = np.empty(hidden, s.dtype), np.empty(hidden, s.dtype)
    a, b = np.empty(hidden, s.dtype), np.empty(hidden, s.dtype)
    opened, shut = np.empty(hidden, s.dtype), np.empty(hidden, s.dtype)
    dy, ds, row = np.empty(hidden, s.dtype), np.empty(hidden, s.dtype), np.empty(hidden, s.dtype)
    for i in range(batch):
        for back in range(length):
            t = length - 1 - back
            read(logit[i, t], shift, row)
            _sigmoids(row, a, b)
            read(vg[i, t, :hidden], shift, v)
            read(vg[i, t, hidden:], shift, g)
            _sigmoids(g, opened, shut)
            read(up[i, t], shift, dy)
            for h in range(hidden):
                ds[h] = later[i, h] + dy[h] * g[h] * opened[h]
            for h in range(hidden):
                row[h] = dy[h] * s[i, t, h] * (opened[h] * (ONE + g[h] * shut[h]))
            write(row, shift, dvg[i, t, hidden:])
            for h in range(hidden):
                row[h] = ds[h] * b[h]
            write(row, shift, dvg[i, t, :hidden])
            for h in range(hidden):
                later[i, h] = ds[h] * a[h]
            before = s[i, t - 1] if t > 0 else s0[i]
            for h in range(hidden):
                # a' = ab and b' = -ab, where b = 1 - a.
                row[h] = later[i, h] * (before[h] - v[h]) * b[h]
            write(row, shift, dlogit[i, t])


def values(vg_BLG: Tensor, logit_BLH: Tensor, s0_BH: Tensor) -> tuple[Tensor, Tensor]:
    """States in single precision, and gated outputs in that of the values.

    Args:
        vg_BLG: Values, then gates; float32 or bfloat16.
        logit_BLH: Of the decays, in the same precision.
        s0_BH: State before the first token, float32.
    """
    s_BLH, y_BLH = torch.empty(logit_BLH.shape), torch.empty_like(logit_BLH)
    _values(
        bits_of(vg_BLG),
        bits_of(logit_BLH),
        _array(s0_BH),
        _array(s_BLH),
        bits_of(y_BLH),
        shift_of(vg_BLG),
    )
    return s_BLH, y_BLH


def gradients(
    vg_BLG: Tensor, logit_BLH: Tensor, s0_BH: Tensor, s_BLH: Tensor,
    up_BLH: Tensor, up_end_BH: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients with respect to values and gates, decay logits, and start.

    Args:
        vg_BLG: As for `values`, like the next two.
        logit_BLH: Of the decays.
        s0_BH: Start.
        s_BLH: States that `values` returned.
        up_BLH: Gradient of the loss with respect to the outputs.
        up_end_BH: With respect to the last state.
    """
    dvg_BLG, dlogit_BLH = torch.empty_like(vg_BLG), torch.empty_like(logit_BLH)
    ds0_BH = up_end_BH.clone(memory_format=torch.contiguous_format)
    _gradients(
        bits_of(vg_BLG), bits_of(logit_BLH), _array(s0_BH), _array(s_BLH), bits_of(up_BLH),
        _array(ds0_BH), bits_of(dvg_BLG), bits_of(dlogit_BLH), shift_of(vg_BLG),
    )  # fmt: skip
    return dvg_BLG, dlogit_BLH, ds0_BH


def _array(tensor: Tensor) -> Floats:
    """The same numbers without torch; the same memory where they lie in one piece."""
    array: Floats = tensor.detach().contiguous().numpy()
    return array
