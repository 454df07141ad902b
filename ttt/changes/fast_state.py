"""A session's plastic state: one immutable value, and the handle that holds the current one.

Weights, the rule's memory, the cache and the robust histories belong together: whatever is kept or
undone is kept or undone whole. There is no generator among the state: every draw (MLM masks) is
derived from the run's seed and the chunk's number, so an undone chunk leaves no trace in any random
stream.

Shapes: D width.
"""

import hashlib
from array import array
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.core.cache import NeuralCache
from ttt.core.canaries import CanaryReading, CanarySet
from ttt.core.rules import Memory, UpdateRule
from ttt.core.spfw import Anchor
from ttt.lib.stats import RobustHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class FastState:
    """Everything plastic of one session, as one immutable value."""

    adapter_DD: Float[Tensor, "width width"]
    memory: Memory
    """What the update rule remembers."""
    cache: NeuralCache
    gradient_norms: RobustHistory
    """Of committed chunks, before clipping."""
    update_norms: RobustHistory
    """Of the steps that rule proposed in committed chunks."""
    canary_rises: RobustHistory
    """Of committed changes, nats per token."""
    reading: CanaryReading | None
    """Canary losses under `adapter_DD`: derived, kept to save a pass; None without probe."""

    def fingerprint(self) -> str:
        """SHA-256 over every byte the next step depends on."""
        digest = hashlib.sha256()
        for name, tensor in (("adapter", self.adapter_DD), *sorted(self.memory.items())):
            digest.update(name.encode())
            digest.update(tensor.numpy(force=True).tobytes())
        rest: list[bytes] = []
        for history in (self.gradient_norms, self.update_norms, self.canary_rises):
            values = array("d", history.values).tobytes()
            rest += [len(history.values).to_bytes(8, "little"), values]
        digest.update(b"".join([*rest, self.cache.digest.encode()]))
        return digest.hexdigest()


class FastWeights:
    """A session's live plastic state. Readable by everyone; only changes in this room replace it.

    Args:
        state: The state to start from.
        anchor: Where the session started, for the drift budget; None without canaries.
    """

    def __init__(self, state: FastState, *, anchor: Anchor | None) -> None:
        self._state = state
        self.anchor = anchor

    @property
    def state(self) -> FastState:
        """The current state."""
        return self._state

    def swap_in(self, state: FastState) -> None:
        """Put another state in place; the architecture test lets only this room call it."""
        self._state = state


def fresh_fast_weights(
    rule: UpdateRule,
    *,
    width: int,
    probe: CanarySet | None,
    window: int = 64,
    device: torch.device | str = "cpu",
) -> FastWeights:
    """A new session: adapter zero (the frozen base itself), nothing remembered.

    Args:
        rule: The update rule, for the shape of its memory.
        width: Model width D.
        probe: The canaries its drift is measured on.
        window: Values kept in each robust history.
        device: Where the frozen base is.
    """
    adapter_DD = torch.zeros(width, width, device=device)
    reading = None if probe is None else probe.read(adapter_DD)
    history = RobustHistory(window=window)
    state = FastState(
        adapter_DD=adapter_DD,
        memory=rule.start(adapter_DD),
        cache=NeuralCache(),
        gradient_norms=history,
        update_norms=history,
        canary_rises=history,
        reading=reading,
    )
    anchor = None if reading is None else Anchor(adapter_DD=adapter_DD, reading=reading)
    return FastWeights(state, anchor=anchor)
