"""The GRU's recurrence for reading with frozen weights: one short text at a time, without a graph.

`torch.nn.GRU` pays a handful of operator calls per token; for one sequence those calls, and not
the arithmetic, are most of its time. Here the loop over tokens is compiled (`gru_numba.py`) and
the input projection is left to one matrix product of the caller. It has no gradient and refuses
to be asked for one: training keeps `torch.nn.GRU`.

Shapes: B batch, L tokens, D hidden units, G = 3 D gate inputs in the order reset, update, new.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.core.scan import scan_path
from ttt.errors import ConfigError


def gru_forward(
    gates_in_BLG: Float[Tensor, "batch length gates"],
    w_hh: Float[Tensor, "gates hidden"],
    b_hh: Float[Tensor, " gates"],
    h0: Float[Tensor, "batch hidden"],
) -> Float[Tensor, "batch length hidden"]:
    """Run the recurrence of one GRU layer.

    float32 on the CPU takes the compiled loop wherever the scan takes its own (`scan_path`);
    anything else takes `naive_gru_forward`. Sequences are computed one after the other, which is
    the right way for few of them and the wrong one for dozens.

    Args:
        gates_in_BLG: `x @ w_ih.T + b_ih`, as in `torch.nn.GRU`.
        w_hh: Recurrent weights, `weight_hh_l0` of `torch.nn.GRU`. The loop reads them transposed:
            hand in `stored.T` of a contiguous (D, G) matrix and nothing is copied.
        b_hh: Recurrent bias.
        h0: State before the first token.

    Returns:
        The state after each token.

    Raises:
        ConfigError: The shapes do not belong together, or a gradient would be lost.

    Source: Cho et al. 2014 (arXiv 1406.1078), in the variant of `torch.nn.GRU`, whose reset gate
    acts after the recurrent product.
    """
    arguments = (gates_in_BLG, w_hh, b_hh, h0)
    _check(*arguments)
    if any(tensor.dtype != torch.float32 for tensor in arguments):
        return naive_gru_forward(*arguments)
    if scan_path(gates_in_BLG.device.type) != "numba":
        return naive_gru_forward(*arguments)
    from ttt.core import gru_numba

    return gru_numba.states(gates_in_BLG, w_hh.T, b_hh, h0)


def naive_gru_forward(
    gates_in_BLG: Float[Tensor, "batch length gates"],
    w_hh: Float[Tensor, "gates hidden"],
    b_hh: Float[Tensor, " gates"],
    h0: Float[Tensor, "batch hidden"],
) -> Float[Tensor, "batch length hidden"]:
    """The readable twin of `gru_forward`: the definition, token by token."""
    h_BD, states = h0, []
    for t in range(gates_in_BLG.shape[1]):
        reset_in, update_in, new_in = gates_in_BLG[:, t].chunk(3, dim=-1)
        reset_h, update_h, new_h = (h_BD @ w_hh.T + b_hh).chunk(3, dim=-1)
        update_BD = torch.sigmoid(update_in + update_h)
        new_BD = torch.tanh(new_in + torch.sigmoid(reset_in + reset_h) * new_h)
        h_BD = new_BD + update_BD * (h_BD - new_BD)
        states.append(h_BD)
    return torch.stack(states, dim=1)


def _check(gates_in_BLG: Tensor, w_hh: Tensor, b_hh: Tensor, h0: Tensor) -> None:
    """Refuse shapes that the compiled loop would read out of bounds, and lost gradients."""
    hidden = w_hh.shape[-1]
    batch, length, gates = gates_in_BLG.shape
    wanted = ((3 * hidden, hidden), (3 * hidden,), (batch, hidden), 3 * hidden)
    if (w_hh.shape, b_hh.shape, h0.shape, gates) != wanted or length < 1:
        raise ConfigError(
            f"A GRU of {hidden} units needs gate inputs (batch, length >= 1, {3 * hidden}), "
            f"weights {wanted[0]}, bias {wanted[1]} and a start {wanted[2]}, not "
            f"{[tuple(t.shape) for t in (gates_in_BLG, w_hh, b_hh, h0)]}."
        )
    if torch.is_grad_enabled() and any(t.requires_grad for t in (gates_in_BLG, w_hh, b_hh, h0)):
        raise ConfigError("gru_forward has no gradient; call it under torch.no_grad().")
