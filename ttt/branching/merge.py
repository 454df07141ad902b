"""One session out of several: the average of their weights, task arithmetic, or TIES.

All three start from what the sessions have in common: the state at which they forked. The merged
weights are a *candidate*: it is tried through the spine and taken back if the domain's held-out
data says so. The rule's memory starts afresh, because no rule's memory of one path is right for a
mixture of several.

Sources: weighted average, Wortsman et al. 2022 (arXiv 2203.05482); task arithmetic, Ilharco et al.
2023 (arXiv 2212.04089); TIES, Yadav et al. 2023 (arXiv 2306.01708), section 4.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from ttt.branching.arrays import Array, Arrays, check_same_shapes, weights_of, with_weights
from ttt.branching.lineage import Entry, lineage, shown
from ttt.branching.replay import state_at
from ttt.branching.replayer import Replayer, check_model
from ttt.errors import ConfigError
from ttt.spine.change import Outcome
from ttt.store.blobs import read_blob
from ttt.store.sessions import Draft, Session, append_commit

MergeMethod: TypeAlias = Literal["average", "task_arithmetic", "ties"]
MERGE: Final = "merge"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConfig:
    """How deltas become one."""

    method: MergeMethod = "average"
    shares: tuple[float, ...] = ()
    """Average: how much each session counts, this one first; equal where empty."""
    scale: float = 1.0
    """Factor on the merged delta, of task arithmetic and TIES."""
    keep: float = 0.2
    """TIES: share of each tensor's entries that stay, the largest ones. Source: Yadav et al. 2023,
    section 4.1."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.scale):
            raise ConfigError(f"scale must be finite, not {self.scale!r}.")
        if any(not 0.0 <= share < math.inf for share in self.shares):
            raise ConfigError(f"shares must be finite and at least 0, not {self.shares!r}.")
        if self.shares and not sum(self.shares) > 0.0:
            raise ConfigError("At least one of the shares must be above 0.")
        if not (0.0 < self.keep <= 1.0):
            raise ConfigError(f"keep must be above 0 and at most 1, not {self.keep!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What merging came to."""

    session: Session
    """At its new head, or as it was where the merge was refused or taken back."""
    outcome: Outcome
    reasons: tuple[str, ...]
    ancestor: str
    """The commit that the sessions have in common."""


def merge(
    session: Session, others: Sequence[Session], *, config: MergeConfig, replayer: Replayer
) -> Merged:
    """Merge other sessions into one, as a guarded change and a new commit.

    Args:
        session: The one that gets the commit.
        others: At least one, of the same model and with a common past.
        config: How.
        replayer: The domain's.

    Raises:
        ConfigError: There is nothing to merge, or no common past.
        SignatureMismatchError: One of them belongs to another model.
        ConflictError: Somebody else has committed meanwhile; nothing was changed.
    """
    if not others or any(other.session_id == session.session_id for other in others):
        raise ConfigError("Merge needs at least one other session than the one it merges into.")
    for one in (session, *others):
        check_model(one, replayer)
    pasts = [lineage(one) for one in (session, *others)]
    common = common_past(pasts)
    ancestor = weights_of(state_at(session.root, common, replayer))
    heads = [state_at(session.root, past, replayer) for past in pasts]
    weights = merged_weights(ancestor, [weights_of(head) for head in heads], config)
    before = read_blob(session.root, session.head.blob)
    candidate = replayer.reset_memory(with_weights(before, weights))
    receipt = replayer.install(MERGE, before, candidate, judged=True)
    if receipt.outcome is Outcome.COMMITTED:
        event = {
            "type": MERGE,
            "method": config.method,
            "shares": list(config.shares),
            "scale": config.scale,
            "keep": config.keep,
            "ancestor": shown(common[-1].place),
            "others": [f"{one.session_id}:{one.head.n}" for one in others],
        }
        session = append_commit(session, Draft(state=candidate, event=event))
    return Merged(
        session=session,
        outcome=receipt.outcome,
        reasons=receipt.reasons,
        ancestor=shown(common[-1].place),
    )


def common_past(pasts: Sequence[Sequence[Entry]]) -> list[Entry]:
    """The longest beginning that all lineages share.

    Raises:
        ConfigError: They share none.
    """
    common: list[Entry] = []
    for rows in zip(*pasts, strict=False):
        if any(row.place != rows[0].place for row in rows):
            break
        common.append(rows[0])
    if not common:
        raise ConfigError(
            "These sessions have no common past; only forks of one session can be merged."
        )
    return common


def merged_weights(ancestor: Arrays, heads: Sequence[Arrays], config: MergeConfig) -> Arrays:
    """The weights that some states come to, seen from a common one.

    Raises:
        ConfigError: There are not as many shares as states.
        SignatureMismatchError: They belong to different models.
    """
    shares = config.shares or (1.0,) * len(heads)
    if len(shares) != len(heads):
        raise ConfigError(f"{len(heads)} sessions are merged, but {len(shares)} shares are given.")
    for head in heads:
        check_same_shapes(ancestor, head)
    merged = {}
    for name, start in ancestor.items():
        deltas = np.stack([np.asarray(head[name] - start, dtype=np.float64) for head in heads])
        if config.method == "average":
            change: Array = np.average(deltas, axis=0, weights=shares)
        elif config.method == "task_arithmetic":
            change = config.scale * deltas.sum(axis=0)
        else:
            change = config.scale * ties(deltas, keep=config.keep)
        merged[name] = start + change
    return merged


def ties(deltas: Array, *, keep: float) -> Array:
    """Trim, elect a sign, average what agrees with it.

    Args:
        deltas: (K, ...), the change of each of K states.
        keep: Share of the entries of each that stay, the largest by magnitude.

    Returns:
        The merged change, of the shape of one.
    """
    flat = deltas.reshape(len(deltas), -1)
    count = max(1, math.ceil(keep * flat.shape[1]))
    order = np.argsort(-np.abs(flat), axis=1, kind="stable")[:, :count]
    trimmed = np.zeros_like(flat)
    np.put_along_axis(trimmed, order, np.take_along_axis(flat, order, axis=1), axis=1)
    sign = np.sign(trimmed.sum(axis=0))
    agrees = (np.sign(trimmed) == sign) & (trimmed != 0.0)
    total = np.where(agrees, trimmed, 0.0).sum(axis=0)
    merged: Array = (total / np.maximum(1, agrees.sum(axis=0))).reshape(deltas.shape[1:])
    return merged
