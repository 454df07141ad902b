"""The compiled loops as functions of read-only arrays: they make their result and freeze it.

Importing this file imports numba. Everything goes in and comes out read-only: each loop is compiled
for one combination of types only, and no state can be written into by accident.

Shapes: N sessions, K numbers, P pairs of states, T steps, X inputs, U inner inputs, S states, Y
outputs; R, C rows and columns of any matrix.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from ttt_ssm_nano import exact, kernels
from ttt_ssm_nano.plastic_ssm import Array


def features(
    decay_S: Float[np.ndarray, " states"],
    W_u_NUX: Float[np.ndarray, "sessions_or_one inner inputs"],
    B_NSU: Float[np.ndarray, "sessions_or_one states inner"],
    h_NS: Float[np.ndarray, "sessions states"],
    x_NTX: Float[np.ndarray, "sessions time inputs"],
) -> Float[np.ndarray, "sessions time states"]:
    """States after each step; see `plastic_ssm.naive_features`, its readable twin."""
    h_NTS = np.empty((*x_NTX.shape[:2], len(decay_S)))
    kernels.features(_in(decay_S), _in(W_u_NUX), _in(B_NSU), _in(h_NS), _in(x_NTX), h_NTS)
    return _frozen(h_NTS)


def misses(
    h_NTS: Float[np.ndarray, "sessions time states"],
    y_NTY: Float[np.ndarray, "sessions time outputs"],
    W_o_NYS: Float[np.ndarray, "sessions_or_one outputs states"],
) -> Float[np.ndarray, "sessions time outputs"]:
    """Prediction minus target."""
    miss_NTY = np.empty(y_NTY.shape)
    kernels.misses(_in(h_NTS), _in(y_NTY), _in(W_o_NYS), miss_NTY)
    return _frozen(miss_NTY)


def losses(
    miss_NTY: Float[np.ndarray, "sessions time outputs"],
) -> tuple[Float[np.ndarray, "sessions time"], Float[np.ndarray, " sessions"]]:
    """Mean squared error of each prediction over its outputs, and the mean of these over time."""
    error_NT, loss_N = np.empty(miss_NTY.shape[:2]), np.empty(len(miss_NTY))
    kernels.losses(_in(miss_NTY), error_NT, loss_N)
    return _frozen(error_NT), _frozen(loss_N)


def readout_gradient(
    h_NTS: Float[np.ndarray, "sessions time states"],
    miss_NTY: Float[np.ndarray, "sessions time outputs"],
) -> Float[np.ndarray, "sessions outputs states"]:
    """Gradient of each session's loss with respect to its `W_o`."""
    grad_NYS = np.empty((len(h_NTS), miss_NTY.shape[2], h_NTS.shape[2]))
    kernels.readout_gradient(_in(h_NTS), _in(miss_NTY), grad_NYS)
    return _frozen(grad_NYS)


def inner_gradients(
    decay_S: Float[np.ndarray, " states"],
    weights: tuple[Array, Array, Array],
    x_NTX: Float[np.ndarray, "sessions time inputs"],
    miss_NTY: Float[np.ndarray, "sessions time outputs"],
) -> tuple[Float[np.ndarray, "sessions inner inputs"], Float[np.ndarray, "sessions states inner"]]:
    """Gradients with respect to `W_u` and `B`: that of their product, through the product.

    Args:
        decay_S: Frozen decays.
        weights: `W_u`, `B` and `W_o` of each session.
        x_NTX: What was read.
        miss_NTY: What `misses` returned.
    """
    W_u_NUX, B_NSU, W_o_NYS = weights
    grad_NXS = np.empty((len(x_NTX), x_NTX.shape[2], len(decay_S)))
    kernels.joint_gradient(_in(decay_S), _in(x_NTX), _in(miss_NTY), _in(W_o_NYS), grad_NXS)
    joint_NSX = _turned(grad_NXS)
    return product(_turned(B_NSU), joint_NSX), product(joint_NSX, _turned(W_u_NUX))


def product(
    left_NRK: Float[np.ndarray, "sessions rows inner"],
    right_NKC: Float[np.ndarray, "sessions inner columns"],
) -> Float[np.ndarray, "sessions rows columns"]:
    """Matrix products in one fixed order of summation."""
    out_NRC = np.empty((len(left_NRK), left_NRK.shape[1], right_NKC.shape[2]))
    kernels.products(_in(left_NRK), _in(right_NKC), out_NRC)
    return _frozen(out_NRC)


