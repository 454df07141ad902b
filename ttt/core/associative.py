"""A fast associative memory of low rank: under each feature, what the base lacked there.

    h' = h + (q B) A^T        q = h, the feature; B fixed, A learned

`B` takes the leading directions of the base's features to unit variance, so that one rate suits all
of them. `A` is learned by the delta rule: what the memory answers to `q` moves towards the value
stored under it, and what it answers rightly already is left alone. The value is the step that the
frozen base should have taken there, towards the token that came and away from those it expected;
it does not depend on what was learned since, so the loss is a square with one minimum.

Covered: `A B^T` is an adapter like any other, so gate, canaries, write guard, certificate, undoing
and replay hold unchanged. Not covered: one linear map stores everything, so features that resemble
each other answer alike.

Source: Ba et al. 2016, "Using fast weights to attend to the recent past" (arXiv 1610.06258); the
delta rule is that of Schlag, Irie & Schmidhuber 2021 (arXiv 2102.11174), section 4.2, for all
tokens of a chunk at once. Values and whitening are own; rank, rate and strength are measured by
`python -m benchmarks memory`.

Shapes: D width, N predicted positions, R rank, V vocabulary.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.core.closed_form import Batch
from ttt.core.fisher import Fisher
from ttt.core.rules import Sgd
from ttt.core.vocabulary import errors_pass
from ttt.errors import ConfigError

RANK, RATE, STRENGTH_NATS = 64, 0.05, 8.0
"""Own, by `python -m benchmarks memory`."""
EPS = 1e-12
"""A direction that no feature has is taken no further apart than this. Own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FastLowRank(Sgd):
    """Plain descent on the associative loss, the delta rule; `associative_memory` builds it."""

    keys_DR: Float[Tensor, "width rank"] = field(repr=False)
    """`B`: features to keys of unit variance."""
    strength_nats: float = STRENGTH_NATS
    """How far a value lifts the logit of a token that the base thought impossible."""

    def own_gradient(
        self,
        batch: Batch,
        head_VD: Float[Tensor, "vocabulary width"],
        adapter_DD: Float[Tensor, "width width"],
    ) -> Float[Tensor, "width width"]:
        """Gradient of the associative loss `|A q - v|^2 / 2` in `A`, as a change of the adapter."""
        _, errors_ND = errors_pass(batch.features_ND, batch.targets_N, head_VD)
        spread = (head_VD - head_VD.mean(dim=0)).square().sum(dim=1).mean()
        values_ND = errors_ND * (-self.strength_nats / spread)
        answers_ND = batch.features_ND @ adapter_DD.T
        keys_NR = batch.features_ND @ self.keys_DR
        gradient_DR = (answers_ND - values_ND).T @ keys_NR / len(batch)
        return gradient_DR @ self.keys_DR.T


def associative_memory(fisher: Fisher, *, lr: float | None = None, rank: int = RANK) -> FastLowRank:
    """Build the memory for a base.

    Args:
        fisher: Its Kronecker factors; of them the second moment of the features is used.
        lr: Share of the way to a value that one chunk moves; None takes the measured one.
        rank: Directions that are told apart; the base's width, if that is less.

    Raises:
        ConfigError: `rank` is below 1, or `lr` no positive number.
    """
    if rank < 1:
        raise ConfigError(f"The rank of a memory must be at least 1, not {rank}.")
    moments_D, directions_DD = torch.linalg.eigh(fisher.A_DD.double())
    leading_DR = directions_DD[:, -rank:] / moments_D[-rank:].clamp(min=EPS).sqrt()
    return FastLowRank(lr=RATE if lr is None else lr, keys_DR=leading_DR.to(fisher.A_DD))
