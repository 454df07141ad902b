"""Softmax over the vocabulary as compiled loops, for float32 on the CPU.

Import this late: it imports numba. The library's exponential is exact to the last bit and takes
most of a softmax's time; the one here is a polynomial on a shifted argument, right to two units in
the last place, and its loop holds no branch and no call. The largest logit of a row is found among
its bit patterns, because a maximum of integers needs no permission to ignore NaN.

NaN and infinity come out as NaN, and so does a target outside the vocabulary.

Shapes: N predicted positions, V vocabulary, T tokens of one tile of it, D width.
"""

import numpy as np
import numpy.typing as npt

from ttt.lib.compiled import compiled, compiled_sum

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

ONE = np.float32(1.0)
LOG2_E = np.float32(1.44269504088896341)
LN2_HIGH = np.float32(0.693359375)
LN2_LOW = np.float32(-2.12194440e-4)
"""The logarithm of 2 in two parts, the first of which has few digits: `k * LN2_HIGH` is exact."""
SERIES = tuple(
    np.float32(c)
    for c in (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    )
)
"""Coefficients of exp(r) - 1 - r over r^2, highest first. Source: Moshier, Cephes, `expf.c`."""
ROUNDING = np.float32(12582912.0)
"""1.5 * 2^23: a small number added to it is rounded to a whole one, which then stands in its last
bits."""
ROUNDING_BITS = np.int32(0x4B400000)
EXPONENT_BIAS, EXPONENT_PLACE = np.int32(127), np.int32(23)
LOWEST = np.float32(-86.0)
"""Differences below count as this one: e^-86 is a normal number, and nothing beside the largest."""
SIGN_PLACE, ALL_BUT_SIGN = np.int32(31), np.int32(0x7FFFFFFF)
LEAST_INT = np.int32(-0x80000000)


@compiled
def highest(row_T: Floats) -> np.float32:
    """The largest number; a positive NaN is above all."""
    bits_T = row_T.view(np.int32)
    most = LEAST_INT
    for i in range(bits_T.size):
        # Without a sign, bit patterns of floats are in order; with one, in the reverse order.
        sign = np.int32(bits_T[i] >> SIGN_PLACE)
        most = max(most, np.int32(bits_T[i] ^ np.int32(sign & ALL_BUT_SIGN)))
    sign = np.int32(most >> SIGN_PLACE)
    return np.int32(most ^ np.int32(sign & ALL_BUT_SIGN)).view(np.float32)


@compiled
def exponential(x: np.float32) -> np.float32:
    """`exp(x)` of a number that is not above 0."""
    x = LOWEST if x < LOWEST else x  # noqa: FURB136  NaN goes through.
    shifted = x * LOG2_E + ROUNDING
    k = shifted - ROUNDING
    r = x - k * LN2_HIGH
    r = r - k * LN2_LOW
    series = SERIES[0]
    series = series * r + SERIES[1]
    series = series * r + SERIES[2]
    series = series * r + SERIES[3]
    series = series * r + SERIES[4]
    series = series * r + SERIES[5]
    exponent = np.float32(shifted).view(np.int32) - ROUNDING_BITS + EXPONENT_BIAS
    power = np.int32(exponent << EXPONENT_PLACE).view(np.float32)
    return (series * (r * r) + r + ONE) * power


@compiled_sum
def sum_up(row_T: Floats) -> np.float32:
    """The sum, its additions in an order that vector instructions like."""
    total = np.float32(0.0)
    for i in range(row_T.size):
        total += row_T[i]
    return total


TOP, TOTAL, HIT = range(3)
"""Columns of the running sums: the highest logit so far, the sum of exponentials below it, and the
target's logit."""
START = np.array([-np.inf, 0.0, np.nan])
"""Running sums before the first tile; a target that no tile holds stays NaN."""


@compiled
def exponentiate_tile(
    logits_NT: Floats, first: int, targets_N: Ids, running_N3: Doubles, weighted_ND: Floats
) -> None:
    """Turn a tile of logits into exponentials, in place, and go on with what was summed so far.

    A tile that holds a higher logit than all before it lowers their sums, so that every exponential
    is one below the highest logit seen: softmax in one pass over the vocabulary.

    Args:
        logits_NT: Logits of the tokens from `first` on.
        first: Token of the tile's first column.
        targets_N: Token whose logit is wanted.
        running_N3: Columns `TOP`, `TOTAL` and `HIT` so far.
        weighted_ND: Sum so far of rows of the head times exponentials; (N, 0) if nobody wants it.

    Source: Milakov & Gimelshein 2018 (arXiv 1805.02867), algorithm 3, tile by tile.
    """
    tile, width = logits_NT.shape[1], weighted_ND.shape[1]
    for n in range(logits_NT.shape[0]):
        row_T, running_3 = logits_NT[n], running_N3[n]
        place = targets_N[n] - first
        if 0 <= place < tile:
            running_3[HIT] = row_T[place]
        peak = np.float64(highest(row_T))
        if not peak <= running_3[TOP]:
            lowering = np.exp(running_3[TOP] - peak)
            running_3[TOTAL] *= lowering
            for d in range(width):
                weighted_ND[n, d] *= np.float32(lowering)
            running_3[TOP] = peak
        top = np.float32(running_3[TOP])
        for i in range(tile):
            row_T[i] = exponential(row_T[i] - top)
        running_3[TOTAL] += sum_up(row_T)


