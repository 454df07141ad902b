"""Texts of any length as rows that are read from a fresh state, side by side.

Behind the end of a row stands padding, which a network that reads left to right has not seen when
it predicts the row; no loss is taken there.

Shapes: B rows, S input tokens, N predicted positions.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.core.model import LanguageModel
from ttt.core.objective import Examples
from ttt.core.tokens import BOS_ID, PAD_ID, TextEncoder
from ttt.text_lm.evaluate import summed_nats

Row = tuple[int, ...]
"""Token ids: the first is read, the others are predicted."""


def rows_of(text: str, encoder: TextEncoder, *, seq_len: int) -> list[Row]:
    """A text as rows of at most `seq_len` predicted tokens, each begun by `<bos>`.

    Args:
        text: Any text.
        encoder: The model's tokenizer.
        seq_len: Tokens that one row predicts at most.
    """
    ids = encoder.encode(text)
    return [(BOS_ID, *ids[at : at + seq_len]) for at in range(0, len(ids), seq_len)]


def examples_of(rows: Sequence[Row]) -> Examples:
    """What to read and what to predict.

    Args:
        rows: At least one, each of two ids or more.
    """
    length = max(len(row) for row in rows) - 1
    inputs_BS = torch.full((len(rows), length), PAD_ID)
    targets_BS = torch.full((len(rows), length), PAD_ID)
    real_BS = torch.zeros(len(rows), length, dtype=torch.bool)
    for place, row in enumerate(rows):
        inputs_BS[place, : len(row) - 1] = torch.tensor(row[:-1])
        targets_BS[place, : len(row) - 1] = torch.tensor(row[1:])
        real_BS[place, : len(row) - 1] = True
    positions_N = real_BS.flatten().nonzero()[:, 0]
    return Examples(
        inputs_BS=inputs_BS, positions_N=positions_N, targets_N=targets_BS.flatten()[positions_N]
    )


def loss_of(
    model: LanguageModel,
    rows: Sequence[Row],
    *,
    adapter_DD: Float[Tensor, "width width"] | None = None,
    batch_size: int = 16,
) -> float:
    """Mean loss over all predicted tokens, nats.

    Args:
        model: In whatever mode.
        rows: At least one.
        adapter_DD: Fast weights to read them under.
        batch_size: Rows that are read at once.
    """
    nats, tokens = 0.0, 0
    for start in range(0, len(rows), batch_size):
        examples = examples_of(rows[start : start + batch_size])
        nats += summed_nats(model, examples, adapter_DD=adapter_DD)
        tokens += len(examples.targets_N)
    return nats / tokens
