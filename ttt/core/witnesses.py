"""Witnesses: canaries that no step is fitted to, asked whether the fitted ones tell the truth.

The write guard keeps its budget on the probed canaries exactly. A long session finds what lies
between those few: after a hundred hostile messages they stand at the budget to the digit, and
other text of their kind far above it, as any test set that is used again and again comes to
flatter. So a wider set is read between changes, where nobody waits for it, and what it rose more
than the probed ones is withheld from the budget of the steps to come.

Where the probed canaries stand above what is left, steps are not refused for good: each must leave
them at most `GIVING_BACK` of the rise they have, for which earlier learning gives way.

Covered: harm to text like the witnesses, one change late. Not covered: text that neither set
resembles; witnesses are used again and again too, but each time for one number only.

Source: own, measured in docs/decisions/0020-witnesses.md; the worry is that of Dwork et al., "The
reusable holdout", Science 2015.

Shapes: D width.
"""

import math
from functools import cached_property
from typing import Final

from jaxtyping import Float
from torch import Tensor

from ttt.core._passages import OTHER_LANGUAGES
from ttt.core.base import Base
from ttt.core.canaries import CanarySet, encode_canaries
from ttt.core.canary_pools import draw
from ttt.core.objective import TTTObjective
from ttt.core.spfw_config import SpfwConfig

GIVING_BACK: Final = 1.0 - SpfwConfig().give_way
"""Share of its rise that a session above its limit may keep: what one step gives up makes room."""
KINDS: Final = ("prose", "code", "dialogue", "lists", *OTHER_LANGUAGES)
OF_EACH_KIND: Final = 3
"""Source: own: every kind of text alike, measured in docs/decisions/0020-witnesses.md."""


class Witnesses:
    """The wider set of one base; read through it when first asked.

    Args:
        base: Frozen model and tokenizer.
        objective: How the texts are examined.
        seed: Decides which texts are drawn, from the part that trains projections.
    """

    def __init__(self, base: Base, objective: TTTObjective, *, seed: int) -> None:
        self._base, self._objective, self._seed = base, objective, seed

    def rise(self, adapter_DD: Float[Tensor, "width width"]) -> float:
        """Rise of their mean loss over that of the bare base, nats per token."""
        return self._canaries.glance(adapter_DD).mean_loss - self._bare_loss

    @cached_property
    def _canaries(self) -> CanarySet:
        passages = draw("project", seed=self._seed, composition=dict.fromkeys(KINDS, OF_EACH_KIND))
        return encode_canaries(
            [passage.text for passage in passages],
            model=self._base.model,
            encoder=self._base.encoder,
            objective=self._objective,
            seed=self._seed,
        )

    @cached_property
    def _bare_loss(self) -> float:
        width = self._base.model.config.width
        return self._canaries.glance(self._canaries.head_VD.new_zeros(width, width)).mean_loss


def left_of_budget(budget_nats: float, *, probed: float, witnessed: float) -> float:
    """What the probed canaries may have risen by after the next change, nats per token.

    Args:
        budget_nats: Without witnesses.
        probed: Rise of the probed canaries' mean loss so far.
        witnessed: Rise of the witnesses' so far.

    Returns:
        Between 0 and `budget_nats`; 0 where a reading is not finite.
    """
    if not (math.isfinite(probed) and math.isfinite(witnessed)):
        return 0.0
    left = budget_nats - max(0.0, witnessed - probed)
    return min(budget_nats, max(left, GIVING_BACK * probed, 0.0))
