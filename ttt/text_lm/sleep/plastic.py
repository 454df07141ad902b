"""Which parameters a night may move: the backbone's and the norm's.

The embedding is the head, too. It stays, so that every canary and every adapter of the base still
means what it meant.
"""

import copy

import torch
from torch import nn

from ttt.core.model import LanguageModel


def movable_copy(model: LanguageModel) -> LanguageModel:
    """A model of its own whose backbone and norm can be trained."""
    own = copy.deepcopy(model).train()
    own.requires_grad_(False)
    for parameter in movable(own):
        parameter.requires_grad_(True)
    return own


def movable(model: LanguageModel) -> list[nn.Parameter]:
    """The parameters of backbone and norm, always in the same order."""
    return [*model.backbone.parameters(), *model.norm.parameters()]


def flat(tensors: list[torch.Tensor]) -> torch.Tensor:
    """Some tensors as one vector."""
    return torch.cat([tensor.detach().flatten() for tensor in tensors])
