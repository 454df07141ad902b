"""Cross-entropy of a tied head, in row tiles and half precision: the largest cost of training.

The logits of a batch never exist at once: each tile is multiplied, turned into its gradient and
dropped, so a step needs memory for one tile. The gradient is formed on the way forward, because the
probabilities are at hand there. Twin: `naive_head_loss`.

Shapes: N predicted tokens, D width, V vocabulary, R rows of a tile.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ttt.core.scan import scan_path

READ_COMPILED = (torch.float32, torch.bfloat16)
"""What the compiled loop reads."""
TILE_ROWS = 256
"""Own: a tile of logits then fits in the second-level cache at the usual vocabularies."""


def naive_head_loss(
    features_ND: Float[Tensor, "predicted width"],
    head_VD: Float[Tensor, "vocabulary width"],
    targets_N: Int[Tensor, " predicted"],
) -> Float[Tensor, ""]:
    """Mean cross-entropy in nats, in one piece and full precision."""
    return nn.functional.cross_entropy(features_ND @ head_VD.T, targets_N)


def head_loss(
    features_ND: Float[Tensor, "predicted width"],
    head_VD: Float[Tensor, "vocabulary width"],
    targets_N: Int[Tensor, " predicted"],
    *,
    precision: torch.dtype = torch.bfloat16,
) -> Float[Tensor, ""]:
    """Mean cross-entropy in nats; differentiable once in features and head.

    Args:
        features_ND: Features after the norm.
        head_VD: Output matrix.
        targets_N: Token ids.
        precision: Of the matrix products; sums over tiles and the soft-max are single precision.
    """
    loss: Tensor = _HeadLoss.apply(features_ND, head_VD, targets_N, precision)  # type: ignore[no-untyped-call] # torch leaves `apply` bare
    return loss


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (torch gives the context no public type)
        features_ND: Tensor,
        head_VD: Tensor,
        targets_N: Tensor,
        precision: torch.dtype,
    ) -> Tensor:
        count = len(targets_N)
        head = head_VD.to(precision)
        grad_features_ND = torch.empty_like(features_ND)
        grad_head_VD = torch.zeros_like(head_VD)
        loss = features_ND.new_zeros(())
        for start in range(0, count, TILE_ROWS):
            rows = slice(start, start + TILE_ROWS)
            features_RD = features_ND[rows].to(precision)
            error_RV, loss_sum = _errors(features_RD @ head.T, targets_N[rows])
            loss += loss_sum
            grad_features_ND[rows] = error_RV @ head
            _add_product(grad_head_VD, error_RV.T, features_RD)
        ctx.save_for_backward(grad_features_ND.div_(count), grad_head_VD.div_(count))
        return loss / count

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:  # noqa: ANN401
        grad_features_ND, grad_head_VD = ctx.saved_tensors
        return grad * grad_features_ND, grad * grad_head_VD, None, None


def _errors(logits_RV: Tensor, targets_R: Tensor) -> tuple[Tensor, Tensor]:
    """`softmax - onehot` in the logits' own precision, and the sum of the losses in nats.

    The logits may be lost.
    """
    if not (logits_RV.is_cpu and logits_RV.dtype in READ_COMPILED and scan_path("cpu") == "numba"):
        return _naive_errors(logits_RV, targets_R)
    from ttt.core.half_numba import bits_of, shift_of
    from ttt.text_lm.head_loss_numba import errors_in_place

    losses_R = np.empty(len(targets_R))
    errors_in_place(bits_of(logits_RV), targets_R.numpy(), shift_of(logits_RV), losses_R)
    return logits_RV, torch.tensor(losses_R.sum())


def _naive_errors(logits_RV: Tensor, targets_R: Tensor) -> tuple[Tensor, Tensor]:
    """The readable twin."""
    wide_RV, targets_R1 = logits_RV.float(), targets_R[:, None]
    chosen_R1 = wide_RV.gather(1, targets_R1)
    highest_R1 = wide_RV.amax(dim=1, keepdim=True)
    p_RV = torch.softmax(wide_RV, dim=1)
    # log p of the target, which itself may vanish: the norm stands in the largest p.
    norm_R1 = highest_R1 - p_RV.amax(dim=1, keepdim=True).log()
    error_RV = p_RV.scatter_add_(1, targets_R1, -torch.ones_like(chosen_R1))
    return error_RV.to(logits_RV.dtype), (norm_R1 - chosen_R1).sum()


def _add_product(sum_VD: Tensor, left_VR: Tensor, right_RD: Tensor) -> None:
    """`sum += left @ right`, added in the type of the sum."""
    if left_VR.dtype == sum_VD.dtype:
        sum_VD.addmm_(left_VR, right_RD)
    else:
        sum_VD += left_VR @ right_RD
