"""What the sessions' fast weights know beyond the candidate, as one start for new sessions.

The adapters of the sessions whose memories were approved are merged by TIES, which keeps what
agrees, and the merged adapter is then shrunk until, on top of the candidate, the held-out memories
are predicted better and the canaries stay within the night's limit. What no share of it can do is
not kept: there is then no residual.

Source: Yadav et al. 2023 (arXiv 2306.01708); the shrinking is ours.

Shapes: D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ttt.branching.arrays import weights_of
from ttt.branching.merge import ties
from ttt.core.model import LanguageModel
from ttt.store.blobs import read_blob
from ttt.store.domains import TEXT
from ttt.store.sessions import open_session
from ttt.text_lm.sleep.auditor import Finding
from ttt.text_lm.sleep.gates import HeldOut
from ttt.text_lm.sleep.harvest import session_of
from ttt.text_lm.sleep.rows import loss_of
from ttt.text_lm.start_weights import ADAPTER

KEPT_SHARE: Final = 0.2
"""Entries of each adapter that TIES keeps. Source: as in a merge of sessions (`merge.py`)."""
SHARES: Final = (1.0, 0.5, 0.25, 0.125)
"""Shares of the merged adapter that are tried, the largest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """A start for new sessions on one candidate."""

    adapter_DD: Float[Tensor, "width width"]
    sessions: int
    """Whose adapters were merged."""
    share: float
    """Of the merged adapter."""
    memory_fall: float
    """Fall of the loss on held-out memories against the bare candidate, nats per token."""
    canary_rise: float
    """Rise of the mean canary loss against the bare candidate, nats per token."""


def residual_of(
    root: Path,
    findings: Sequence[Finding],
    candidate: LanguageModel,
    rows: HeldOut,
    *,
    canary_rise_max: float,
) -> Residual | None:
    """Merge what sessions have learned; None if no share of it helps.

    Args:
        root: The artifact tree.
        findings: Of the night. A session of which any memory was rejected for more than being a
            repetition lends nothing.
        candidate: What the night has made.
        rows: Texts that were not trained on.
        canary_rise_max: Nats per token.
    """
    adapters = [_adapter(root, session_id) for session_id in lenders(findings)]
    if not adapters:
        return None
    merged_DD = torch.from_numpy(ties(np.stack(adapters), keep=KEPT_SHARE)).float()
    bare = (loss_of(candidate, rows.memory), loss_of(candidate, rows.canary))
    for share in SHARES:
        adapter_DD = share * merged_DD
        fall = bare[0] - loss_of(candidate, rows.memory, adapter_DD=adapter_DD)
        rise = loss_of(candidate, rows.canary, adapter_DD=adapter_DD) - bare[1]
        if fall > 0.0 and rise <= canary_rise_max:  # False for NaN.
            return Residual(
                adapter_DD=adapter_DD,
                sessions=len(adapters),
                share=share,
                memory_fall=fall,
                canary_rise=rise,
            )
    return None


def lenders(findings: Sequence[Finding]) -> list[str]:
    """The sessions that may lend their adapters, by id."""
    harmless = {"duplicate", "left_out"}
    lend = {session_of(one.memory.place) for one in findings if one.approved}
    doubted = {
        session_of(one.memory.place)
        for one in findings
        if not one.approved and not set(one.reasons) <= harmless
    }
    return sorted(lend - doubted)


def _adapter(root: Path, session_id: str) -> np.ndarray:
    """The fast weights of a session at its newest commit."""
    session = open_session(root, TEXT, session_id)
    found: np.ndarray = weights_of(read_blob(root, session.head.blob))[ADAPTER]
    return found
