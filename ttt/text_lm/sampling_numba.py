"""Drawing tokens as compiled loops: a few passes over the scores, none of which sorts them.

Import this late: it imports numba. The k likeliest are found in two steps. The scores are dealt to
G lanes and each lane's highest is kept: a pass without branches. A bound that k of those G reach
is a bound that the k likeliest reach, so only lanes that reach it are looked into, and only what
is found there is put in order.

Shapes: B sequences, V vocabulary, K ids that are kept, F ids that are never drawn, G lanes.
"""

import math

import numpy as np
import numpy.typing as npt

from ttt.core.softmax_numba import exponential
from ttt.lib.compiled import compiled, compiled_sum

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

FLOOR = np.float32(-80.0)
"""Below it, an exponential is 0: a share of 1e-35."""
LANES_MIN, LANES_PER_ID = 256, 4
"""Lanes at least, and for each id that is wanted: with fewer the bound would let more through."""
HALVINGS = 16
"""Of a search for a bound; what is left of 80 nats is then .001."""
FEW = 128
"""Ids up to which counting is faster than sorting."""


@compiled
def _exponentials(x_V: Floats, highest: float, temperature: float, out_V: Floats) -> None:
    """`exp((x - highest) / temperature)`; NaN stays NaN."""
    shift, rate = np.float32(highest), np.float32(1.0 / temperature)
    for v in range(x_V.size):
        x = (x_V[v] - shift) * rate
        power = exponential(x)
        out_V[v] = np.float32(0.0) if x < FLOOR else power


@compiled_sum
def _mass(weights_V: Floats, bound: float) -> float:
    """The sum of the weights that reach `bound`."""
    total = 0.0
    for v in range(weights_V.size):
        total += 0.0 if weights_V[v] < bound else weights_V[v]
    return total


@compiled
def _lanes(values_V: Floats, highest_G: Floats) -> None:
    """The highest value of each lane: of every G-th id."""
    lanes = highest_G.size
    highest_G[:] = values_V[:lanes]
    for start in range(lanes, values_V.size, lanes):
        row = values_V[start : start + lanes]
        for lane in range(row.size):
            known = highest_G[lane]
            # A compiled max need not be one instruction.
            highest_G[lane] = row[lane] if row[lane] > known else known  # noqa: FURB136


@compiled
def _bound_of_count(highest_G: Floats, count: int) -> float:
    """A score that at least `count` lanes reach, and hardly more."""
    bound, high = -np.inf, float(highest_G.max())
    low = high + float(FLOOR)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        reach = 0
        for lane in range(highest_G.size):
            reach += 1 if highest_G[lane] >= middle else 0
        if reach >= count:
            bound = low = middle
        else:
            high = middle
    return bound


@compiled
def _bound_of_share(weights_V: Floats, wanted: float) -> float:
    """A weight such that those that reach it add up to `wanted`, and hardly more."""
    bound, low, high = 0.0, float(FLOOR), 0.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if _mass(weights_V, math.exp(middle)) >= wanted:
            low, bound = middle, math.exp(middle)
        else:
            high = middle
    return bound


@compiled
def _reaching(values_V: Floats, highest_G: Floats, bound: float, ids_V: Ids) -> int:
    """Write the ids whose value reaches the bound; how many they are."""
    lanes, found = highest_G.size, 0
    for lane in range(lanes):
        if highest_G[lane] >= bound:
            for v in range(lane, values_V.size, lanes):
                if values_V[v] >= bound:
                    ids_V[found] = v
                    found += 1
    return found


@compiled
def _order(scores_V: Floats, ids_K: Ids) -> None:
    """Sort ids by score, highest first, of equal ones the lower id first."""
    if ids_K.size > FEW:
        ids_K[:] = np.sort(ids_K)
        ids_K[:] = ids_K[np.argsort(-scores_V[ids_K], kind="mergesort")]
        return
    # Each id's place is the number of those before it, counted without a branch.
    found_K, own_K = scores_V[ids_K], ids_K.astype(np.int32)
    for k in range(found_K.size):
        score, own, place = found_K[k], own_K[k], 0
        for other in range(found_K.size):
            before = found_K[other] > score
            tie = found_K[other] == score and own_K[other] < own
            place += 1 if before or tie else 0
        ids_K[place] = own


