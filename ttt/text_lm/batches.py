"""Which batch comes next, and how much of the sequence of batches is behind us.

Consecutive windows of one segment follow each other, because the monitored loop carries its state
from chunk to chunk; batches of the masked objective stand in between. The place in this endless
sequence is a part of the training's state: two objects in the same place give the same batches.

Shapes: B batch, L tokens.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ttt.core.objective import AutoRegressive, Masked, TTTObjective
from ttt.text_lm.windows import Mixture

CARRIED_WINDOWS = 4
"""Consecutive windows of one segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one step reads."""

    objective: TTTObjective
    tokens_BL: Tensor
    fresh: bool
    """Whether the recurrent state starts from zeros, or goes on from the batch before."""


class Batches:
    """Endless batches.

    Args:
        data: Sources whose windows are segments of `CARRIED_WINDOWS * seq_len + 1` tokens.
        seq_len: Tokens that one window predicts.
        batch_size: Windows of one batch.
        mlm_share: Share of the batches that predict masked tokens, 0 to 1.
        seed: Decides all draws.
    """

    def __init__(
        self, data: Mixture, *, seq_len: int, batch_size: int, mlm_share: float, seed: int
    ) -> None:
        self._data, self._seq_len, self._batch_size = data, seq_len, batch_size
        self._mlm_share = mlm_share
        self._generator = np.random.default_rng(seed)
        self._segment_BL = torch.zeros(batch_size, CARRIED_WINDOWS * seq_len + 1, dtype=torch.int64)
        self._windows_read = CARRIED_WINDOWS

    def next(self) -> Batch:
        """The next batch; the place moves on by one."""
        if self._windows_read == CARRIED_WINDOWS:
            self._segment_BL, self._windows_read = self._drawn(), 0
        if self._generator.random() < self._mlm_share:
            tokens_BL = self._drawn()[:, : self._seq_len].contiguous()
            return Batch(objective=Masked(), tokens_BL=tokens_BL, fresh=True)
        start = self._windows_read * self._seq_len
        self._windows_read += 1
        return Batch(
            objective=AutoRegressive(),
            tokens_BL=self._segment_BL[:, start : start + self._seq_len + 1].contiguous(),
            fresh=start == 0,
        )

    def _drawn(self) -> Tensor:
        return torch.from_numpy(self._data.draw(self._batch_size, self._generator))

    def tensors(self) -> dict[str, Tensor]:
        """The segment under way."""
        return {"segment": self._segment_BL}

    def record(self) -> dict[str, object]:
        """The rest of the place, as JSON."""
        state = json.dumps(self._generator.bit_generator.state)
        return {"generator": json.loads(state), "windows_read": self._windows_read}

    def restore(self, tensors: Mapping[str, Tensor], record: Mapping[str, object]) -> None:
        """Go to a place that `tensors` and `record` described."""
        state, windows_read = record["generator"], record["windows_read"]
        assert isinstance(state, dict), "as `record` gave it"
        assert isinstance(windows_read, int), "as `record` gave it"
        self._generator.bit_generator.state = state
        self._segment_BL, self._windows_read = tensors["segment"].clone(), windows_read
