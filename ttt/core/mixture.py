"""The read guard: a Bayes mixture of the frozen base and whatever was learned.

`p_t(y) = sum_k w_k p_k(y)` with `w_k <- w_k p_k(y_t)`, restarted for each chunk of T tokens. The
product telescopes: the chunk's probability is the prior-weighted sum of the experts' probabilities,

    P(y_1..y_T) = sum_k pi_k prod_t p_k(y_t) >= pi_base prod_t p_base(y_t),

so the loss is at most the base's loss + ln(1/pi_base) / T nats per token, whatever the text, the
attack, the step size or the learned weights. Experts that answer NaN or nothing count as zero.

Covered: the prediction of *observed* text. Not covered: text that is *generated* (there only
`p >= w_base p_base` holds), how likely a learned string may become, very short text, and weights
that go on into other sessions: those are the business of the write guard (`spfw.py`).

Source: Bayesian mixtures and their regret, Cesa-Bianchi & Lugosi 2006, ch. 9 (logarithmic loss).

Shapes: K experts (the base is expert 0), T tokens of one chunk.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureReading:
    """How the mixture read one chunk."""

    loss_nats: float
    """Mean loss of the mixture, nats per token."""
    bound_nats: float
    """What `loss_nats` is certified not to exceed: base loss + ln(1/prior) / T."""
    learned_weight: float
    """Posterior weight of everything but the base after the chunk, 0 to 1."""
    weights: tuple[float, ...]
    """Posterior weight of each expert after the chunk, the base first."""


def prior(experts: int, *, base_prior: float = 0.5) -> Float[Tensor, " experts"]:
    """Prior weights: `base_prior` on expert 0, the rest shared equally.

    Raises:
        ConfigError: `base_prior` is not strictly between 0 and 1, or there is no expert.
    """
    if not (0.0 < base_prior < 1.0) or experts < 1:
        raise ConfigError(
            f"A mixture needs an expert and a base prior in (0, 1), not {experts}, {base_prior!r}."
        )
    if experts == 1:
        return torch.ones(1, dtype=torch.float64)
    rest = (1.0 - base_prior) / (experts - 1)
    return torch.tensor([base_prior] + [rest] * (experts - 1), dtype=torch.float64)


def certified_excess_nats(tokens: int, *, base_prior: float = 0.5) -> float:
    """The most that mixed reading can cost above the base, in nats per token."""
    return math.log(1.0 / base_prior) / tokens


def read_mixed(
    log_probs_KT: Float[Tensor, "experts tokens"], prior_K: Float[Tensor, " experts"]
) -> MixtureReading:
    """Read one chunk through the mixture.

    Args:
        log_probs_KT: Each expert's log-probability of each observed token, nats. Expert 0 must be
            the frozen base. A NaN of another expert is taken as probability zero.
        prior_K: Weights before the chunk, summing to 1.

    Returns:
        The loss, its certified bound, and the weight of the learned experts after the chunk.
    """
    # A few numbers, fetched with one wait for the device: plain arithmetic is sooner from there on.
    weighed = zip(prior_K.tolist(), _chunk_log_probs(log_probs_KT), strict=True)
    joints = [_log(share) + total for share, total in weighed]
    evidence = _log_sum(joints)
    weights = tuple(math.exp(joint - evidence) for joint in joints)
    tokens = log_probs_KT.shape[1]
    return MixtureReading(
        loss_nats=-evidence / tokens,
        bound_nats=-joints[0] / tokens,
        learned_weight=1.0 - weights[0],
        weights=weights,
    )


def _chunk_log_probs(log_probs_KT: Float[Tensor, "experts tokens"]) -> list[float]:
    """Sum over tokens in double precision; a broken expert gets probability zero."""
    base, *others = log_probs_KT.double().sum(dim=1).tolist()
    return [base, *(total if math.isfinite(total) else -math.inf for total in others)]


def _log(share: float) -> float:
    return math.log(share) if share > 0.0 else -math.inf


def _log_sum(logs: Sequence[float]) -> float:
    """`log sum exp`; NaN if the first is, which alone can be."""
    highest = max(logs)
    if math.isinf(highest):
        return highest
    return highest + math.log(math.fsum(math.exp(each - highest) for each in logs))


def naive_read_mixed(
    log_probs_KT: Float[Tensor, "experts tokens"], prior_K: Float[Tensor, " experts"]
) -> tuple[float, float]:
    """Token by token, as the definition says: the readable twin of `read_mixed`.

    Returns:
        Mean loss in nats per token, and the learned experts' weight after the chunk.
    """
    weights_K, loss = prior_K.double().clone(), 0.0
    probs_KT = log_probs_KT.double().exp()
    for t in range(log_probs_KT.shape[1]):
        mixed = weights_K @ probs_KT[:, t]
        loss -= math.log(float(mixed))
        weights_K = weights_K * probs_KT[:, t] / mixed
    return loss / log_probs_KT.shape[1], float(1.0 - weights_K[0])
