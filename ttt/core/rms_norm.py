"""Root-mean-square normalisation as one operation on the CPU.

`y = x / sqrt(mean(x^2) + eps) * w`. torch computes it with one operator after another, forward and
backward, and casts the result to half precision once for each product behind it. On the CPU it is
one compiled pass each way (`rms_norm_numba.py`), and its result comes in the precision of the
products. The twin is the module itself, which runs elsewhere.

Shapes: B batch, L tokens, D width, N tokens of all texts.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ttt.core.scan import scan_path


def rms_norm(
    norm: nn.RMSNorm, x_BLD: Float[Tensor, "batch length width"]
) -> Float[Tensor, "batch length width"]:
    """The norm of each token's features, differentiable once.

    Args:
        norm: Over the last dimension, with a weight.
        x_BLD: What to normalise.

    Returns:
        On the CPU in the precision of the products that follow.

    Source: Zhang & Sennrich 2019 (arXiv 1910.07467), equation 4.
    """
    fused = (
        x_BLD.is_cpu
        and x_BLD.dtype == norm.weight.dtype == torch.float32
        and scan_path("cpu") == "numba"
        and not torch.compiler.is_compiling()  # The compiler fuses by itself.
        and not (norm._forward_hooks or norm._forward_pre_hooks)  # A hook wants the call itself.
    )
    if not fused:
        normed_BLD: Tensor = norm(x_BLD)
        return normed_BLD
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x_BLD.dtype
    eps = torch.finfo(x_BLD.dtype).eps if norm.eps is None else norm.eps
    if not torch.is_grad_enabled():  # torch's own bookkeeping takes longer than a short text.
        return _normed(x_BLD, norm.weight, eps, dtype)[0]
    y_BLD: Tensor = _RmsNorm.apply(x_BLD, norm.weight, eps, dtype)  # type: ignore[no-untyped-call] # torch leaves `apply` bare
    return y_BLD


def _normed(
    x_BLD: Tensor, weight_D: Tensor, eps: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    from ttt.core import rms_norm_numba

    return rms_norm_numba.normed(x_BLD.contiguous(), weight_D, eps, dtype)


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (torch gives the context no public type)
        x_BLD: Tensor,
        weight_D: Tensor,
        eps: float,
        dtype: torch.dtype,
    ) -> Tensor:
        x_BLD = x_BLD.contiguous()
        y_BLD, scale_N = _normed(x_BLD, weight_D, eps, dtype)
        ctx.save_for_backward(x_BLD, weight_D, scale_N)
        return y_BLD

    @staticmethod
    def backward(ctx: Any, up_BLD: Tensor) -> tuple[Tensor, Tensor, None, None]:  # noqa: ANN401
        from ttt.core import rms_norm_numba

        x_BLD, weight_D, scale_N = ctx.saved_tensors
        found = rms_norm_numba.gradients(x_BLD, weight_D, scale_N, up_BLD.contiguous())
        return (*found, None, None)
