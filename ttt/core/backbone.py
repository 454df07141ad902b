"""Frozen recurrent backbones: a GRU and a diagonal selective state-space model (SSM).

A backbone maps embeddings to hidden states and carries a recurrent state from one call to the
next, so that reading a text in pieces equals reading it whole. After pretraining it is frozen:
nothing a model reads while it is used reaches these weights.

Adding one: subclass `RecurrentBackbone`, then `BACKBONES.register("name", Class)`;
docs/extending.md shows it in ten lines.

Shapes: B batch, L tokens, D width, H hidden units of one layer, N layers.
"""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ttt.core.gated_scan import gated_scan
from ttt.core.recurrence_gru import gru_forward
from ttt.core.rms_norm import rms_norm
from ttt.core.scan import scan_path
from ttt.lib.products import Linear, linear
from ttt.lib.registry import Registry

COMPILED_SEQUENCES_MAX = 8
"""Sequences read side by side up to which the compiled GRU, which takes one after the other, is the
faster way at every size. Source: own measurement, `benchmarks/scan.py`."""


class RecurrentBackbone(nn.Module, ABC):
    """Embeddings in, hidden states and recurrent state out.

    Attributes:
        state_shape: Shape of one sequence's recurrent state, (N, H).
    """

    state_shape: tuple[int, int]

    @abstractmethod
    def forward(
        self,
        x_BLD: Float[Tensor, "batch length width"],
        state_BNH: Float[Tensor, "batch layers hidden"] | None = None,
    ) -> tuple[Float[Tensor, "batch length width"], Float[Tensor, "batch layers hidden"]]:
        """Run the recurrence.

        Args:
            x_BLD: Embedded tokens, at least one per sequence.
            state_BNH: State after the tokens read so far; None starts from zeros.

        Returns:
            Hidden states (B, L, D) and the state after the last token (B, N, H).
        """


class BackboneFactory(Protocol):
    """What a registry entry must be: a class or function that builds a backbone."""

    def __call__(self, *, width: int, layers: int, hidden: int) -> RecurrentBackbone: ...


class GruBackbone(RecurrentBackbone):
    """A stack of pre-norm residual GRU layers.

    Args:
        width: Embedding width D.
        layers: Number of layers N.
        hidden: Units H of each GRU.

    Source: Cho et al. 2014 (arXiv 1406.1078), in the variant of `torch.nn.GRU`; the residual and
    the pre-norm are own, because a tied head wants the embedding's own directions kept.
    """

    def __init__(self, *, width: int, layers: int, hidden: int) -> None:
        super().__init__()
        self.state_shape = (layers, hidden)
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(layers))
        self.cells = nn.ModuleList(nn.GRU(width, hidden, batch_first=True) for _ in range(layers))
        self.outs = nn.ModuleList(Linear(hidden, width, bias=False) for _ in range(layers))

    def forward(
        self,
        x_BLD: Float[Tensor, "batch length width"],
        state_BNH: Float[Tensor, "batch layers hidden"] | None = None,
    ) -> tuple[Float[Tensor, "batch length width"], Float[Tensor, "batch layers hidden"]]:
        """See `RecurrentBackbone.forward`."""
        finals: list[Tensor] = []
        for n, (norm, cell, out) in enumerate(zip(self.norms, self.cells, self.outs, strict=True)):
            start_BH = None if state_BNH is None else state_BNH[:, n]
            cell, norm = cast("nn.GRU", cell), cast("nn.RMSNorm", norm)
            y_BLH, end_BH = _gru_states(cell, norm, x_BLD, start_BH)
            x_BLD = x_BLD + out(y_BLH)
            finals.append(end_BH)
        return x_BLD, torch.stack(finals, dim=1)


