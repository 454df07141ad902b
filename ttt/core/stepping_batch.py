"""One token of each of many sequences: what they share is one matrix product for all of them.

For one sequence a step is bound by reading the weights (`stepping.py`); here they are read once for
all, and what is left is arithmetic. Between the products stand compiled loops over rows, which stay
in the nearest cache: as tensor operations they would take longer than the products.

Fast weights are a matrix for each sequence, kept as (in, out): so a row of features walks down
contiguous memory.

Shapes: B sequences, D width, V vocabulary, N layers, H hidden.
"""

from collections.abc import Callable
from typing import TypeAlias, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ttt.core.backbone import GruBackbone, SsmBackbone, SsmLayer
from ttt.core.model import LanguageModel
from ttt.core.stepping import compiles
from ttt.lib.products import linear, product

Layer: TypeAlias = Callable[[Tensor, Tensor], None]
"""One token of each sequence through a layer; residual (B, D) and state (B, H) are overwritten."""


class BatchStepper:
    """A frozen model made ready to read a token of each of many sequences at a time.

    Args:
        model: Where it is not one the loops were written for, it reads texts of one token itself,
            which is the readable twin.
    """

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._layers: list[Layer] = []
        if compiles(model):
            known = isinstance(model.backbone, GruBackbone)
            self._layers = _gru_layers(model) if known else _ssm_layers(model)

    @torch.no_grad()
    def step(
        self,
        tokens_B: Int[Tensor, " sequences"],
        state_BNH: Float[Tensor, "sequences layers hidden"],
    ) -> Float[Tensor, "sequences width"]:
        """Read one token of each sequence.

        Args:
            tokens_B: Ids below V.
            state_BNH: The recurrent states; **overwritten** by the next.

        Returns:
            Features.
        """
        if not self._layers:
            features_BLD, end_BNH = self._model.features(tokens_B[:, None], state_BNH)
            state_BNH[:] = end_BNH
            return features_BLD[:, 0]
        x_BD = self._model.head_VD[tokens_B]
        for n, layer in enumerate(self._layers):
            state_BH = state_BNH[:, n].contiguous()
            layer(x_BD, state_BH)
            state_BNH[:, n] = state_BH
        return _normalised(x_BD, self._model.norm.weight)

    @torch.no_grad()
    def logits(
        self,
        features_BD: Float[Tensor, "sequences width"],
        adapters_BDD: Float[Tensor, "sequences width width"] | None = None,
    ) -> Float[Tensor, "sequences vocabulary"]:
        """Scores of the next token.

        Args:
            features_BD: As `step` gave them.
            adapters_BDD: Fast weights of each sequence, stored (in, out).
        """
        if adapters_BDD is None:
            return product(features_BD, self._model.head_VD.T)
        if not self._layers:
            features_BD = torch.baddbmm(features_BD[:, None], features_BD[:, None], adapters_BDD)[
                :, 0
            ]
            return product(features_BD, self._model.head_VD.T)
        from ttt.core.step_numba import project_rows

        adapted_BD = torch.empty_like(features_BD)
        project_rows(features_BD.numpy(), adapters_BDD.contiguous().numpy(), adapted_BD.numpy())
        return product(adapted_BD, self._model.head_VD.T)


def _gru_layers(model: LanguageModel) -> list[Layer]:
    from ttt.core.step_numba import advance_rows

    def layer(norm: nn.RMSNorm, cell: nn.GRU, out: nn.Linear) -> Layer:
        w_in, w_carried, b_in, b_carried = cell.all_weights[0]

        def step(x_BD: Tensor, h_BH: Tensor) -> None:
            in_BG = linear(_normalised(x_BD, norm.weight), w_in, b_in)
            carried_BG = linear(h_BH, w_carried, b_carried)
            advance_rows(in_BG.numpy(), carried_BG.numpy(), h_BH.numpy())
            x_BD += linear(h_BH, out.weight)

        return step

    backbone = cast("GruBackbone", model.backbone)
    parts = zip(backbone.norms, backbone.cells, backbone.outs, strict=True)
    return [
        layer(cast("nn.RMSNorm", norm), cast("nn.GRU", cell), cast("nn.Linear", out))
        for norm, cell, out in parts
    ]


def _ssm_layers(model: LanguageModel) -> list[Layer]:
    from ttt.core.step_numba import advance_ssm_rows

    def layer(part: SsmLayer) -> Layer:
        w_in = torch.cat([part.value_and_gate.weight, part.decay.weight])
        free = part.decay.bias.new_zeros(part.value_and_gate.out_features)
        b_in = torch.cat([free, part.decay.bias])

        def step(x_BD: Tensor, s_BH: Tensor) -> None:
            in_BE = linear(_normalised(x_BD, part.norm.weight), w_in, b_in)
            y_BH = torch.empty_like(s_BH)
            advance_ssm_rows(in_BE.numpy(), s_BH.numpy(), y_BH.numpy())
            x_BD += linear(y_BH, part.out.weight)

        return step

    return [layer(cast("SsmLayer", part)) for part in cast("SsmBackbone", model.backbone).layers]


def _normalised(x_BD: Tensor, weight_D: Tensor) -> Tensor:
    from ttt.core.step_numba import normalise_rows

    out_BD = torch.empty_like(x_BD)
    normalise_rows(x_BD.numpy(), weight_D.detach().numpy(), out_BD.numpy())
    return out_BD
