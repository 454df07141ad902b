"""The middle of an SSM layer as compiled loops: one pass over memory forward, one backward.

Import this late: it imports numba. Exponentials stay with torch, which computes eight at a time.

Shapes: B batch, L tokens, H hidden, G twice H (values, then gates).
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttt.lib.compiled import compiled

Array = npt.NDArray[np.float32]


# Of several short loops over one row each finds the row in the first cache level, and needs so few
# checks for overlapping arrays that it is turned into vector instructions; one long loop is not.


@compiled
def _values(  # noqa: PLR0913, PLR0917 (a loop has as many arguments as it has arrays)
    vg: Array, a: Array, b: Array, opened: Array, s0: Array, s: Array, y: Array
) -> None:
    batch, length, hidden = a.shape
    carried = np.empty(hidden, a.dtype)
    for i in range(batch):
        for h in range(hidden):
            carried[h] = s0[i, h]
        for t in range(length):
            for h in range(hidden):
                carried[h] = a[i, t, h] * carried[h] + b[i, t, h] * vg[i, t, h]
            for h in range(hidden):
                s[i, t, h] = carried[h]
            for h in range(hidden):
                y[i, t, h] = carried[h] * vg[i, t, hidden + h] * opened[i, t, h]


@compiled
def _gradients(  # noqa: C901, PLR0913, PLR0917 (as above)
    vg: Array, a: Array, b: Array, opened: Array, s0: Array, s: Array, up: Array, later: Array,
    dvg: Array, dlogit: Array,
) -> None:  # fmt: skip
    # `later` holds the gradient of the state after token t when t's turn comes: at first that of
    # the last state, and at the end, in the same place, that of the start.
    batch, length, hidden = a.shape
    one = a.dtype.type(1.0)
    ds, before = np.empty(hidden, a.dtype), np.empty(hidden, a.dtype)
    for i in range(batch):
        for back in range(length):
            t = length - 1 - back
            row = s[i, t - 1] if t > 0 else s0[i]
            for h in range(hidden):
                before[h] = row[h] - vg[i, t, h]
            for h in range(hidden):
                ds[h] = later[i, h] + up[i, t, h] * vg[i, t, hidden + h] * opened[i, t, h]
            for h in range(hidden):
                shut = one - opened[i, t, h]
                slope = opened[i, t, h] * (one + vg[i, t, hidden + h] * shut)
                dvg[i, t, hidden + h] = up[i, t, h] * s[i, t, h] * slope
            for h in range(hidden):
                dvg[i, t, h] = ds[h] * b[i, t, h]
            for h in range(hidden):
                later[i, h] = ds[h] * a[i, t, h]
            for h in range(hidden):
                # a' = ab and b' = -ab, where b = 1 - a.
                dlogit[i, t, h] = later[i, h] * before[h] * b[i, t, h]


def values(
    vg_BLG: Tensor, a_BLH: Tensor, b_BLH: Tensor, open_BLH: Tensor, s0_BH: Tensor
) -> tuple[Tensor, Tensor]:
    """States and gated outputs.

    Args:
        vg_BLG: Values, then gates.
        a_BLH: Decays.
        b_BLH: One minus the decays.
        open_BLH: Sigmoid of the gates.
        s0_BH: State before the first token.
    """
    s_BLH, y_BLH = torch.empty(a_BLH.shape), torch.empty(a_BLH.shape)
    tensors = (vg_BLG, a_BLH, b_BLH, open_BLH, s0_BH, s_BLH, y_BLH)
    _values(*[_array(one) for one in tensors])
    return s_BLH, y_BLH


def gradients(  # noqa: PLR0913, PLR0917 (what `values` took and gave, and what came back)
    vg_BLG: Tensor, a_BLH: Tensor, b_BLH: Tensor, open_BLH: Tensor, s0_BH: Tensor, s_BLH: Tensor,
    up_BLH: Tensor, up_end_BH: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients with respect to values and gates, decay logits, and start.

    Args:
        vg_BLG: As for `values`, like all but the last three.
        a_BLH: Decays.
        b_BLH: One minus the decays.
        open_BLH: Sigmoid of the gates.
        s0_BH: Start.
        s_BLH: States that `values` returned.
        up_BLH: Gradient of the loss with respect to the outputs.
        up_end_BH: With respect to the last state.
    """
    dvg_BLG, dlogit_BLH = torch.empty(vg_BLG.shape), torch.empty(a_BLH.shape)
    ds0_BH = up_end_BH.clone(memory_format=torch.contiguous_format)
    read = (vg_BLG, a_BLH, b_BLH, open_BLH, s0_BH, s_BLH, up_BLH)
    _gradients(*[_array(one) for one in (*read, ds0_BH, dvg_BLG, dlogit_BLH)])
    return dvg_BLG, dlogit_BLH, ds0_BH


def _array(tensor: Tensor) -> Array:
    """The same numbers without torch; the same memory where they lie in one piece."""
    array: Array = tensor.detach().contiguous().numpy()
    return array
