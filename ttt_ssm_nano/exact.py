"""Sums that can be taken apart again, and least squares that sees all of their digits.

A sum of doubles forgets what was added once something large has been: subtracting it leaves the
rounding behind. Here a sum is a pair of doubles (`high + low`, 106 bits), so that taking a chunk's
statistics out again restores what was there to about 1e-32 of the largest value it ever held; and
the normal equations are solved against both halves (Cholesky of the high one, then refinement with
residuals in pairs), so that the readout depends on the sum and not on the last bit of its rounding.

Refuses: nothing; a matrix that is not positive definite gives NaN, which the mandatory probe sees.

Shapes: N sessions, K numbers of a session; S states, P pairs of them (the lower triangle of a
symmetric matrix, row by row), Y outputs; 2 the halves of a pair of doubles.

Source: Dekker 1971 (pairs of doubles), Knuth TAOCP 2 (two-sum), Ogita, Rump & Oishi 2005 (dot
product in twice the working precision, with a fused product), Moler 1967 (iterative refinement).
"""

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from ttt.lib.compiled import compiled_exactly
from ttt_ssm_nano.plastic_ssm import OUTPUTS, Array

REFINEMENTS_MAX = 8
"""Two are enough while the condition number stays below 1e10, and five below 1e14."""
CORRECTION_MIN = 1e-16
"""Refinement ends when the next correction would be this small beside the solution."""


def _generate_fused(_context: Any, _a: Any, _b: Any, _c: Any) -> Any:  # noqa: ANN401 (numba's)
    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:  # noqa: ANN401
        return builder.fma(*values)

    return types.float64(types.float64, types.float64, types.float64), generate


_fused: Callable[[float, float, float], float] = cast("Any", intrinsic(_generate_fused))
"""`a * b + c` rounded once, by the processor or, where it cannot, by the C library; for loops."""


@compiled_exactly
def _two_sum(a: float, b: float) -> tuple[float, float]:
    total = a + b
    there = total - a
    return total, (a - (total - there)) + (b - there)


@compiled_exactly
def _two_product(a: float, b: float) -> tuple[float, float]:
    product = a * b
    return product, _fused(a, b, -product)


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
    gram_N2P: Array, cross_N2YS: Array, anchor_NYS: Array, ridge: float, W_o_NYS: Array
) -> None:
    """`W_o` that minimises squared errors plus `ridge * |W_o - anchor|^2`."""
    sessions, _, states = anchor_NYS.shape
    upper_SS, lower_SS = np.empty((states, states)), np.empty((states, states))
    gram_2SS, pivot_S = np.empty((2, states, states)), np.empty(states)
    residual_YS, rest_YS = np.empty((OUTPUTS, states)), np.empty((OUTPUTS, states))
    for n in range(sessions):
        W_YS, anchor_YS, cross_2YS = W_o_NYS[n], anchor_NYS[n], cross_N2YS[n]
        _unpack(gram_N2P[n], gram_2SS)
        _factorise(gram_2SS[0], ridge, upper_SS, lower_SS, pivot_S)
        # Refined from the anchor: what the data say nothing about stays exactly there.
        W_YS[:, :] = anchor_YS
        step_before = 0.0
        for refinement in range(REFINEMENTS_MAX):
            for y in range(OUTPUTS):
                for s in range(states):
                    # Rounded: the pull needs no more digits than the anchor has.
                    pull = ridge * (anchor_YS[y, s] - W_YS[y, s])
                    residual_YS[y, s], rest_YS[y, s] = _two_sum(cross_2YS[0, y, s], pull)
                    rest_YS[y, s] += cross_2YS[1, y, s]
            if refinement == 0:  # What is rounded here, the next round finds.
                _subtract_rounded(gram_2SS[0], W_YS, residual_YS)
            else:
                _subtract_products(gram_2SS, W_YS, residual_YS, rest_YS)
            _substitute(upper_SS, lower_SS, pivot_S, residual_YS)
            step, size = _add(residual_YS, W_YS)
            # Each correction is smaller than the one before by a constant factor.
            if not step * step > CORRECTION_MIN * size * step_before:
                break
            step_before = step


