"""What a trained model is worth and how its loss curves: held-out losses, Fisher factors.

Shapes: B batch, S input tokens, L tokens, N predicted positions, D width, V vocabulary.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from ttt.core.fisher import Fisher, fisher_factors
from ttt.core.model import LanguageModel, adapt
from ttt.core.objective import AutoRegressive, Examples, Masked, TTTObjective
from ttt.core.tokens import BytePairs
from ttt.text_lm.bulk_encoding import token_bytes
from ttt.text_lm.windows import Mixture

BATCH = 16
FISHER_TOKENS_MIN = 100_000
"""Own: with fewer the small eigenvalues of factors 128 wide hang on single texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutLoss:
    """Mean loss over the predicted tokens of held-out windows."""

    nats_per_token: float
    bits_per_byte: float
    tokens: int
    """How many tokens were predicted."""

    @property
    def perplexity(self) -> float:
        """Among how many equally likely tokens the model might as well choose; at most 1e300."""
        return math.exp(min(self.nats_per_token, 690.0))


def held_out_loss(
    model: LanguageModel,
    windows_BL: npt.NDArray[np.int64],
    *,
    objective: TTTObjective,
    encoder: BytePairs,
    seed: int = 0,
) -> HeldOutLoss:
    """Loss of a model on windows, each read from a fresh state.

    Args:
        model: In whatever mode; gradients are not recorded.
        windows_BL: Token ids.
        objective: What to predict.
        encoder: Tells how many bytes each predicted token stands for.
        seed: For objectives that draw: the same seed hides the same tokens.
    """
    bytes_V = torch.from_numpy(token_bytes(encoder))
    generator = torch.Generator().manual_seed(seed)
    device = model.head_VD.device
    nats, tokens, text_bytes = 0.0, 0, 0
    with torch.no_grad():
        for start in range(0, len(windows_BL), BATCH):
            tokens_BL = torch.from_numpy(windows_BL[start : start + BATCH]).to(device)
            examples = objective.examples(tokens_BL, generator)
            nats += summed_nats(model, examples)
            tokens += len(examples.targets_N)
            text_bytes += int(bytes_V[examples.targets_N.cpu()].sum())
    return HeldOutLoss(
        nats_per_token=nats / tokens,
        bits_per_byte=nats / math.log(2) / max(text_bytes, 1),
        tokens=tokens,
    )


@torch.no_grad()
def summed_nats(
    model: LanguageModel,
    examples: Examples,
    *,
    adapter_DD: Float[Tensor, "width width"] | None = None,
) -> float:
    """Cross-entropy over all predicted tokens of some examples, read from a fresh state.

    Args:
        model: In whatever mode.
        examples: On its device.
        adapter_DD: Fast weights to read them under.
    """
    features_BSD, _ = model.features(examples.inputs_BS)
    features_ND = adapt(features_BSD.flatten(0, 1)[examples.positions_N], adapter_DD)
    logits_NV = (features_ND @ model.head_VD.T).float()
    total = torch.nn.functional.cross_entropy(logits_NV, examples.targets_N, reduction="sum")
    return float(total)


def held_out_losses(
    model: LanguageModel,
    windows_BL: npt.NDArray[np.int64],
    encoder: BytePairs,
    *,
    mlm_length: int,
) -> dict[str, float]:
    """Losses under both objectives, rounded for a record.

    Args:
        model: Trained.
        windows_BL: Held-out token ids.
        encoder: The tokenizer.
        mlm_length: The masked objective reads each window's first so many tokens, because it is
            trained on windows of that length.

    Returns:
        `ar_` and `mlm_` each with `nats_per_token`, `bits_per_byte` and `tokens`.
    """
    figures: dict[str, float] = {}
    objectives: tuple[tuple[str, TTTObjective, int], ...] = (
        ("ar", AutoRegressive(), windows_BL.shape[1]),
        ("mlm", Masked(), mlm_length),
    )
    for name, objective, length in objectives:
        loss = held_out_loss(model, windows_BL[:, :length], objective=objective, encoder=encoder)
        figures[f"{name}_nats_per_token"] = round(loss.nats_per_token, 4)
        figures[f"{name}_bits_per_byte"] = round(loss.bits_per_byte, 4)
        figures[f"{name}_tokens"] = loss.tokens
    return figures


def fisher_over(
    model: LanguageModel, data: Mixture, *, seed: int, tokens_min: int = FISHER_TOKENS_MIN
) -> tuple[Fisher, int]:
    """Fisher factors over random training windows, and over how many tokens they were taken.

    Args:
        model: Trained.
        data: What it was trained on.
        seed: Decides which windows are drawn.
        tokens_min: Over at least so many.
    """
    generator = np.random.default_rng([seed, FISHER_TOKENS_MIN])
    features: list[torch.Tensor] = []
    count = 0
    with torch.no_grad():
        while count < tokens_min:
            tokens_BL = torch.from_numpy(data.draw(BATCH, generator)).to(model.head_VD.device)
            features.append(model.features(tokens_BL)[0].flatten(0, 1))
            count += len(features[-1])
    return fisher_factors(torch.cat(features), model.head_VD), count
