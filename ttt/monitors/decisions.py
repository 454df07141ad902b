"""The words, marks and colours of what was decided, the same in table, plot and summary.

Each decision has a glyph and a word besides its colour, so that nothing rests on colour alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from ttt.monitors.events import MonitorEvent
from ttt.spine.change import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a decision is shown."""

    word: str
    glyph: str
    """One character, for lines of text."""
    style: str
    """Of the word on a terminal, in rich's names: the terminal's own colours."""
    colour: str
    """On white paper."""
    marker: str
    """In matplotlib's names."""


class Decision(Enum):
    """What became of a chunk; finer than `Outcome` by what the write guard cut down."""

    COMMITTED = Look(
        word="committed", glyph="●", style="green", colour="#047A5D", marker="o"
    )  # fmt: skip
    SHORTENED = Look(
        word="shortened", glyph="◒", style="blue", colour="#155A90", marker="D"
    )  # fmt: skip
    BLOCKED = Look(word="blocked", glyph="■", style="yellow", colour="#A86400", marker="s")
    REVERTED = Look(word="reverted", glyph="◁", style="magenta", colour="#7A2AA8", marker="<")
    FAILED = Look(word="failed", glyph="×", style="bold red", colour="#C2370E", marker="x")

    @property
    def word(self) -> str:
        """Its name in output."""
        return self.value.word


_BY_OUTCOME = {
    Outcome.COMMITTED: Decision.COMMITTED,
    Outcome.REFUSED: Decision.BLOCKED,
    Outcome.REVERTED: Decision.REVERTED,
    Outcome.FAILED: Decision.FAILED,
}

_SENTENCES = {
    "low_entropy": "too few different tokens to learn from",
    "low_diversity": "the text repeats itself",
    "blob": "looks like encoded data, not language",
    "oversized": "too long to be looked at",
    "instruction_override": "asks the model to ignore its rules",
    "ood_heavy_write": "unfamiliar text that would change much",
    "budget": "no part of the step fits the canaries' limits",
    "canary_rise": "the canaries' loss rose over its limit",
    "canary_z": "the canaries' loss rose far outside its own history",
    "drift_budget": "all changes together would pass the canary budget",
    "write_suppressed": "the projection left next to nothing of the step",
    "non_finite": "a reading was not a number",
}


def decision(event: MonitorEvent) -> Decision:
    """What became of a chunk."""
    shortened = event.spfw is not None and not (event.spfw.lr_eff >= 1.0)
    if event.outcome is Outcome.COMMITTED and shortened:
        return Decision.SHORTENED
    return _BY_OUTCOME[event.outcome]


def decision_of_flat(flat: Mapping[str, object]) -> Decision:
    """The same for an event that was saved as a flat line.

    Raises:
        ValueError: It names no outcome.
    """
    share = flat.get("spfw_lr_eff")
    shortened = isinstance(share, int | float) and not (share >= 1.0)
    outcome = Outcome(str(flat.get("outcome")))
    if outcome is Outcome.COMMITTED and shortened:
        return Decision.SHORTENED
    return _BY_OUTCOME[outcome]


def explained(reason: str) -> str:
    """What a reason code means, in a few words; empty for one that a plug-in made up."""
    return _SENTENCES.get(reason.partition(":")[0], "")
