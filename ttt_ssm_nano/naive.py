"""The plain loop that speed is measured against: eager tensors, one step of time at a time.

What anybody would write first. It computes what `arithmetic.features` and `arithmetic.misses`
compute for one session, and a test holds the two together. Nothing else calls it.

Shapes: T steps, X inputs, S states, Y outputs.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ttt_ssm_nano.plastic_ssm import NanoBase


def eager_trajectory(
    base: NanoBase,
    h_S: Float[Tensor, " states"],
    x_TX: Float[Tensor, "time inputs"],
    y_TY: Float[Tensor, "time outputs"],
) -> tuple[Float[Tensor, "time states"], Float[Tensor, "time outputs"]]:
    """Read a trajectory step by step.

    Args:
        base: The model.
        h_S: State before the first step.
        x_TX: What it reads.
        y_TY: What it should predict.

    Returns:
        The state after each step, and prediction minus target.
    """
    decay_S, W_u_UX, B_SU, W_o_YS = (
        torch.tensor(array) for array in (base.decay_S, base.W_u_UX, base.B_SU, base.W_o_YS)
    )
    states, misses = [], []
    for x_X, y_Y in zip(x_TX, y_TY, strict=True):
        u_U = W_u_UX @ x_X
        h_S = decay_S * h_S + B_SU @ u_U
        states.append(h_S)
        misses.append(W_o_YS @ h_S - y_Y)
    return torch.stack(states), torch.stack(misses)
