"""Learners that others published, to be compared with; none of them ships."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.core.closed_form import Batch, loss_and_gradient
from ttt.core.rules import Memory, UpdateRule


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicEvaluation(UpdateRule):
    """RMS-normalised steps with decay back to the prior weights.

    `step = -lr * g / (rms + eps) + decay * rms / mean(rms) * (W_0 - W)`, where `rms` is the root
    mean square gradient over training text; `W_0 = 0` here.

    Source: Krause, Kahembwe, Murray & Renals 2018 (arXiv 1709.07432), equation 5.
    """

    rms_DD: Float[Tensor, "width width"] = field(repr=False)
    decay: float = 0.02
    eps_relative: float = 0.1

    def start(self, like_DD: Float[Tensor, "width width"]) -> Memory:
        """The weights so far: the sum of all steps."""
        return {"weights": torch.zeros_like(like_DD)}

    def step(
        self,
        gradient_DD: Float[Tensor, "width width"],
        features_ND: Float[Tensor, "predicted width"],
        memory: Memory,
    ) -> tuple[Float[Tensor, "width width"], Memory]:
        """See `UpdateRule.step`."""
        del features_ND
        mean = self.rms_DD.mean()
        step_DD = -self.lr * gradient_DD / (self.rms_DD + self.eps_relative * mean)
        pull_DD = (self.decay * self.rms_DD / mean).clamp(max=1.0)
        step_DD = step_DD - pull_DD * memory["weights"]
        return step_DD, {"weights": memory["weights"] + step_DD}


def gradient_rms(batches: Sequence[Batch], head_VD: Tensor) -> Tensor:
    """Root mean square of the adapter's gradient over some batches, entry by entry."""
    width = head_VD.shape[1]
    zero_DD = torch.zeros(width, width)
    squares = [loss_and_gradient(b, head_VD, zero_DD).gradient_DD.square() for b in batches]
    return torch.stack(squares).mean(0).sqrt()
