"""Reports on the audit canaries: texts that neither guide nor judge any change.

The only module of this room that may see the audit set (an import contract). What it finds is
printed, never compared with a limit.
"""

import torch

from ttt.core.audit_canaries import audit_passages
from ttt.core.base import Base
from ttt.core.canaries import CanarySet, encode_canaries
from ttt.core.canary_pools import PoolKind
from ttt.core.objective import TTTObjective


class Audit:
    """Measures held-out damage under a session's weights; texts are read at the first audit.

    Args:
        base: Frozen model and tokenizer.
        objective: How the texts are examined.
        seed: Seed of the run.
        forbid: Texts whose loss should not fall; replaces the committed pool's when given.
    """

    def __init__(
        self, base: Base, objective: TTTObjective, seed: int, *, forbid: tuple[str, ...] = ()
    ) -> None:
        self._base, self._objective, self._seed = base, objective, seed
        self._forbid = forbid or tuple(p.text for p in audit_passages("forbid"))
        self._sets: dict[str, tuple[CanarySet, float]] = {}

    def rise(self, adapter_DD: torch.Tensor) -> float:
        """Rise of the audit set's mean loss since the session's start, nats per token."""
        return self._rise("keep", adapter_DD)

    def forbid_excess_fall(self, adapter_DD: torch.Tensor) -> float:
        """How much further the loss of the forbid texts fell than the controls', nats per token."""
        return self._rise("control", adapter_DD) - self._rise("forbid", adapter_DD)

    def _rise(self, kind: PoolKind, adapter_DD: torch.Tensor) -> float:
        canaries, start = self._set(kind)
        return canaries.read(adapter_DD).mean_loss - start

    def _set(self, kind: PoolKind) -> tuple[CanarySet, float]:
        if kind not in self._sets:
            texts = self._forbid if kind == "forbid" else [p.text for p in audit_passages(kind)]
            canaries = encode_canaries(
                texts,
                model=self._base.model,
                encoder=self._base.encoder,
                objective=self._objective,
                seed=self._seed,
            )
            width = self._base.model.config.width
            start = canaries.read(canaries.head_VD.new_zeros(width, width)).mean_loss
            self._sets[kind] = (canaries, start)
        return self._sets[kind]
