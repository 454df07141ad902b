"""Compiled loops of the online path, for sessions side by side; one session is a batch of one.

Import this late: it imports numba. Every session is computed by itself and in one fixed order, so
that its bits do not depend on who stands beside it; a replay therefore equals the first run. Inner
loops run over independent outputs and not over sums, which is what lets the compiler use wide
registers without reordering a sum. The readable twins are `plastic_ssm.naive_features` and the
tests' own NumPy; `naive.py` holds the eager loop that speed is compared with.

Refuses: nothing, it checks no shape; `arithmetic.py` calls it with arrays that fit.

Shapes: N sessions, T steps, X inputs (6) and Y outputs (4), both known to the compiler, U inner
inputs, S states; P pairs of states (a triangle, row by row); R, C rows and columns; K any numbers.
"""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ttt.lib.compiled import compiled
from ttt.optim.muon_config import NORM_MIN, QUINTIC
from ttt_ssm_nano.plastic_ssm import INPUTS, OUTPUTS, Array

Words: TypeAlias = npt.NDArray[np.uint64]

QUINTIC_A, QUINTIC_B, QUINTIC_C = QUINTIC
LANES = 32
"""Sums side by side in `fold`, so that none waits for the one before."""
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Odd, hence invertible modulo 2^64. Source: 2^64 over the golden ratio, Knuth TAOCP 3, 6.4."""


@compiled
def features(
    decay_S: Array, W_u_NUX: Array, B_NSU: Array, h_NS: Array, x_NTX: Array, h_NTS: Array
) -> None:
    """States after each step, from the state before the first; one set of weights may serve all."""
    sessions, steps, _ = x_NTX.shape
    states = decay_S.size
    into_XS, carried_S, x_X = np.empty((INPUTS, states)), np.empty(states), np.empty(INPUTS)
    for n in range(sessions):
        if n < len(B_NSU):
            _joint_input(W_u_NUX[n], B_NSU[n], into_XS)
        for s in range(states):
            carried_S[s] = h_NS[n, s]
        for t in range(steps):
            for x in range(INPUTS):
                x_X[x] = x_NTX[n, t, x]
            for s in range(states):
                state = decay_S[s] * carried_S[s]
                for x in range(INPUTS):
                    state += into_XS[x, s] * x_X[x]
                carried_S[s] = state
                h_NTS[n, t, s] = state


@compiled
def _joint_input(W_u_UX: Array, B_SU: Array, into_XS: Array) -> None:
    """`(B W_u)^T`: what one input adds to every state."""
    states, inner = B_SU.shape
    for x in range(W_u_UX.shape[1]):
        for s in range(states):
            total = 0.0
            for u in range(inner):
                total += B_SU[s, u] * W_u_UX[u, x]
            into_XS[x, s] = total


@compiled
def misses(h_NTS: Array, y_NTY: Array, W_o_NYS: Array, miss_NTY: Array) -> None:
    """Prediction minus target; one readout may serve all."""
    sessions, steps, states = h_NTS.shape
    W_o_SY = np.empty((states, OUTPUTS))
    for n in range(sessions):
        if n < len(W_o_NYS):
            for s in range(states):
                for y in range(OUTPUTS):
                    W_o_SY[s, y] = W_o_NYS[n, y, s]
        for t in range(steps):
            # Four sums in registers: in an array each addition would wait for memory.
            y0, y1, y2, y3 = 0.0, 0.0, 0.0, 0.0
            for s in range(states):
                value = h_NTS[n, t, s]
                y0 += value * W_o_SY[s, 0]
                y1 += value * W_o_SY[s, 1]
                y2 += value * W_o_SY[s, 2]
                y3 += value * W_o_SY[s, 3]
            miss_NTY[n, t, 0] = y0 - y_NTY[n, t, 0]
            miss_NTY[n, t, 1] = y1 - y_NTY[n, t, 1]
            miss_NTY[n, t, 2] = y2 - y_NTY[n, t, 2]
            miss_NTY[n, t, 3] = y3 - y_NTY[n, t, 3]


@compiled
def losses(miss_NTY: Array, error_NT: Array, loss_N: Array) -> None:
    """Squared error of each prediction, mean over its outputs; and its mean over time."""
    sessions, steps, _ = miss_NTY.shape
    for n in range(sessions):
        total = 0.0
        for t in range(steps):
            squares = 0.0
            for y in range(OUTPUTS):
                squares += miss_NTY[n, t, y] * miss_NTY[n, t, y]
            error_NT[n, t] = squares / OUTPUTS
            total += squares / OUTPUTS
        loss_N[n] = total / steps


@compiled
def readout_gradient(h_NTS: Array, miss_NTY: Array, grad_NYS: Array) -> None:
    """Gradient of the loss with respect to `W_o`."""
    sessions, steps, states = h_NTS.shape
    for n in range(sessions):
        grad_YS, h_TS = grad_NYS[n], h_NTS[n]
        for y in range(OUTPUTS):
            for s in range(states):
                grad_YS[y, s] = 0.0
            for t in range(steps):
                slope = 2.0 * miss_NTY[n, t, y] / (steps * OUTPUTS)
                for s in range(states):
                    grad_YS[y, s] += slope * h_TS[t, s]


@compiled
def joint_gradient(
    decay_S: Array, x_NTX: Array, miss_NTY: Array, W_o_NYS: Array, grad_NXS: Array
) -> None:
    """Gradient with respect to `(B W_u)^T`, back through time from the last step to the first."""
    sessions, steps, inputs = x_NTX.shape
    states = decay_S.size
    up_S = np.empty(states)
    for n in range(sessions):
        grad_XS = grad_NXS[n]
        for s in range(states):
            up_S[s] = 0.0
        for x in range(inputs):
            for s in range(states):
                grad_XS[x, s] = 0.0
        for back in range(steps):
            t = steps - 1 - back
            for s in range(states):
                up_S[s] *= decay_S[s]
            for y in range(OUTPUTS):
                slope = 2.0 * miss_NTY[n, t, y] / (steps * OUTPUTS)
                for s in range(states):
                    up_S[s] += slope * W_o_NYS[n, y, s]
            for x in range(inputs):
                value = x_NTX[n, t, x]
                for s in range(states):
                    grad_XS[x, s] += up_S[s] * value


@compiled
def statistics(h_NTS: Array, y_NTY: Array, gram_NP: Array, cross_NYS: Array) -> None:
    """What least squares needs of a chunk: `sum h h^T`, its lower triangle, and `sum y h^T`."""
    sessions, steps, states = h_NTS.shape
    row_S, both_RT = np.empty(states), np.empty((states + OUTPUTS, steps))
    for n in range(sessions):
        h_TS, place = h_NTS[n], 0
        for t in range(steps):
            for s in range(states):
                both_RT[s, t] = h_TS[t, s]
            for y in range(OUTPUTS):
                both_RT[states + y, t] = y_NTY[n, t, y]
        for row in range(states + OUTPUTS):
            stop = min(row + 1, states)
            _weighted_rows(both_RT[row], h_TS, stop, row_S)
            if row < states:
                gram_NP[n, place : place + stop] = row_S[:stop]
                place += stop
            else:
                cross_NYS[n, row - states, :] = row_S


@compiled
def _weighted_rows(weights_T: Array, rows_TS: Array, stop: int, sum_S: Array) -> None:
    """The weighted sum of rows, up to a column; four at a time, so that it is loaded less often."""
    for s in range(stop):
        sum_S[s] = 0.0
    fours = weights_T.size // 4 * 4
    for t in range(0, fours, 4):
        w0, w1, w2, w3 = weights_T[t], weights_T[t + 1], weights_T[t + 2], weights_T[t + 3]
        for s in range(stop):
            early = w0 * rows_TS[t, s] + w1 * rows_TS[t + 1, s]
            sum_S[s] += early + (w2 * rows_TS[t + 2, s] + w3 * rows_TS[t + 3, s])
    for t in range(fours, weights_T.size):
        for s in range(stop):
            sum_S[s] += weights_T[t] * rows_TS[t, s]


@compiled
def products(left_NRK: Array, right_NKC: Array, out_NRC: Array) -> None:
    """Matrix products, each summed in the order of its rows."""
    for n in range(left_NRK.shape[0]):
        _product(left_NRK[n], right_NKC[n], out_NRC[n])


@compiled
def _product(left_RK: Array, right_KC: Array, out_RC: Array) -> None:
    for r in range(left_RK.shape[0]):
        for c in range(right_KC.shape[1]):
            out_RC[r, c] = 0.0
        for k in range(left_RK.shape[1]):
            value = left_RK[r, k]
            for c in range(right_KC.shape[1]):
                out_RC[r, c] += value * right_KC[k, c]


@compiled
def orthogonalised(g_NRC: Array, steps: int, out_NRC: Array) -> None:
    """Newton-Schulz on each matrix; wide ones (`R <= C`) only. See `ttt/optim/muon.py`."""
    sessions, rows, columns = g_NRC.shape
    gram_RR, mixed_RR = np.empty((rows, rows)), np.empty((rows, rows))
    step_RC = np.empty((rows, columns))
    for n in range(sessions):
        x_RC = out_NRC[n]
        _unit(g_NRC[n], x_RC)
        for _ in range(steps):
            for r in range(rows):
                for k in range(rows):
                    total = 0.0
                    for c in range(columns):
                        total += x_RC[r, c] * x_RC[k, c]
                    gram_RR[r, k] = total
            _product(gram_RR, gram_RR, mixed_RR)
            for r in range(rows):
                for k in range(rows):
                    mixed_RR[r, k] = QUINTIC_B * gram_RR[r, k] + QUINTIC_C * mixed_RR[r, k]
            _product(mixed_RR, x_RC, step_RC)
            for r in range(rows):
                for c in range(columns):
                    x_RC[r, c] = QUINTIC_A * x_RC[r, c] + step_RC[r, c]


@compiled
def _unit(g_RC: Array, x_RC: Array) -> None:
    """Divide by the Frobenius norm, the largest entry first so that its square cannot overflow."""
    peak = NORM_MIN
    for r in range(g_RC.shape[0]):
        for c in range(g_RC.shape[1]):
            size = abs(g_RC[r, c])
            if not size <= peak:  # NaN too, which `max` would lose.
                peak = size
    total = 0.0
    for r in range(g_RC.shape[0]):
        for c in range(g_RC.shape[1]):
            x_RC[r, c] = g_RC[r, c] / peak
            total += x_RC[r, c] * x_RC[r, c]
    norm = 1.0 if total <= 1.0 else math.sqrt(total)
    for r in range(g_RC.shape[0]):
        for c in range(g_RC.shape[1]):
            x_RC[r, c] /= norm


@compiled
def medians(values_NK: Array, count_N: Array, median_N: Array) -> None:
    """Median of the newest `count` values of each row, which stand at its end; 0 of none."""
    kept = values_NK.shape[1]
    sorted_K = np.empty(kept)
    for n in range(values_NK.shape[0]):
        count = min(kept, int(count_N[n]))
        for k in range(count):  # By insertion: rows are short.
            value, place = values_NK[n, kept - count + k], k
            while place > 0 and sorted_K[place - 1] > value:
                sorted_K[place] = sorted_K[place - 1]
                place -= 1
            sorted_K[place] = value
        middle = 0.5 * (sorted_K[(count - 1) // 2] + sorted_K[count // 2]) if count > 0 else 0.0
        median_N[n] = middle


@compiled
def norms(values_NK: Array, norm_N: Array) -> None:
    """Euclidean norm of each row."""
    for n in range(values_NK.shape[0]):
        total = 0.0
        for k in range(values_NK.shape[1]):
            total += values_NK[n, k] * values_NK[n, k]
        norm_N[n] = math.sqrt(total)


@compiled
def fold(words_NK: Words, lanes_NL: Words) -> None:
    """Take the words of each row into its lanes: `lane = lane * odd + word`, modulo 2^64.

    Every step can be inverted, so that a row in which one word differs never folds to the same.
    """
    for n in range(words_NK.shape[0]):
        for k in range(words_NK.shape[1]):
            lane = k % LANES
            lanes_NL[n, lane] = lanes_NL[n, lane] * MULTIPLIER + words_NK[n, k]
