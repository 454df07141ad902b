"""The recurrent middle of an SSM layer: decay, scan and gate, as one operation on the CPU.

`s_t = a_t s_(t-1) + (1 - a_t) v_t`, `y_t = s_t silu(g_t)`, `a_t = sigmoid(l_t)`. Written with one
operator after another (`naive_gated_scan`), forward and backward read and write every array some
twenty times: a fifth of a training step, and half of what a short text takes to be read. On the CPU
it is two compiled passes (`gated_scan_numba.py`) that read and write half precision where the
layer's products do, and compute in single precision. Trained or frozen, with a graph or without, a
text gives the same bits.

Shapes: B batch, L tokens, H hidden.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ttt.core.scan import scan, scan_path


def gated_scan(
    value_and_gate_BLG: Float[Tensor, "batch length two_hidden"],
    logit_BLH: Float[Tensor, "batch length hidden"],
    start_BH: Float[Tensor, "batch hidden"] | None,
) -> tuple[Float[Tensor, "batch length hidden"], Float[Tensor, "batch hidden"]]:
    """Gated output and the state after the last token, differentiable in all three arguments.

    Args:
        value_and_gate_BLG: Values, and behind them as many gates.
        logit_BLH: Of the decay.
        start_BH: State before the first token; None starts from zeros.

    Source: own; the recurrence is that of `ttt.core.backbone.SsmLayer`.
    """
    fused = (
        logit_BLH.is_cpu
        and value_and_gate_BLG.dtype in (torch.float32, torch.bfloat16)
        and scan_path("cpu") == "numba"
        and not torch.compiler.is_compiling()  # The compiler fuses by itself.
    )
    if not fused:
        return naive_gated_scan(value_and_gate_BLG, logit_BLH, start_BH)
    if start_BH is None:
        start_BH = logit_BLH.new_zeros(logit_BLH.shape[0], logit_BLH.shape[2], dtype=torch.float32)
    logit_BLH = logit_BLH.to(value_and_gate_BLG.dtype)
    if not torch.is_grad_enabled():  # torch's own bookkeeping takes longer than a short text.
        s_BLH, y_BLH = _states_and_outputs(value_and_gate_BLG, logit_BLH, start_BH.float())
        return y_BLH, s_BLH[:, -1].clone()
    y_BLH, end_BH = _GatedScan.apply(value_and_gate_BLG, logit_BLH, start_BH.float())  # type: ignore[no-untyped-call] # torch leaves `apply` bare
    return y_BLH, end_BH


def _states_and_outputs(
    value_and_gate_BLG: Tensor, logit_BLH: Tensor, start_BH: Tensor
) -> tuple[Tensor, Tensor]:
    from ttt.core import gated_scan_numba

    return gated_scan_numba.values(
        value_and_gate_BLG.contiguous(), logit_BLH.contiguous(), start_BH
    )


def naive_gated_scan(
    value_and_gate_BLG: Float[Tensor, "batch length two_hidden"],
    logit_BLH: Float[Tensor, "batch length hidden"],
    start_BH: Float[Tensor, "batch hidden"] | None,
) -> tuple[Float[Tensor, "batch length hidden"], Float[Tensor, "batch hidden"]]:
    """The readable twin, and what runs elsewhere than on the CPU.

    `1 - a` is computed as `sigmoid(-l)`, so that it does not vanish in rounding when the decay is
    close to one; in half precision a decay close to one would *be* one, hence the wider type.
    """
    value_BLH, gate_BLH = value_and_gate_BLG.chunk(2, dim=-1)
    logit_BLH = logit_BLH.to(torch.promote_types(logit_BLH.dtype, torch.float32))
    s_BLH = scan(torch.sigmoid(logit_BLH), torch.sigmoid(-logit_BLH) * value_BLH, start_BH)
    return s_BLH * nn.functional.silu(gate_BLH), s_BLH[:, -1]


class _GatedScan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (torch gives the context no public type)
        value_and_gate_BLG: Tensor,
        logit_BLH: Tensor,
        start_BH: Tensor,
    ) -> tuple[Tensor, Tensor]:
        s_BLH, y_BLH = _states_and_outputs(value_and_gate_BLG, logit_BLH, start_BH)
        ctx.save_for_backward(value_and_gate_BLG, logit_BLH, start_BH, s_BLH)
        return y_BLH, s_BLH[:, -1].clone()

    @staticmethod
    def backward(ctx: Any, *up: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ANN401
        from ttt.core import gated_scan_numba

        up_BLH, up_end_BH = up
        vg_BLG, logit_BLH, start_BH, s_BLH = ctx.saved_tensors
        return gated_scan_numba.gradients(
            vg_BLG.contiguous(), logit_BLH.contiguous(), start_BH, s_BLH,
            up_BLH.contiguous(), up_end_BH,
        )  # fmt: skip
