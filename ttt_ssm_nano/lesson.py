"""One buffer of each session, before, while and after it is learned: figures, verdicts, events.

The same code serves one session and many: `learner.py` asks it member by member, through `attempt`
or through `attempt_many`. Every comparison is written so that NaN fails it.

Reading is not learning. Whatever became of the update, `read_on` counts the buffer as read, keeps
its base loss and, unless it was a glitch, keeps it to judge the next updates on.

Not covered: harm later on. A held-out buffer is the recent past and not the future; docs/nano.md
says how many committed updates hurt on the next chunk.

Shapes: N sessions, K buffers held, T steps, X inputs, S states, Y outputs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Float

from ttt.spine.change import Outcome, Receipt, Verdict
from ttt_ssm_nano import arithmetic
from ttt_ssm_nano.online_config import OnlineConfig
from ttt_ssm_nano.plastic_ssm import Array, NanoBase, owned
from ttt_ssm_nano.rules import OnlineRule, Reading
from ttt_ssm_nano.session_state import (
    HELD,
    LOSSES,
    LOSSES_KEPT,
    READ,
    WEIGHTS,
    ChunkInputs,
    NanoStates,
)

GLITCH_HISTORY_MIN: Final = 3
"""Base losses before a chunk can be called a glitch: a median of fewer is no scale."""
KINDS: Final = {
    Outcome.COMMITTED: "update",
    Outcome.REFUSED: "blocked",
    Outcome.REVERTED: "reverted",
}
"""What a chunk's event calls each outcome; a failed one raises and has no event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the buffers look like under candidate weights, one figure for each session."""

    post_loss_N: list[float]
    heldout_after_N: list[float]
    state_norm_N: list[float]
    update_norm_N: list[float]


