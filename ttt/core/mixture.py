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
    log_joint_K = prior_K.to(log_probs_KT.device).log() + _chunk_log_probs(log_probs_KT)
    log_evidence = torch.logsumexp(log_joint_K, dim=0)
    weights_K = (log_joint_K - log_evidence).exp()
    # Fetched together: one wait for the device.
    fetched = torch.stack([log_evidence, log_joint_K[0], *weights_K]).tolist()
    tokens = log_probs_KT.shape[1]
    return MixtureReading(
        loss_nats=-fetched[0] / tokens,
        bound_nats=-fetched[1] / tokens,
        learned_weight=1.0 - fetched[2],
        weights=tuple(fetched[2:]),
    )


def _chunk_log_probs(
    log_probs_KT: Float[Tensor, "experts tokens"],
) -> Float[Tensor, " experts"]:
    """Sum over tokens in double precision; a broken expert gets probability zero."""
    total_K = log_probs_KT.double().sum(dim=1)
    broken_K = ~torch.isfinite(total_K)
    broken_K[0] = False
    return total_K.masked_fill(broken_K, -math.inf)


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