def _gru_states(
    cell: nn.GRU, norm: nn.RMSNorm, x_BLD: Tensor, start_BH: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Every state of one GRU layer, and the last: compiled where no gradient can be wanted."""
    if not _reads_compiled(cell, x_BLD):
        start_1BH = None if start_BH is None else start_BH[None].contiguous()
        with _walked_back(cell):
            y_BLH, end_1BH = cell(norm(x_BLD), start_1BH)
        return y_BLH, end_1BH[0]
    x_BLD = rms_norm(norm, x_BLD)
    w_ih, w_hh, b_ih, b_hh = cell.all_weights[0]
    if start_BH is None:
        start_BH = x_BLD.new_zeros(x_BLD.shape[0], cell.hidden_size)
    y_BLH = gru_forward(linear(x_BLD, w_ih, b_ih), w_hh, b_hh, start_BH)
    return y_BLH, y_BLH[:, -1]


def _walked_back(cell: nn.GRU) -> AbstractContextManager[None]:
    """Off with cuDNN where it cannot find a gradient: through a GRU that is not in training."""
    if cell.training or not torch.is_grad_enabled():
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=False)


def _reads_compiled(cell: nn.GRU, x_BLD: Tensor) -> bool:
    """Whether a frozen GRU reads few sequences in float32 where the compiled loop runs.

    Decided by what the input is and whether anything has a gradient, never by `no_grad` alone: the
    two ways differ in the last bits, and a frozen model must read a text alike everywhere.
    """
    w_ih = cell.all_weights[0][0]
    return (
        not (x_BLD.requires_grad or w_ih.requires_grad)
        and x_BLD.shape[0] <= COMPILED_SEQUENCES_MAX
        and x_BLD.dtype == w_ih.dtype == torch.float32
        and not torch.is_autocast_enabled(x_BLD.device.type)
        and not (cell._forward_hooks or cell._forward_pre_hooks)  # A hook wants the call itself.
        and scan_path(x_BLD.device.type) == "numba"
    )


class SsmLayer(nn.Module):
    """One diagonal selective SSM: `s_t = a_t s_(t-1) + (1 - a_t) v_t`, read through a gate.

    The decay `a_t = sigmoid(W_a u_t + bias)` depends on the input, which makes the recurrence
    selective; `gated_scan.py` computes all of it between the matrix products.

    Source: selectivity from Gu & Dao 2023 (arXiv 2312.00752, section 3.2), in the state size of one
    and convex form of Feng et al. 2024 (arXiv 2410.01201, minGRU); bias spread is own: time scales
    from about 2 to 400 tokens, log-spaced, as S4D's initialisation does for its real decays.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.value_and_gate = Linear(width, 2 * hidden, bias=False)
        self.decay = Linear(width, hidden)
        self.out = Linear(hidden, width, bias=False)
        with torch.no_grad():
            self.decay.bias.copy_(torch.linspace(0.0, 6.0, hidden))

    def forward(
        self,
        x_BLD: Float[Tensor, "batch length width"],
        start_BH: Float[Tensor, "batch hidden"] | None,
    ) -> tuple[Float[Tensor, "batch length width"], Float[Tensor, "batch hidden"]]:
        """Return the layer's residual output and its state after the last token."""
        u_BLD = rms_norm(self.norm, x_BLD)
        y_BLH, end_BH = gated_scan(self.value_and_gate(u_BLD), self.decay(u_BLD), start_BH)
        return x_BLD + self.out(y_BLH), end_BH


class SsmBackbone(RecurrentBackbone):
    """A stack of `SsmLayer`.

    Args:
        width: Embedding width D.
        layers: Number of layers N.
        hidden: State channels H of each layer.
    """

    def __init__(self, *, width: int, layers: int, hidden: int) -> None:
        super().__init__()
        self.state_shape = (layers, hidden)
        self.layers = nn.ModuleList(SsmLayer(width, hidden) for _ in range(layers))

    def forward(
        self,
        x_BLD: Float[Tensor, "batch length width"],
        state_BNH: Float[Tensor, "batch layers hidden"] | None = None,
    ) -> tuple[Float[Tensor, "batch length width"], Float[Tensor, "batch layers hidden"]]:
        """See `RecurrentBackbone.forward`."""
        finals: list[Tensor] = []
        for n, layer in enumerate(self.layers):
            x_BLD, end_BH = layer(x_BLD, None if state_BNH is None else state_BNH[:, n])
            finals.append(end_BH)
        return x_BLD, torch.stack(finals, dim=1)


BACKBONES: Registry[BackboneFactory] = Registry("backbone")
BACKBONES.register("gru", GruBackbone)
BACKBONES.register("ssm", SsmBackbone)
