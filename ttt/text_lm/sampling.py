"""From scores to the next token: temperature, the k likeliest, the likeliest share, one draw.

The order is temperature, then `top_k`, then `top_p`, as elsewhere. A draw inverts the cumulative
distribution at one uniform number, so a text is decided by its numbers and by nothing else.
Beside the token comes its log-probability under the model's own distribution over all ids, at
temperature 1 and before anything is cut: a measure of surprise that settings do not bend.

`draw` is compiled (`sampling_numba.py`) where that works; `naive_draw` is its readable twin. Scores
that hold NaN or +infinity are refused and never drawn from.

Shapes: B sequences, V vocabulary, K ids that are kept.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from ttt.core.tokens import BOS_ID, MASK_ID, PAD_ID
from ttt.errors import ConfigError, PredictionError
from ttt.lib.compiled import can_compile

NEVER = np.array([PAD_ID, BOS_ID, MASK_ID], dtype=np.int64)
"""Ids that are no text and end none: they are never drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a token is drawn."""

    temperature: float = 0.9
    """Scores are divided by it; 0 takes the likeliest token every time."""
    top_k: int | None = 50
    """Draw among so many likeliest ids; of equal ones the lower ids stay. None keeps all."""
    top_p: float = 1.0
    """Of those, keep the likeliest that together reach this share; 1 keeps all."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature < math.inf:
            raise ConfigError(
                f"temperature must be a number of at least 0, not {self.temperature!r}; 0 takes "
                "the likeliest token every time."
            )
        if self.top_k is not None and not self.top_k >= 1:
            raise ConfigError(f"top_k must be at least 1, not {self.top_k!r}; none keeps all ids.")
        if not 0.0 < self.top_p <= 1.0:
            raise ConfigError(f"top_p must lie in (0, 1], not {self.top_p!r}; 1 keeps all ids.")

    def check_vocabulary(self, vocab_size: int) -> None:
        """Refuse a `top_k` that means nothing for this vocabulary.

        Raises:
            ConfigError: It is larger than the vocabulary.
        """
        if self.top_k is not None and self.top_k > vocab_size:
            raise ConfigError(
                f"top_k must be at most the {vocab_size} ids of the vocabulary, not {self.top_k}; "
                "none keeps all ids."
            )


def draw(
    logits_BV: Float32[np.ndarray, "sequences vocabulary"],
    sampling: Sampling,
    uniforms_B: Float64[np.ndarray, " sequences"],
) -> tuple[Int64[np.ndarray, " sequences"], Float64[np.ndarray, " sequences"]]:
    """Draw the next token of each sequence.

    Args:
        logits_BV: Scores of every id.
        sampling: How to draw.
        uniforms_B: One number in [0, 1) for each sequence.

    Returns:
        The ids, and the log-probability of each in nats.

    Raises:
        PredictionError: Scores are not finite (minus infinity is: it means impossible).
    """
    rows = len(logits_BV)
    ids_B, log_probs_B = np.empty(rows, np.int64), np.empty(rows, np.float64)
    if can_compile():
        from ttt.text_lm.sampling_numba import draw_rows

        top_k = logits_BV.shape[1] if sampling.top_k is None else sampling.top_k
        rule = (float(sampling.temperature), int(top_k), float(sampling.top_p))
        draw_rows(
            np.require(logits_BV, requirements=["C", "W"]),
            uniforms_B,
            NEVER,
            rule,
            ids_B,
            log_probs_B,
        )
    else:
        for b in range(rows):
            ids_B[b], log_probs_B[b] = naive_draw(logits_BV[b], sampling, float(uniforms_B[b]))
    if not np.isfinite(log_probs_B).all():
        raise PredictionError(
            "The scores of the next token are not finite; the fast weights or the mixture that "
            "made them are broken."
        )
    return ids_B, log_probs_B


def kept(
    logits_V: Float[np.ndarray, " vocabulary"], sampling: Sampling
) -> tuple[Int64[np.ndarray, " kept"], Float[np.ndarray, " kept"]]:
    """The ids that may be drawn, likeliest first (all of them: by id), and their probabilities.

    Source: temperature and top-k as in Fan et al. 2018 (arXiv 1805.04833), top-p as in Holtzman et
    al. 2020 (arXiv 1904.09751).
    """
    scores_V = logits_V.astype(np.float64)
    scores_V[NEVER] = -math.inf
    if sampling.temperature == 0.0:
        return np.array([int(np.argmax(scores_V))]), np.ones(1)
    count = len(scores_V) if sampling.top_k is None else min(sampling.top_k, len(scores_V))
    everything = count == len(scores_V) and sampling.top_p == 1.0
    ids_K = np.arange(count) if everything else np.argsort(-scores_V, kind="stable")[:count]
    probs_K = np.exp((scores_V[ids_K] - scores_V.max()) / sampling.temperature)
    probs_K /= probs_K.sum()
    if sampling.top_p < 1.0:
        enough = 1 + int(np.searchsorted(np.cumsum(probs_K), sampling.top_p))
        ids_K, probs_K = ids_K[:enough], probs_K[:enough] / probs_K[:enough].sum()
    return ids_K, probs_K


def naive_draw(
    logits_V: Float[np.ndarray, " vocabulary"], sampling: Sampling, uniform: float
) -> tuple[int, float]:
    """The readable twin of `draw`, for one sequence; NaN as log-probability where it refuses."""
    scores_V = logits_V.astype(np.float64)
    highest = scores_V.max()
    if not (np.isfinite(highest) and np.delete(scores_V, NEVER).max() > -math.inf):
        return -1, math.nan
    ids_K, probs_K = kept(logits_V, sampling)
    place = int(np.searchsorted(np.cumsum(probs_K), uniform * probs_K.sum(), side="right"))
    token_id = int(ids_K[min(place, len(ids_K) - 1)])
    log_norm = highest + math.log(np.exp(scores_V - highest).sum())
    return token_id, float(scores_V[token_id] - log_norm)