class Lesson:
    """One buffer of each session.

    Args:
        base: The frozen model.
        config: How the sessions learn.
        rule: What proposes the update.
        states: The sessions before.
        fresh: A session that has read nothing, as a batch of one.
        chunks: What each of them read.
    """

    def __init__(
        self,
        base: NanoBase,
        config: OnlineConfig,
        rule: OnlineRule,
        *,
        states: NanoStates,
        fresh: NanoStates,
        chunks: ChunkInputs,
    ) -> None:
        self._base, self._config, self._rule = base, config, rule
        self._states, self._fresh, self._chunks = states, fresh, chunks
        self._counts = states.arrays["session.counts"]
        self._h_NTS = self._features(states, chunks.h_NS, chunks.x_NTX)
        own_NTS = self._h_NTS
        if config.plastic == "all":
            own_NTS = self._features(None, chunks.h_NS, chunks.x_NTX)
        y_NTY, W_o = chunks.y_NTY, states.arrays["plastic.W_o"]
        self._miss_NTY = arithmetic.misses(self._h_NTS, y_NTY, W_o)
        self.pre_loss_N = _listed(arithmetic.losses(self._miss_NTY)[1])
        self.base_loss_N = _loss(own_NTS, y_NTY, base.W_o_YS[None])
        self._judgement: Judgement | None = None

    # --- before ---------------------------------------------------------------------------------

    @cached_property
    def gradients(self) -> Mapping[str, Array]:
        """Of the loss, for every plastic matrix."""
        return self._gradients(self._states, self._h_NTS, self._miss_NTY)

    @cached_property
    def grad_norm_N(self) -> list[float]:
        """Norm over all plastic matrices."""
        squares_N = sum(arithmetic.norms(one) ** 2 for one in self.gradients.values())
        return _listed(np.sqrt(squares_N))

    @cached_property
    def glitch_N(self) -> list[bool]:
        """Whether the base itself predicted the buffer far worse than it is used to.

        A sensor that lies for a moment spoils the buffers that saw it, and no more. What is as bad
        as all of the last ones, one more than those share a step, is a plant that has changed.
        """
        factor, count_N = self._config.glitch_factor, self._counts[:, LOSSES]
        if factor is None:
            return [False] * len(count_N)
        losses_NK, lasts = self._states.arrays["session.base_losses"], self._config.apart + 1
        usual_N = arithmetic.medians(losses_NK, owned(count_N))
        # The best of the last ones: while one of them was as usual, this is not more than a glitch.
        lately_N = losses_NK[:, -lasts:].min(axis=1)
        figures = zip(self.base_loss_N, count_N, usual_N, lately_N, strict=True)
        return [
            count >= max(GLITCH_HISTORY_MIN, lasts) and not loss <= factor * max(usual, lately)
            for loss, count, usual, lately in figures
        ]

    def gate(self, n: int) -> Verdict:
        """Rule on the buffer of session `n` before it is learned.

        A buffer that is not finite has a loss that is not: the verdict refuses it by itself.
        """
        limit, norm = self._config.grad_norm_max, self.grad_norm_N[n]
        reasons = ["glitch"] if self.glitch_N[n] else []
        if limit is not None and not norm <= limit:
            reasons.append("grad_norm")
        return Verdict(
            allowed=not reasons,
            reasons=tuple(reasons),
            readings={
                "base_loss": self.base_loss_N[n],
                "pre_loss": self.pre_loss_N[n],
                "grad_norm": norm,
            },
        )

    # --- the update -----------------------------------------------------------------------------

    def propose(self, states: NanoStates) -> NanoStates:
        """What the rule makes of the states; of members it cannot learn from, anything."""
        h_NTS, gradients, origin = self._h_NTS, self.gradients, states
        if any(self.restart_N):
            origin = self._restarted(states)
            h_NTS = self._features(origin, self._chunks.h_NS, self._chunks.x_NTX)
            W_o = origin.arrays["plastic.W_o"]
            miss_NTY = arithmetic.misses(h_NTS, self._chunks.y_NTY, W_o)
            gradients = self._gradients(origin, h_NTS, miss_NTY)
        reading = Reading(h_NTS=h_NTS, y_NTY=self._chunks.y_NTY, gradients=gradients)
        return origin.updated(self._rule.step(origin, reading))

    # --- after ----------------------------------------------------------------------------------

    def judge(self, states: NanoStates) -> None:
        """Measure the candidates; the probes and the events read it."""
        h_NTS, held_NTS = self._h_NTS, self._held_NTS
        if self._config.plastic == "all":
            h_NTS = self._features(states, self._chunks.h_NS, self._chunks.x_NTX)
            held_NTS = self._heldout_features(states)
        W_o = states.arrays["plastic.W_o"]
        moved = [states.arrays[name] - self._states.arrays[name] for name in self.gradients]
        self._judgement = Judgement(
            post_loss_N=_loss(h_NTS, self._chunks.y_NTY, W_o),
            heldout_after_N=_loss(held_NTS, self._held_targets(), W_o),
            state_norm_N=_listed(arithmetic.norms(owned(h_NTS[:, -1]))),
            update_norm_N=_listed(np.sqrt(sum(arithmetic.norms(owned(x)) ** 2 for x in moved))),
        )

    def probe(self, n: int) -> Verdict:
        """Rule on the candidate of session `n`."""
        assert self._judgement is not None, "probes run after judge"
        config, seen = self._config, self._judgement
        post, norm = seen.post_loss_N[n], seen.state_norm_N[n]
        readings = {"post_loss": post, "state_norm": norm}
        reasons = []
        if not norm <= config.state_norm_max:
            reasons.append("state_norm")
        if not post <= self.pre_loss_N[n] * (1.0 + config.rollback_tol):
            reasons.append("buffer_loss")
        if config.heldout_tol is not None and self._judged_N[n]:
            before, after = self._held_loss_N[n], seen.heldout_after_N[n]
            readings |= {"heldout_before": before, "heldout_after": after}
            if not after <= before * (1.0 + config.heldout_tol):
                reasons.append("heldout_loss")
        return Verdict(allowed=not reasons, reasons=tuple(reasons), readings=readings)

    def event(self, n: int, receipt: Receipt) -> dict[str, object]:
        """What the commit of session `n` says about this chunk, as JSON."""
        seen = None if receipt.outcome is Outcome.REFUSED else self._judgement
        held = seen is not None and self._judged_N[n]
        return {
            "type": KINDS[receipt.outcome],
            "chunk": int(self._counts[n, READ]),
            "rule": self._config.rule,
            "restart": self.restart_N[n] and seen is not None,
            "reasons": list(receipt.reasons),
            "base_loss": _json(self.base_loss_N[n]),
            "pre_loss": _json(self.pre_loss_N[n]),
            "post_loss": _json(seen.post_loss_N[n]) if seen else None,
            "heldout_before": _json(self._held_loss_N[n]) if held else None,
            "heldout_after": _json(seen.heldout_after_N[n]) if seen and held else None,
            "grad_norm": _json(self.grad_norm_N[n]),
            "update_norm": _json(seen.update_norm_N[n]) if seen else None,
            "state_norm": _json(seen.state_norm_N[n]) if seen else None,
        }

    def read_on(self, states: NanoStates) -> NanoStates:
        """The states with this buffer counted as read; weights and the rule's memory untouched."""
        arrays, chunks = states.arrays, self._chunks
        usable_N = np.isfinite(self.base_loss_N)
        kept_N = usable_N & ~np.array(self.glitch_N)
        losses_NK = arrays["session.base_losses"]
        with_loss_NK = np.concatenate([losses_NK[:, 1:], np.array(self.base_loss_N)[:, None]], 1)
        counts = self._counts.copy()
        # A buffer that is not finite cannot be saved or replayed, so it leaves no trace at all.
        counts[:, READ] += usable_N
        counts[:, HELD] = np.minimum(counts[:, HELD] + kept_N, self._config.apart)
        counts[:, LOSSES] = np.minimum(counts[:, LOSSES] + usable_N, LOSSES_KEPT)
        return states.updated(
            {
                "session.counts": counts,
                "session.base_losses": _chosen(usable_N, with_loss_NK, losses_NK),
                **{
                    name: _chosen(kept_N, _pushed(arrays[name], newest), arrays[name])
                    for name, newest in (
                        ("session.heldout_h", chunks.h_NS),
                        ("session.heldout_x", chunks.x_NTX),
                        ("session.heldout_y", chunks.y_NTY),
                    )
                },
            }
        )

    @cached_property
    def restart_N(self) -> list[bool]:
        """Whether the base predicts this buffer *and* the held-out one better than the session.

        One buffer alone says little: where the plant sticks and slides, each regime favours others.
        """
        if not self._config.restart:
            return [False] * self._states.size
        behind_N = [
            held and pre > base
            for held, pre, base in zip(
                self._judged_N, self.pre_loss_N, self.base_loss_N, strict=True
            )
        ]
        if not any(behind_N):
            return behind_N
        h_NTS = self._held_NTS
        if self._config.plastic == "all":
            h_NTS = self._heldout_features(None)
        base_N = _loss(h_NTS, self._held_targets(), self._base.W_o_YS[None])
        both = zip(behind_N, self._held_loss_N, base_N, strict=True)
        return [behind and held > base for behind, held, base in both]

    def _restarted(self, states: NanoStates) -> NanoStates:
        """Weights and memory of those that the base has overtaken as they were at the start."""
        size = states.size
        begun = {
            name: np.repeat(array, size, axis=0)
            for name, array in self._fresh.arrays.items()
            if not name.startswith("session.")
        }
        return states.merged(states.updated(begun), self.restart_N)

    # --- figures --------------------------------------------------------------------------------

    def _features(self, states: NanoStates | None, h_NS: Array, x_NTX: Array) -> Array:
        """States over some steps; None stands for the base's weights."""
        if states is None or self._config.plastic == "readout":
            W_u, B = self._base.W_u_UX[None], self._base.B_SU[None]
        else:
            W_u, B = states.arrays["plastic.W_u"], states.arrays["plastic.B"]
        return arithmetic.features(self._base.decay_S, W_u, B, h_NS, x_NTX)

    def _gradients(self, states: NanoStates, h_NTS: Array, miss_NTY: Array) -> dict[str, Array]:
        found = {"plastic.W_o": arithmetic.readout_gradient(h_NTS, miss_NTY)}
        if self._config.plastic == "all":
            W_u, B, W_o = (states.arrays[name] for name in WEIGHTS)
            found["plastic.W_u"], found["plastic.B"] = arithmetic.inner_gradients(
                self._base.decay_S, (W_u, B, W_o), self._chunks.x_NTX, miss_NTY
            )
        return found

    @cached_property
    def _judged_N(self) -> list[bool]:
        """Whether enough buffers are held for one of them to share no step with this one."""
        judged: list[bool] = (self._counts[:, HELD] >= self._config.apart).tolist()
        return judged

    @cached_property
    def _held_NTS(self) -> Array:
        """States over the newest buffer that shares no step with this one."""
        return self._heldout_features(self._states)

    @cached_property
    def _held_loss_N(self) -> list[float]:
        """Loss on it before the update."""
        W_o = self._states.arrays["plastic.W_o"]
        return _loss(self._held_NTS, self._held_targets(), W_o)

    def _heldout_features(self, states: NanoStates | None) -> Array:
        held = self._states.arrays
        h_NS, x_NTX = (owned(held[f"session.heldout_{name}"][:, 0]) for name in "hx")
        return self._features(states, h_NS, x_NTX)

    def _held_targets(self) -> Array:
        return owned(self._states.arrays["session.heldout_y"][:, 0])


def _loss(h_NTS: Array, y_NTY: Array, W_o: Array) -> list[float]:
    return _listed(arithmetic.losses(arithmetic.misses(h_NTS, y_NTY, W_o))[1])


def _pushed(held_NK: Array, newest_N: Array) -> Array:
    """The held buffers with the newest at the end and the oldest gone."""
    return np.concatenate([held_NK[:, 1:], newest_N[:, None]], axis=1)


def _chosen(taken_N: Float[np.ndarray, " sessions"], there: Array, here: Array) -> Array:
    if taken_N.all():
        return there
    return np.where(taken_N.reshape(-1, *([1] * (here.ndim - 1))), there, here)


def _listed(values_N: Array) -> list[float]:
    listed: list[float] = values_N.tolist()
    return listed


def _json(value: float) -> float | None:
    """JSON has no NaN and no infinity; None says that the figure was none."""
    return value if math.isfinite(value) else None