def orthogonalised(
    g_NRC: Float[np.ndarray, "sessions rows columns"], steps: int
) -> Float[np.ndarray, "sessions rows columns"]:
    """`newton_schulz` of `ttt/optim/muon.py`, for any shape."""
    tall = g_NRC.shape[1] > g_NRC.shape[2]
    wide_NRC = _turned(g_NRC) if tall else g_NRC
    out_NRC = np.empty(wide_NRC.shape)
    kernels.orthogonalised(_in(wide_NRC), steps, out_NRC)
    return _turned(out_NRC) if tall else _frozen(out_NRC)


def statistics(
    h_NTS: Float[np.ndarray, "sessions time states"],
    y_NTY: Float[np.ndarray, "sessions time outputs"],
) -> tuple[Float[np.ndarray, "sessions pairs"], Float[np.ndarray, "sessions outputs states"]]:
    """`sum h h^T`, its lower triangle row by row, and `sum y h^T` of a chunk."""
    sessions, _, states = h_NTS.shape
    gram_NP = np.empty((sessions, states * (states + 1) // 2))
    cross_NYS = np.empty((sessions, y_NTY.shape[2], states))
    kernels.statistics(_in(h_NTS), _in(y_NTY), gram_NP, cross_NYS)
    return _frozen(gram_NP), _frozen(cross_NYS)


def add_faded(
    sum_N2: Array, factor: float, times_N: npt.NDArray[np.int64], values_N: Array
) -> Array:
    """`factor^times * sum + values` for sums in pairs: shape (sessions, 2, ...)."""
    sessions = len(sum_N2)
    out_N2 = np.empty(sum_N2.shape)
    flat = _in(sum_N2.reshape(sessions, 2, -1)), _in(values_N.reshape(sessions, -1))
    exact.add_faded(flat[0], factor, times_N, flat[1], out_N2.reshape(sessions, 2, -1))
    return _frozen(out_N2)


def take_out(sum_2: Array, factor: float, times: int, unfade: int, values: Array) -> Array:
    """`(sum - factor^times * values) / factor^unfade` for a sum in pairs: shape (2, ...)."""
    out_2 = np.empty(sum_2.shape)
    flat = _in(sum_2.reshape(2, -1)), _in(values.reshape(-1))
    exact.take_out(flat[0], factor, times, unfade, flat[1], out_2.reshape(2, -1))
    return _frozen(out_2)


def solve(
    gram_N2P: Float[np.ndarray, "sessions 2 pairs"],
    cross_N2YS: Float[np.ndarray, "sessions 2 outputs states"],
    anchor_NYS: Float[np.ndarray, "sessions outputs states"],
    ridge: float,
) -> Float[np.ndarray, "sessions outputs states"]:
    """The readout that least squares asks for; NaN where the sums are no sums of squares."""
    W_o_NYS = np.empty(anchor_NYS.shape)
    exact.solve(_in(gram_N2P), _in(cross_N2YS), _in(anchor_NYS), ridge, W_o_NYS)
    return _frozen(W_o_NYS)


def medians(
    values_NK: Float[np.ndarray, "sessions kept"], count_N: Float[np.ndarray, " sessions"]
) -> Float[np.ndarray, " sessions"]:
    """Median of the newest `count` values of each row, which stand at its end; 0 of none."""
    median_N = np.empty(len(values_NK))
    kernels.medians(_in(values_NK), _in(count_N), median_N)
    return _frozen(median_N)


def norms(values_N: Array) -> Float[np.ndarray, " sessions"]:
    """Euclidean norm of everything of each session."""
    norm_N = np.empty(len(values_N))
    kernels.norms(_in(values_N.reshape(len(values_N), -1)), norm_N)
    return _frozen(norm_N)


def folded(arrays: Sequence[Array]) -> npt.NDArray[np.uint64]:
    """Some words for each session that depend on every bit of its arrays; see `kernels.fold`."""
    sessions = len(arrays[0])
    lanes_NL = np.zeros((sessions, kernels.LANES), np.uint64)
    for array in arrays:
        kernels.fold(_in(array.reshape(sessions, -1)).view(np.uint64), lanes_NL)
    return lanes_NL


def _in(array: Array) -> Array:
    """The array as the loops are compiled for: along memory, float64, read-only."""
    own: Array = np.ascontiguousarray(array, dtype=np.float64)
    if own.flags.writeable:
        own = own.view()
        own.flags.writeable = False
    return own


def _turned(a_NRC: Array) -> Array:
    """Transposed, in memory too."""
    return _frozen(np.ascontiguousarray(a_NRC.swapaxes(1, 2)))


def _frozen(own: Array) -> Array:
    own.flags.writeable = False
    return own
