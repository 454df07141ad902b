"""Sums that can be taken apart again, and least squares that sees all of their digits.

A sum of doubles forgets what was added once something large has been: subtracting it leaves the
rounding behind. Here a sum is a pair of doubles (`high + low`, 106 bits), so that taking a chunk's
statistics out again restores what was there to about 1e-32 of the largest value it ever held; and
the normal equations are solved against both halves (Cholesky of the high one, then refinement with
residuals in pairs), so that the readout depends on the sum and not on the last bit of its rounding.

Refuses: nothing; a matrix that is not positive definite gives NaN, which the mandatory probe sees.

Shapes: N sessions, K numbers of a session; S states, Y outputs.

Source: Dekker 1971 (split, product), Knuth TAOCP 2 (two-sum), Ogita, Rump & Oishi 2005 (dot
product in twice the working precision), Moler 1967 (iterative refinement).
"""

import math

import numpy as np
import numpy.typing as npt

from ttt.lib.compiled import compiled_exactly
from ttt_ssm_nano.plastic_ssm import Array

SPLITTER = 134217729.0
"""2^27 + 1 cuts a double into two halves of 26 bits. Source: Dekker 1971."""
REFINEMENTS_MAX = 8
"""Two are enough while the condition number stays below 1e10, and five below 1e14."""
CORRECTION_MIN = 1e-16
"""Refinement ends when the next correction would be this small beside the solution."""


@compiled_exactly
def _two_sum(a: float, b: float) -> tuple[float, float]:
    total = a + b
    there = total - a
    return total, (a - (total - there)) + (b - there)


@compiled_exactly
def _two_product(a: float, b: float) -> tuple[float, float]:
    product = a * b
    cut_a, cut_b = SPLITTER * a, SPLITTER * b
    high_a, high_b = cut_a - (cut_a - a), cut_b - (cut_b - b)
    low_a, low_b = a - high_a, b - high_b
    rest = ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b
    return product, rest


@compiled_exactly
def _times(high: float, low: float, factor: float) -> tuple[float, float]:
    product, rest = _two_product(high, factor)
    rest += low * factor
    total = product + rest
    return total, rest - (total - product)


@compiled_exactly
def _over(high: float, low: float, factor: float) -> tuple[float, float]:
    quotient = high / factor
    product, rest = _two_product(quotient, factor)
    correction = ((high - product) - rest + low) / factor
    total = quotient + correction
    return total, correction - (total - quotient)


@compiled_exactly
def add_faded(
    sum_N2K: Array,
    factor: float,
    times_N: npt.NDArray[np.int64],
    values_NK: Array,
    out_N2K: Array,
) -> None:
    """`out = factor^times * sum + values`, one fading after another."""
    numbers = sum_N2K.shape[2]
    for n in range(sum_N2K.shape[0]):
        high_K, low_K = out_N2K[n, 0], out_N2K[n, 1]
        for k in range(numbers):
            high_K[k], low_K[k] = sum_N2K[n, 0, k], sum_N2K[n, 1, k]
        for _ in range(times_N[n] if factor != 1.0 else 0):
            for k in range(numbers):
                high_K[k], low_K[k] = _times(high_K[k], low_K[k], factor)
        for k in range(numbers):
            total, error = _two_sum(high_K[k], values_NK[n, k])
            error += low_K[k]
            high_K[k] = total + error
            low_K[k] = error - (high_K[k] - total)


@compiled_exactly
def take_out(
    sum_2K: Array, factor: float, times: int, unfade: int, values_K: Array, out_2K: Array
) -> None:
    """`out = (sum - factor^times * values) / factor^unfade`, as the sum itself was faded."""
    for k in range(sum_2K.shape[1]):
        high, low = values_K[k], 0.0
        for _ in range(times):
            high, low = _times(high, low, factor)
        total, error = _two_sum(sum_2K[0, k], -high)
        error += sum_2K[1, k] - low
        high = total + error
        low = error - (high - total)
        for _ in range(unfade):
            high, low = _over(high, low, factor)
        out_2K[0, k] = high
        out_2K[1, k] = low