@compiled
def finish(
    running_N3: Doubles, targets_N: Ids, head_VD: Floats, errors_ND: Floats, log_probs_N: Floats
) -> None:
    """Log-probabilities, and errors from weighted sums, once every tile was seen.

    Args:
        running_N3: See `exponentiate_tile`.
        targets_N: See `exponentiate_tile`.
        head_VD: The head.
        errors_ND: The weighted sums, turned into errors in place; (N, 0) if nobody wants them.
        log_probs_N: Gets the log-probabilities.
    """
    vocabulary = head_VD.shape[0]
    for n in range(targets_N.size):
        target, total = targets_N[n], running_N3[n, TOTAL]
        log_probs_N[n] = running_N3[n, HIT] - running_N3[n, TOP] - np.log(total)
        share = np.float32(1.0 / total)
        for d in range(errors_ND.shape[1]):
            truth = head_VD[target, d] if 0 <= target < vocabulary else np.float32(np.nan)
            errors_ND[n, d] = errors_ND[n, d] * share - truth


@compiled
def blended_log_probabilities(
    parts: tuple[Floats, Floats, Floats],
    shares_3: Floats,
    targets_N: Ids,
    scratch_V: Floats,
    log_probs_N: Floats,
) -> None:
    """`log softmax(logits)[target]` of each row of a sum of logits that is never written down.

    Args:
        parts: Logits, each (N, V).
        shares_3: What each is multiplied by; at 0 the third is not read.
        targets_N: Token whose log-probability is wanted.
        scratch_V: Holds one row of the sum, then its exponentials.
        log_probs_N: Gets the result.
    """
    first_NV, second_NV, third_NV = parts
    for n in range(targets_N.size):
        first_V, second_V, third_V = first_NV[n], second_NV[n], third_NV[n]
        for i in range(scratch_V.size):
            scratch_V[i] = shares_3[0] * first_V[i] + shares_3[1] * second_V[i]
        if shares_3[2] != 0.0:
            for i in range(scratch_V.size):
                scratch_V[i] += shares_3[2] * third_V[i]
        top, target = highest(scratch_V), targets_N[n]
        hit = scratch_V[target] if 0 <= target < scratch_V.size else np.float32(np.nan)
        for i in range(scratch_V.size):
            scratch_V[i] = exponential(scratch_V[i] - top)
        log_probs_N[n] = hit - np.float64(top) - np.log(np.float64(sum_up(scratch_V)))


@compiled
def log_probabilities(
    logits_NV: Floats, targets_N: Ids, scratch_V: Floats, log_probs_N: Floats
) -> None:
    """`log softmax(logits)[target]` of each row; the logits stay as they are.

    Args:
        logits_NV: The logits.
        targets_N: Token whose log-probability is wanted.
        scratch_V: Holds the exponentials of one row: small enough for the nearest caches.
        log_probs_N: Gets the result.
    """
    for n in range(logits_NV.shape[0]):
        row_V, target = logits_NV[n], targets_N[n]
        top = highest(row_V)
        for i in range(row_V.size):
            scratch_V[i] = exponential(row_V[i] - top)
        hit = row_V[target] if 0 <= target < row_V.size else np.float32(np.nan)
        log_probs_N[n] = hit - np.float64(top) - np.log(np.float64(sum_up(scratch_V)))


@compiled
def log_shares(
    scores_NM: Floats, values_M: Ids, targets_N: Ids, scratch_M: Floats, log_shares_N: Floats
) -> None:
    """Log of how much of each row's softmax stands where the value is the target.

    Args:
        scores_NM: Scores of the M values; further columns do not count.
        values_M: What each column stands for.
        targets_N: What is looked for; minus infinity where no column stands for it.
        scratch_M: Holds the exponentials of one row.
        log_shares_N: Gets the result.
    """
    for n in range(scores_NM.shape[0]):
        row_M, target = scores_NM[n, : values_M.size], targets_N[n]
        top = highest(row_M)
        for i in range(row_M.size):
            scratch_M[i] = exponential(row_M[i] - top)
        found = np.float64(0.0)
        for i in range(row_M.size):
            if values_M[i] == target:
                found += scratch_M[i]
        log_shares_N[n] = np.log(found) - np.log(np.float64(sum_up(scratch_M)))
