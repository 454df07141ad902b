"""What a chunk of tokens is asked to predict: autoregressive (AR) or masked (MLM).

Both are cross-entropy at some positions of some input, which is all that the closed-form gradient
(`closed_form.py`) needs to know: an objective turns tokens into `Examples` and nothing else.

Adding one: subclass `TTTObjective`, then `OBJECTIVES.register("name", Class)`; docs/extending.md
shows it in ten lines.

Shapes: B batch, L tokens, S input tokens, N predicted positions.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ttt.core.model import LanguageModel, adapt
from ttt.core.tokens import MASK_ID
from ttt.errors import ConfigError
from ttt.lib.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Inputs and what to predict from them."""

    inputs_BS: Int[Tensor, "batch inputs"]
    """What the backbone reads."""
    positions_N: Int[Tensor, " predicted"]
    """Which features predict: indices into the flattened (B * S) inputs."""
    targets_N: Int[Tensor, " predicted"]
    """The token each of them should predict."""


class TTTObjective(ABC):
    """Turns tokens into cross-entropy examples."""

    reads_on: ClassVar[bool]
    """True: inputs are the text itself, left to right, so the recurrent state may be carried from
    chunk to chunk. False: inputs are altered, each chunk is read from a fresh state."""

    @abstractmethod
    def examples(
        self, tokens_BL: Int[Tensor, "batch length"], generator: torch.Generator | None = None
    ) -> Examples:
        """Make the examples of a batch of token sequences.

        Args:
            tokens_BL: Token ids; an objective that reads on gets one token of context in front.
            generator: Randomness for objectives that draw (MLM); the same state, the same masks.
        """

    def compute_loss(
        self,
        model: LanguageModel,
        tokens_BL: Int[Tensor, "batch length"],
        *,
        adapter_DD: Float[Tensor, "width width"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats, differentiable in model and adapter: the readable twin."""
        examples = self.examples(tokens_BL, generator)
        features_BSD, _ = model.features(examples.inputs_BS)
        features_ND = features_BSD.flatten(0, 1)[examples.positions_N]
        logits_NV = adapt(features_ND, adapter_DD) @ model.head_VD.T
        return nn.functional.cross_entropy(logits_NV.float(), examples.targets_N)


class AutoRegressive(TTTObjective):
    """Predict each token from those before it (shifted cross-entropy)."""

    reads_on: ClassVar[bool] = True

    def examples(
        self, tokens_BL: Int[Tensor, "batch length"], generator: torch.Generator | None = None
    ) -> Examples:
        """Inputs are all tokens but the last, targets all but the first."""
        del generator
        inputs_BS = tokens_BL[:, :-1]
        if inputs_BS.shape[1] == 0:
            raise ConfigError("The AR objective needs at least 2 tokens (one to read, one to say).")
        positions_N = torch.arange(inputs_BS.numel(), device=tokens_BL.device)
        return Examples(
            inputs_BS=inputs_BS, positions_N=positions_N, targets_N=tokens_BL[:, 1:].reshape(-1)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Masked(TTTObjective):
    """Hide tokens behind `<mask>` and predict them from their left context.

    Each position but the first and the last is hidden with probability `mask_probability`; a
    sequence in which chance hid none hides its middle one. The backbones read left to right, so
    this is a denoising objective, not BERT's two-sided one.
    """

    reads_on: ClassVar[bool] = False
    mask_probability: float = 0.15

    def __post_init__(self) -> None:
        if not (0.0 < self.mask_probability < 1.0):
            raise ConfigError(f"mlm_prob must lie between 0 and 1, not {self.mask_probability!r}.")

    def examples(
        self, tokens_BL: Int[Tensor, "batch length"], generator: torch.Generator | None = None
    ) -> Examples:
        """Inputs are the tokens with some hidden, targets are the hidden ones."""
        batch, length = tokens_BL.shape
        if length == 0:
            raise ConfigError("The MLM objective needs at least 1 token.")
        chance_BL = torch.rand(batch, length, generator=generator)
        hidden_BL = chance_BL < self.mask_probability
        hidden_BL[:, 0] = False
        hidden_BL[:, -1] = False
        hidden_BL[~hidden_BL.any(dim=1), length // 2] = True
        hidden_BL = hidden_BL.to(tokens_BL.device)
        return Examples(
            inputs_BS=tokens_BL.masked_fill(hidden_BL, MASK_ID),
            positions_N=hidden_BL.flatten().nonzero()[:, 0],
            targets_N=tokens_BL[hidden_BL],
        )


OBJECTIVES: Registry[Callable[[float], TTTObjective]] = Registry("objective")
"""Name -> factory; the argument is the mask probability, which only some objectives use."""
OBJECTIVES.register("ar", lambda _mask_probability: AutoRegressive())
OBJECTIVES.register("mlm", lambda p: Masked(mask_probability=p))