@compiled_exactly
def solve(
    gram_N2SS: Array, cross_N2YS: Array, anchor_NYS: Array, ridge: float, W_o_NYS: Array
) -> None:
    """`W_o` that minimises squared errors plus `ridge * |W_o - anchor|^2`."""
    sessions, outputs, states = anchor_NYS.shape
    upper_SS, lower_SS = np.empty((states, states)), np.empty((states, states))
    residual_S, rest_S = np.empty(states), np.empty(states)
    for n in range(sessions):
        _factorise(gram_N2SS[n, 0], ridge, upper_SS, lower_SS)
        for y in range(outputs):
            # Refined from the anchor: what the data say nothing about stays exactly there.
            w_S, anchor_S = W_o_NYS[n, y], anchor_NYS[n, y]
            for s in range(states):
                w_S[s] = anchor_S[s]
            step_before = math.inf
            for _ in range(REFINEMENTS_MAX):
                for s in range(states):
                    # Rounded: the pull needs no more digits than the anchor has.
                    pull = ridge * (anchor_S[s] - w_S[s])
                    residual_S[s], rest_S[s] = _two_sum(cross_N2YS[n, 0, y, s], pull)
                    rest_S[s] += cross_N2YS[n, 1, y, s]
                _subtract_products(gram_N2SS[n], w_S, residual_S, rest_S)
                _substitute(upper_SS, lower_SS, residual_S)
                step, size = 0.0, 0.0
                for s in range(states):
                    w_S[s] += residual_S[s]
                    step = max(step, abs(residual_S[s]))
                    size = max(size, abs(w_S[s]))
                # Each correction is smaller than the one before by a constant factor.
                if not step * step > CORRECTION_MIN * size * step_before:
                    break
                step_before = step


@compiled_exactly
def _subtract_products(gram_2SS: Array, w_S: Array, residual_S: Array, rest_S: Array) -> None:
    """`residual - gram w` in twice the working precision; the gram matrix is symmetric."""
    states = w_S.size
    for other in range(states):
        weight = -w_S[other]
        for s in range(states):
            product, error = _two_product(gram_2SS[0, other, s], weight)
            residual_S[s], lost = _two_sum(residual_S[s], product)
            rest_S[s] += (error + lost) + gram_2SS[1, other, s] * weight
    for s in range(states):
        residual_S[s] += rest_S[s]


@compiled_exactly
def _factorise(gram_SS: Array, ridge: float, upper_SS: Array, lower_SS: Array) -> None:
    """Cholesky, upper and transposed; NaN where the matrix is not positive definite."""
    states = gram_SS.shape[0]
    for s in range(states):
        for k in range(states):
            upper_SS[s, k] = gram_SS[s, k]
        upper_SS[s, s] += ridge
    for s in range(states):
        pivot = upper_SS[s, s]
        scale = 1.0 / math.sqrt(pivot) if pivot > 0.0 else math.nan
        for k in range(s, states):
            upper_SS[s, k] *= scale
        for row in range(s + 1, states):
            factor = upper_SS[s, row]
            for k in range(row, states):
                upper_SS[row, k] -= factor * upper_SS[s, k]
    for s in range(states):
        for k in range(s + 1):
            lower_SS[s, k] = upper_SS[k, s]


@compiled_exactly
def _substitute(upper_SS: Array, lower_SS: Array, b_S: Array) -> None:
    """Solve with a Cholesky factor, in place; rows are read along memory both ways."""
    states = b_S.size
    for s in range(states):
        b_S[s] /= upper_SS[s, s]
        for k in range(s + 1, states):
            b_S[k] -= upper_SS[s, k] * b_S[s]
    for back in range(states):
        s = states - 1 - back
        b_S[s] /= lower_SS[s, s]
        for k in range(s):
            b_S[k] -= lower_SS[s, k] * b_S[s]
