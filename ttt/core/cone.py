"""The cone: the nearest step that raises no projection canary's loss to first order.

Covered: infinitesimal steps. Not covered: curvature and overshoot, which are most of the damage at
useful step sizes; so it is an option before the budget and never instead of it.

Source: the dual QP of GEM (Lopez-Paz & Ranzato 2017, arXiv 1706.08840), solved by Hildreth's method
(1957).

Shapes: C canaries of the projection set, K entries of the adapter.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class ConeStats:
    """What the cone found and removed; dots are with the canaries' descent directions."""

    violations_before: int
    violations_after: int
    min_dot_before: float
    min_dot_after: float
    removed_ratio: float


def project_to_cone(
    step_K: Float[Tensor, " entries"],
    descent_CK: Float[Tensor, "canaries entries"],
    *,
    eps_dot: float = 0.0,
    eps_cos: float = 0.0,
    passes: int = 1,
) -> tuple[Float[Tensor, " entries"], ConeStats]:
    """The nearest step whose dot with every descent direction reaches its margin.

    Solves the dual QP over the C multipliers by Hildreth's cyclic method: each sweep corrects every
    violated constraint in turn and takes back corrections that turned out too large. One constraint
    is met exactly after one sweep; several converge linearly.

    Args:
        step_K: The step, flattened.
        descent_CK: Each canary's direction of descent.
        eps_dot: Margin, absolute.
        eps_cos: Margin, as a cosine with the step as it came.
        passes: Sweeps.
    """
    margins_C = eps_dot + eps_cos * step_K.norm() * descent_CK.norm(dim=1)
    gram_CC = descent_CK @ descent_CK.T
    dots_C = descent_CK @ step_K
    lambda_C = torch.zeros_like(dots_C)
    for _ in range(passes):
        for c in range(descent_CK.shape[0]):
            if float(gram_CC[c, c]) > 0.0:
                gap = margins_C[c] - dots_C[c] - gram_CC[c] @ lambda_C
                lambda_C[c] = torch.clamp(lambda_C[c] + gap / gram_CC[c, c], min=0.0)
    projected_K = step_K + lambda_C @ descent_CK
    after_C = descent_CK @ projected_K
    slack_C = 1e-6 * projected_K.norm() * descent_CK.norm(dim=1)
    removed = float((lambda_C @ descent_CK).norm() / step_K.norm()) if step_K.any() else 0.0
    return projected_K, ConeStats(
        violations_before=int((~(dots_C >= margins_C)).sum()),
        violations_after=int((~(after_C >= margins_C - slack_C)).sum()),
        min_dot_before=float(dots_C.min()),
        min_dot_after=float(after_C.min()),
        removed_ratio=removed,
    )
