"""Kronecker factors of the adapter's Fisher information: the curvature a natural gradient needs.

With logits `E (f + W f)` the gradient of one token's loss in W is `delta f^T`, where
`delta = E^T (p - onehot(y))`. Drawing y from the model itself and taking delta and f as independent
gives `F = A (x) G` with `A = E[f f^T]` and `G = E[delta delta^T] = E^T (diag(p) - p p^T) E`. The
backbone is frozen, so both are computed once, at `W = 0`.

Source: Martens & Grosse 2015 (arXiv 1503.05671, section 3), K-FAC, for one linear layer.

Shapes: N positions, D width, V vocabulary, R rows of a tile.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.errors import ConfigError

TILE_ROWS = 1024
"""Rows whose probabilities exist at once: 32 MiB in double precision at a vocabulary of 4096."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fisher:
    """The two factors; both are symmetric and positive semi-definite."""

    A_DD: Float[Tensor, "width width"]
    """Second moment of the features."""
    G_DD: Float[Tensor, "width width"]
    """Second moment of the loss's gradient in the adapted feature, under the model's own labels."""


SAVED_A, SAVED_G = "fisher.A", "fisher.G"
"""Names of the factors in a weight file, beside the model's own weights."""


def with_fisher(weights: Mapping[str, Tensor], fisher: Fisher) -> dict[str, Tensor]:
    """Weights and factors under their names in a weight file."""
    return {**weights, SAVED_A: fisher.A_DD, SAVED_G: fisher.G_DD}


def split_fisher(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Fisher | None]:
    """Take a weight file apart again; factors that are missing were never computed."""
    weights = {name: t for name, t in tensors.items() if name not in (SAVED_A, SAVED_G)}
    if not (SAVED_A in tensors and SAVED_G in tensors):
        return weights, None
    return weights, Fisher(A_DD=tensors[SAVED_A].float(), G_DD=tensors[SAVED_G].float())


def fisher_factors(
    features_ND: Float[Tensor, "positions width"], head_VD: Float[Tensor, "vocabulary width"]
) -> Fisher:
    """Compute the factors of a frozen model over some text.

    Args:
        features_ND: Features after the norm, at least one position; tens of thousands for factors
            of full rank that do not depend on the text's luck.
        head_VD: The output matrix E.

    Returns:
        Factors in single precision; sums are double.

    Raises:
        ConfigError: There is no position.
    """
    count, width = features_ND.shape
    if count == 0:
        raise ConfigError("Fisher factors need at least 1 position of text, not 0.")
    head_VD = head_VD.detach().double()
    a_DD = head_VD.new_zeros(width, width)
    mean_DD = head_VD.new_zeros(width, width)
    p_V = head_VD.new_zeros(len(head_VD))
    for features_RD in features_ND.detach().double().split(TILE_ROWS):
        p_RV = torch.softmax(features_RD @ head_VD.T, dim=-1)
        expected_RD = p_RV @ head_VD
        a_DD += features_RD.T @ features_RD
        mean_DD += expected_RD.T @ expected_RD
        p_V += p_RV.sum(dim=0)
    g_DD = head_VD.T @ (p_V[:, None] * head_VD) - mean_DD
    return Fisher(A_DD=_symmetric(a_DD / count), G_DD=_symmetric(g_DD / count))


def _symmetric(factor_DD: Tensor) -> Tensor:
    """Remove what rounding made unsymmetric, so that Cholesky and `eigh` see the same matrix."""
    return ((factor_DD + factor_DD.T) / 2).float()
