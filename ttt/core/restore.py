"""A frozen model from its configuration and saved weights; no live model is touched.

Shapes: V vocabulary, D width.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ttt.core.model import LanguageModel, ModelConfig
from ttt.errors import CorruptArtifactError


def restore_model(config: ModelConfig, weights: Mapping[str, Tensor]) -> LanguageModel:
    """Build a frozen single-precision model from saved weights.

    Args:
        config: Its sizes.
        weights: One finite tensor of the right shape for every parameter, of any floating type.

    Raises:
        CorruptArtifactError: A weight is missing, unknown, misshapen or not finite.
    """
    with torch.device("meta"), _Uninitialised():
        model = LanguageModel(config)
    expected = model.state_dict()
    if expected.keys() != weights.keys():
        odd = sorted(expected.keys() ^ weights.keys())
        raise CorruptArtifactError(f"The saved weights lack or add {', '.join(odd)}.")
    for name, tensor in weights.items():
        if tensor.shape != expected[name].shape:
            raise CorruptArtifactError(
                f"The saved weight {name} has shape {tuple(tensor.shape)}, but the model's is "
                f"{tuple(expected[name].shape)}."
            )
        if not bool(tensor.isfinite().all()):
            raise CorruptArtifactError(f"The saved weight {name} holds values that are not finite.")
    model.load_state_dict(
        {name: tensor.detach().clone().float() for name, tensor in weights.items()}, assign=True
    )
    return model.frozen()


class _Uninitialised(TorchFunctionMode):
    """Leaves out the functions of `torch.nn.init`.

    They would be for nothing, and drawing on the meta device loads torch's compiler: two seconds.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        given = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return given["tensor"] if "tensor" in given else args[0]
        return func(*args, **given)