@compiled
def _invert(weights_K: Floats, target: float) -> int:
    """The place at which the cumulative weight passes `target`."""
    k = 0
    while k < weights_K.size - 1 and target >= weights_K[k]:
        target -= weights_K[k]
        k += 1
    return k


@compiled
def _choose(
    scores_V: Floats,
    highest_G: Floats,
    rule: tuple[float, int, float],
    uniform: float,
    weights_V: Floats,
    ids_V: Ids,
) -> int:
    """The id that `uniform` stands for under the rule; `highest_G` as `_lanes` left it."""
    temperature, top_k, top_p = rule
    highest = highest_G.max()
    if temperature == 0.0:
        return int(np.argmax(scores_V))
    if top_k < scores_V.size:
        found = _reaching(scores_V, highest_G, _bound_of_count(highest_G, top_k), ids_V)
        _order(scores_V, ids_V[:found])
        ids_K, weights_K = ids_V[:top_k], weights_V[:top_k]
        _exponentials(scores_V[ids_K], highest, temperature, weights_K)
        total = _mass(weights_K, 0.0)
    else:
        _exponentials(scores_V, highest, temperature, weights_V)
        total = _mass(weights_V, 0.0)
        if top_p == 1.0:
            return _invert(weights_V, uniform * total)
        _lanes(weights_V, highest_G)
        bound = _bound_of_share(weights_V, top_p * total)
        found = _reaching(weights_V, highest_G, bound, ids_V)
        _order(scores_V, ids_V[:found])
        ids_K, weights_K = ids_V[:found], weights_V[ids_V[:found]]
    kept, share = 0, 0.0
    while kept < ids_K.size and (kept == 0 or share < top_p * total):
        share += weights_K[kept]
        kept += 1
    return int(ids_K[_invert(weights_K[:kept], uniform * share)])


@compiled
def draw_rows(
    logits_BV: Floats,
    uniforms_B: Doubles,
    never_F: Ids,
    rule: tuple[float, int, float],
    ids_B: Ids,
    log_probs_B: Doubles,
) -> None:
    """Draw a token for each row; `rule` is temperature, top_k and top_p.

    Where the scores cannot be drawn from, the log-probability is NaN. The scores are lent: they are
    written to meanwhile, and are as before in the end.
    """
    rows, vocabulary = logits_BV.shape
    weights_V, ids_V = np.empty(vocabulary, np.float32), np.empty(vocabulary, np.int64)
    highest_G = np.empty(min(vocabulary, max(LANES_MIN, LANES_PER_ID * rule[1])), np.float32)
    for b in range(rows):
        row_V = logits_BV[b]
        _lanes(row_V, highest_G)
        highest = highest_G.max()
        _exponentials(row_V, highest, 1.0, weights_V)
        log_norm = highest + math.log(_mass(weights_V, 0.0))
        never_scores_F = row_V[never_F]
        for f in range(never_F.size):
            row_V[never_F[f]] = -np.inf
            lane = never_F[f] % highest_G.size
            highest_G[lane] = row_V[lane :: highest_G.size].max()
        ids_B[b], log_probs_B[b] = -1, np.nan
        # The ids below are places in an array, so nothing may go on from scores that have no order.
        if math.isfinite(log_norm) and highest_G.max() > -np.inf:
            ids_B[b] = _choose(row_V, highest_G, rule, uniforms_B[b], weights_V, ids_V)
            log_probs_B[b] = row_V[ids_B[b]] - log_norm
        for f in range(never_F.size):
            row_V[never_F[f]] = never_scores_F[f]