@compiled_exactly
def _unpack(gram_2P: Array, gram_2SS: Array) -> None:
    for half in range(2):
        place = 0
        for s in range(gram_2SS.shape[1]):
            for k in range(s + 1):
                gram_2SS[half, s, k] = gram_2SS[half, k, s] = gram_2P[half, place]
                place += 1


@compiled_exactly
def _subtract_rounded(gram_SS: Array, W_YS: Array, residual_YS: Array) -> None:
    states = gram_SS.shape[0]
    for other in range(states):
        for y in range(OUTPUTS):
            weight = W_YS[y, other]
            for s in range(states):
                residual_YS[y, s] -= gram_SS[other, s] * weight


@compiled_exactly
def _subtract_products(gram_2SS: Array, W_YS: Array, residual_YS: Array, rest_YS: Array) -> None:
    """`residual - W gram` in twice the working precision; the gram matrix is symmetric."""
    states = W_YS.shape[1]
    for y in range(OUTPUTS):
        residual_S, rest_S = residual_YS[y], rest_YS[y]
        for other in range(states):
            weight, high_S, low_S = -W_YS[y, other], gram_2SS[0, other], gram_2SS[1, other]
            for s in range(states):
                # `_two_product` and `_two_sum` by hand: called, they keep the loop from wide
                # registers.
                before, product = residual_S[s], high_S[s] * weight
                total = before + product
                there = total - before
                lost = (before - (total - there)) + (product - there)
                error = _fused(high_S[s], weight, -product)
                residual_S[s] = total
                rest_S[s] += (error + lost) + low_S[s] * weight
        for s in range(states):
            residual_S[s] += rest_S[s]


@compiled_exactly
def _factorise(
    gram_SS: Array, ridge: float, upper_SS: Array, lower_SS: Array, pivot_S: Array
) -> None:
    """Cholesky: the factor without its diagonal, its transpose, and the inverted diagonal.

    NaN where the matrix is not positive definite. Rows are worked on in full, zeros included: the
    compiler uses wide registers for long loops only.
    """
    states = gram_SS.shape[0]
    work_SS = lower_SS
    work_SS[:, :] = gram_SS
    for s in range(states):
        row_S, factor_S = work_SS[s], upper_SS[s]
        pivot = row_S[s] + ridge
        pivot_S[s] = 1.0 / math.sqrt(pivot) if pivot > 0.0 else math.nan
        for k in range(states):
            factor_S[k] = row_S[k] * pivot_S[s] if k > s else 0.0
        for other in range(s + 1, states):
            factor, other_S = factor_S[other], work_SS[other]
            for k in range(states):
                other_S[k] -= factor * factor_S[k]
    for s in range(states):
        for k in range(states):
            lower_SS[s, k] = upper_SS[k, s]


@compiled_exactly
def _substitute(upper_SS: Array, lower_SS: Array, pivot_S: Array, b_YS: Array) -> None:
    """Solve with what `_factorise` made, in place, for every row of `b`."""
    states = pivot_S.size
    for y in range(OUTPUTS):
        b_S = b_YS[y]
        for step in range(2 * states):
            forward = step < states
            s = step if forward else 2 * states - 1 - step
            solved = b_S[s] * pivot_S[s]
            row_S = upper_SS[s] if forward else lower_SS[s]
            for k in range(states):
                b_S[k] -= row_S[k] * solved
            b_S[s] = solved


@compiled_exactly
def _add(step_YS: Array, W_YS: Array) -> tuple[float, float]:
    """Take a step; its largest number, and that of the result."""
    step, size = 0.0, 0.0
    for y in range(OUTPUTS):
        for s in range(W_YS.shape[1]):
            W_YS[y, s] += step_YS[y, s]
            step = max(step, abs(step_YS[y, s]))
            size = max(size, abs(W_YS[y, s]))
    return step, size
