"""One token after another: the recurrent step and the head of one sequence, without a graph.

Reading a text costs one matrix product a layer; writing one costs a call of every operator for
each token, and those calls, not the arithmetic, are then most of its time. Here a step is a few
compiled loops (`step_numba.py`) where the model is one of ours in float32 on the CPU, and
everywhere else the model itself on a text of one token (`NaiveStepper`, the readable twin). Whoever
adds a backbone gets the second without doing anything.

A `NextToken` turns features into scores and is where reading is guarded: hand in one that mixes
experts, and everything that is written is written by the mixture.

Shapes: D width, V vocabulary, N layers, H hidden.
"""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ttt.core.backbone import GruBackbone, SsmBackbone, SsmLayer
from ttt.core.model import LanguageModel, adapt
from ttt.core.scan import scan_path

Layers: TypeAlias = Callable[[npt.NDArray[np.float32], npt.NDArray[np.float32]], None]
"""One token through all layers; residual (D,) and state (N, H) are overwritten."""


@runtime_checkable
class NextToken(Protocol):
    """Scores every id as the next token."""

    def __call__(self, features_D: Tensor) -> Tensor:
        """Logits (V,), or log-probabilities: a constant added to all of them does not matter.

        Args:
            features_D: What the frozen part feels after the last token.
        """


@runtime_checkable
class Stepper(Protocol):
    """A frozen model made ready to read one token at a time; it keeps no state of any text."""

    def step(self, token_id: int, state_NH: Tensor) -> Tensor:
        """Read one token.

        Args:
            token_id: Below V; not checked.
            state_NH: The recurrent state, on the model's device; **overwritten** by the next.

        Returns:
            Features (D,).
        """

    def head(self, adapter_DD: Tensor | None = None) -> NextToken:
        """The model's own scores, under fast weights if they are given."""


def make_stepper(model: LanguageModel) -> Stepper:
    """The fastest stepper for this model. It copies the weights: keep it for the base's life."""
    return CompiledStepper(model) if compiles(model) else NaiveStepper(model)


def compiles(model: LanguageModel) -> bool:
    """Whether the compiled loops were written for this model, its precision and its device."""
    return (
        type(model.backbone) in (GruBackbone, SsmBackbone)
        and model.head_VD.dtype == torch.float32
        and scan_path(model.head_VD.device.type) == "numba"
    )


class NaiveStepper:
    """The readable twin: the model itself reads a text of one token."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    @torch.no_grad()
    def step(self, token_id: int, state_NH: Tensor) -> Tensor:
        """See `Stepper.step`."""
        tokens_BL = torch.tensor([[token_id]], device=state_NH.device)
        features_BLD, end_BNH = self._model.features(tokens_BL, state_NH[None])
        state_NH[:] = end_BNH[0]
        return features_BLD[0, 0]

    def head(self, adapter_DD: Tensor | None = None) -> NextToken:
        """See `Stepper.head`."""

        @torch.no_grad()
        def score(features_D: Tensor) -> Tensor:
            return adapt(features_D, adapter_DD) @ self._model.head_VD.T

        return score


class CompiledStepper:
    """The same in compiled loops, for the backbones they know, float32 and the CPU."""

    def __init__(self, model: LanguageModel) -> None:
        from ttt.core import gru_numba, step_numba

        backbone = model.backbone
        if isinstance(backbone, GruBackbone):
            self._layers = _gru_layers(backbone)
        else:
            self._layers = _ssm_layers(cast("SsmBackbone", backbone))
        self._embed_VD, self._norm_D = _array(model.head_VD), _array(model.norm.weight)
        self._head_DV = _array(model.head_VD.T)
        self._none_V = np.zeros(model.config.vocab_size, np.float32)
        self._normalise, self._project = step_numba.normalise, gru_numba.project

    def step(self, token_id: int, state_NH: Tensor) -> Tensor:
        """See `Stepper.step`."""
        x_D = self._embed_VD[token_id].copy()
        self._layers(x_D, state_NH.numpy())
        self._normalise(x_D, self._norm_D, x_D)
        return torch.from_numpy(x_D)

    def head(self, adapter_DD: Tensor | None = None) -> NextToken:
        """See `Stepper.head`."""
        adapter_in_out = None if adapter_DD is None else _array(adapter_DD.float().T)

        def score(features_D: Tensor) -> Tensor:
            adapted_D = features_D.numpy()
            if adapter_in_out is not None:
                adapted_D = adapted_D.copy()
                self._project(features_D.numpy(), adapter_in_out, adapted_D, adapted_D)
            logits_V = torch.empty(len(self._none_V))
            self._project(adapted_D, self._head_DV, self._none_V, logits_V.numpy())
            return logits_V

        return score


def _gru_layers(backbone: GruBackbone) -> Layers:
    """The layers of a GRU as a function of one token, their weights laid out for `gru_stack`."""
    from ttt.core.step_numba import gru_stack

    cells = [cast("nn.GRU", cell).all_weights[0] for cell in backbone.cells]
    weights = (
        _stacked(cast("nn.RMSNorm", norm).weight for norm in backbone.norms),
        _stacked(torch.cat([w_in, w_carried], dim=1).T for w_in, w_carried, _, _ in cells),
        _stacked(torch.stack([b_in, b_carried]) for _, _, b_in, b_carried in cells),
        _stacked(cast("nn.Linear", out).weight.T for out in backbone.outs),
    )
    return lambda x_D, h_NH: gru_stack(x_D, h_NH, *weights)


def _ssm_layers(backbone: SsmBackbone) -> Layers:
    """The layers of an SSM as a function of one token, their weights laid out for `ssm_stack`."""
    from ttt.core.step_numba import ssm_stack

    parts = [cast("SsmLayer", part) for part in backbone.layers]
    free = torch.zeros(parts[0].value_and_gate.out_features)  # Value and gate have no bias.
    weights = (
        _stacked(part.norm.weight for part in parts),
        _stacked(torch.cat([p.value_and_gate.weight, p.decay.weight]).T for p in parts),
        _stacked(torch.cat([free, part.decay.bias]) for part in parts),
        _stacked(part.out.weight.T for part in parts),
    )
    return lambda x_D, s_NH: ssm_stack(x_D, s_NH, *weights)


def _stacked(weights: Iterable[Tensor]) -> npt.NDArray[np.float32]:
    """One weight of every layer, layer after layer."""
    return _array(torch.stack(list(weights)))


def _array(weight: Float[Tensor, "..."]) -> npt.NDArray[np.float32]:
    """A weight as the loops want it: without gradient, contiguous; copied only where it is not."""
    array: npt.NDArray[np.float32] = weight.detach().contiguous().numpy()
    return array
