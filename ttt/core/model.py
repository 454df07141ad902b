"""The one language model: tokens -> embedding -> backbone -> norm -> h + W h -> tied head.

Everything in the module is frozen once it is trained. The plastic matrix W (the adapter) is not a
parameter of the module: it is handed to each call, so that no optimizer, no `load_state_dict` and
no gradient can reach it behind the transaction's back, and one frozen base serves any number of
sessions. `W = 0` is the frozen base itself.

Shapes: B batch, L tokens, D width, V vocabulary, N layers, H hidden.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ttt.core.backbone import BACKBONES
from ttt.core.rms_norm import rms_norm
from ttt.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The shape of a language model; with the weights' digest it is its signature."""

    backbone: str = "gru"
    """A name in `BACKBONES`."""
    vocab_size: int = 4096
    """Number of token ids V."""
    width: int = 128
    """Embedding width D; the adapter is D x D."""
    layers: int = 1
    """Recurrent layers N."""
    hidden: int = 256
    """Recurrent units H of each layer."""

    def __post_init__(self) -> None:
        BACKBONES.get(self.backbone)
        for name in ("vocab_size", "width", "layers", "hidden"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise ConfigError(f"{name} must be a whole number of at least 1, not {value!r}.")


class LanguageModel(nn.Module):
    """A recurrent language model with a place for fast weights.

    Args:
        config: Sizes and backbone name.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.width)
        nn.init.normal_(self.embed.weight, std=config.width**-0.5 / 4)
        self.backbone = BACKBONES.get(config.backbone)(
            width=config.width, layers=config.layers, hidden=config.hidden
        )
        self.norm = nn.RMSNorm(config.width)

    @property
    def head_VD(self) -> Float[Tensor, "vocabulary width"]:
        """The output matrix, tied to the embedding."""
        return self.embed.weight

    def features(
        self,
        tokens_BL: Int[Tensor, "batch length"],
        state_BNH: Float[Tensor, "batch layers hidden"] | None = None,
    ) -> tuple[Float[Tensor, "batch length width"], Float[Tensor, "batch layers hidden"]]:
        """Hidden states after the norm: everything the frozen part contributes.

        Args:
            tokens_BL: Token ids below V.
            state_BNH: Recurrent state to go on from; None starts afresh.

        Returns:
            Features (B, L, D) and the state after the last token.
        """
        hidden_BLD, end_BNH = self.backbone(self.embed(tokens_BL), state_BNH)
        return rms_norm(self.norm, hidden_BLD), end_BNH

    def forward(
        self,
        tokens_BL: Int[Tensor, "batch length"],
        *,
        adapter_DD: Float[Tensor, "width width"] | None = None,
        state_BNH: Float[Tensor, "batch layers hidden"] | None = None,
    ) -> tuple[Float[Tensor, "batch length vocabulary"], Float[Tensor, "batch layers hidden"]]:
        """Next-token logits, with the fast weights if they are given, and the new state."""
        features_BLD, end_BNH = self.features(tokens_BL, state_BNH)
        return adapt(features_BLD, adapter_DD) @ self.head_VD.T, end_BNH

    def frozen(self) -> "LanguageModel":
        """Switch to evaluation and forbid gradients; returns itself."""
        return self.eval().requires_grad_(False)


def adapt(
    features: Float[Tensor, "... width"], adapter_DD: Float[Tensor, "width width"] | None
) -> Float[Tensor, "... width"]:
    """Apply the plastic adapter: `h + W h` for every feature vector h."""
    if adapter_DD is None:
        return features
    if features.ndim == 2:
        return torch.addmm(features, features, adapter_DD.T)  # One call instead of two.
    return features + features @ adapter_DD.T


def random_model(config: ModelConfig, *, seed: int) -> LanguageModel:
    """An untrained, frozen model whose weights depend on nothing but `config` and `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LanguageModel(config).frozen()


def signature(model: LanguageModel) -> str:
    """SHA-256 over the configuration and every weight: what a session's commits are bound to."""
    digest = hashlib.sha256(json.dumps(asdict(model.config), sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
