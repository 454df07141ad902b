"""What each memory alone would do to the canaries if it were trained on.

A copy of the base takes a few descent steps of fixed length on one memory, in the parameters that a
night may move; the canaries are read before and after. A finite step, because a gradient's forecast
is right in sign hardly more often than not (the monitor's demo prints how often). The steps are
normalised: what is compared is a direction, not how surprising a text is.
"""

from collections.abc import Sequence
from typing import Final

import torch

from ttt.core.canary_pools import draw
from ttt.core.model import LanguageModel
from ttt.core.tokens import TextEncoder
from ttt.text_lm.lesson import Lesson
from ttt.text_lm.sleep.plastic import flat, movable, movable_copy
from ttt.text_lm.sleep.rows import Row, examples_of, loss_of, rows_of

STEPS: Final = 2
STEP_SHARE: Final = 0.004
"""Length of a step over that of all movable parameters. Own: small enough that plain prose makes
most canaries easier; with steps a few times as long every text harms them, and nothing is told."""
ROWS_MAX: Final = 4
"""Rows of a memory that are trained on: a long one would cost in proportion."""


class Influence:
    """Measures memories one after the other, each from the base.

    Args:
        model: The frozen base.
        encoder: Its tokenizer.
        seed: Which canaries are asked.
        seq_len: Tokens that one row predicts.
    """

    def __init__(
        self, model: LanguageModel, encoder: TextEncoder, *, seed: int, seq_len: int
    ) -> None:
        self._own = movable_copy(model)
        self._start = [parameter.detach().clone() for parameter in movable(self._own)]
        self._lesson = Lesson(self._own, precision=torch.float32)
        self._length = STEP_SHARE * float(flat(list(self._start)).norm())
        self._canaries = canary_rows(encoder, seed=seed, seq_len=seq_len)
        self._before = loss_of(model, self._canaries)

    def rise_nats(self, rows: Sequence[Row]) -> float:
        """Rise of the mean canary loss after training on one memory alone, nats per token.

        Args:
            rows: The memory.
        """
        examples = examples_of(rows[:ROWS_MAX])
        for _ in range(STEPS):
            self._own.zero_grad(set_to_none=True)
            loss, _ = self._lesson(
                examples.inputs_BS, examples.positions_N, examples.targets_N, None
            )
            loss.backward()
            self._descend()
        rise = loss_of(self._own, self._canaries) - self._before
        self._restore()
        return rise

    @torch.no_grad()
    def _descend(self) -> None:
        gradients = [p.grad for p in movable(self._own) if p.grad is not None]
        scale = self._length / (float(flat(gradients).norm()) + 1e-12)
        for parameter in movable(self._own):
            if parameter.grad is not None:
                parameter.sub_(parameter.grad, alpha=scale)

    @torch.no_grad()
    def _restore(self) -> None:
        for parameter, start in zip(movable(self._own), self._start, strict=True):
            parameter.copy_(start)


def canary_rows(encoder: TextEncoder, *, seed: int, seq_len: int) -> list[Row]:
    """The canaries of the parts that may decide, as rows."""
    passages = [*draw("project", seed=seed), *draw("probe", seed=seed)]
    return [row for passage in passages for row in rows_of(passage.text, encoder, seq_len=seq_len)]
