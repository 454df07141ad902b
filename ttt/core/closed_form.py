"""Loss and gradient of the adapter without an autograd graph.

Only the adapter is plastic and everything after it is linear, so the gradient is one product:
with `h' = f + W f`, `p = softmax(E h')` and `d_n = E^T (p_n - onehot(y_n))`,

    dL/dW = (1/N) sum_n d_n f_n^T.

No graph is built, no parameter needs `requires_grad`, and the features f of a fixed text never
change, so a canary's are computed once in its life. `objective.compute_loss` with autograd is the
readable twin.

Shapes: N predicted positions, D width, V vocabulary, C canaries.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ttt.core.model import LanguageModel, adapt
from ttt.core.objective import Examples
from ttt.core.scalars import numbers
from ttt.core.vocabulary import errors_pass, log_probs_pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the frozen part makes of some examples: all a fast-weight update needs."""

    features_ND: Float[Tensor, "predicted width"]
    targets_N: Int[Tensor, " predicted"]

    def __len__(self) -> int:
        return int(self.targets_N.shape[0])


@torch.no_grad()
def make_batch(
    model: LanguageModel,
    examples: Examples,
    state_BNH: Float[Tensor, "batch layers hidden"] | None = None,
) -> tuple[Batch, Float[Tensor, "batch layers hidden"]]:
    """Read examples through the frozen part; also returns the recurrent state after them."""
    features_BSD, end_BNH = model.features(examples.inputs_BS, state_BNH)
    flat_ND = features_BSD.flatten(0, 1)
    if examples.positions_N.shape[0] != flat_ND.shape[0]:
        flat_ND = flat_ND[examples.positions_N]
    return Batch(features_ND=flat_ND, targets_N=examples.targets_N), end_BNH


@torch.no_grad()
def log_probabilities(
    batch: Batch,
    head_VD: Float[Tensor, "vocabulary width"],
    adapter_DD: Float[Tensor, "width width"] | None = None,
) -> Float[Tensor, " predicted"]:
    """Log-probability of each target, in nats, under frozen base plus adapter."""
    return log_probs_pass(adapt(batch.features_ND, adapter_DD), batch.targets_N, head_VD)


@dataclass(frozen=True, kw_only=True)
class LossAndGradient:
    """The objective on a batch, and which way it falls."""

    log_probs_N: Float[Tensor, " predicted"]
    """Log-probability of each target, nats."""
    gradient_DD: Float[Tensor, "width width"]
    """dL/dW of the mean loss."""

    @property
    def loss(self) -> Float[Tensor, ""]:
        """Mean cross-entropy, nats per token."""
        return -self.log_probs_N.mean()

    @property
    def loss_nats(self) -> float:
        """`loss` as a number."""
        return self._scalars[0]

    @property
    def gradient_norm(self) -> float:
        """Frobenius norm of the gradient."""
        return self._scalars[1]

    @cached_property
    def _scalars(self) -> tuple[float, float]:
        """Fetched together: one wait for the device."""
        gradient_DD = self.gradient_DD
        mean, square = numbers(means=[self.log_probs_N], products=[(gradient_DD, gradient_DD)])
        return -mean, math.sqrt(square)


@torch.no_grad()
def loss_and_gradient(
    batch: Batch,
    head_VD: Float[Tensor, "vocabulary width"],
    adapter_DD: Float[Tensor, "width width"],
) -> LossAndGradient:
    """Mean cross-entropy of `batch` and its exact gradient in the adapter.

    Source: softmax regression through a linear layer; checked against autograd in the tests.
    """
    adapted_ND = adapt(batch.features_ND, adapter_DD)
    log_probs_N, errors_ND = errors_pass(adapted_ND, batch.targets_N, head_VD)
    return LossAndGradient(
        log_probs_N=log_probs_N,
        gradient_DD=errors_ND.T @ batch.features_ND / len(batch),
    )
