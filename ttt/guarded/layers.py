"""Which layer guards which domain: the safety coverage matrix, as data.

A cell says which function enforces the layer there and which test shows it, or why there is
nothing to guard. Nobody has to believe it: a test runs each domain and watches whether exactly
these functions are called (`tests/guarded/test_layers.py`), and the README shows what `table`
prints.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

DOMAINS: Final = ("Sentry", "chat", "nano")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """The layer stands there."""

    by: str
    """`module:function` that enforces it."""
    test: str
    """The test that shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotApplicable:
    """There is nothing to guard there."""

    why: str


Cell: TypeAlias = Guarded | NotApplicable

_SENTRY = "tests/monitors/test_gradient.py::"
_CHAT = "tests/text_lm/chat/test_conversation.py::"
_NANO = "tests/ttt_ssm_nano/test_learner.py::"
_GATE = "ttt.core.gate:text_stage"
_ROLLBACK = "ttt.core.rollback:rollback_verdict"
_STEP = "ttt.core.spfw:safe_step"
_BUDGET = "ttt.core.budget_search:within_budget"

MATRIX: Final[Mapping[str, Mapping[str, Cell]]] = MappingProxyType(
    {
        "gate": {
            "Sentry": Guarded(
                by=_GATE,
                test=_SENTRY
                + "test_a_blocked_chunk_is_read_but_leaves_no_trace_in_what_is_learned",
            ),
            "chat": Guarded(by=_GATE, test=_CHAT + "test_hostile_text_is_read_and_not_learned"),
            "nano": Guarded(
                by="ttt_ssm_nano.lesson:Lesson.gate",
                test=_NANO + "test_a_glitch_is_skipped_once_there_is_something_to_compare_with",
            ),
        },
        "rollback": {
            "Sentry": Guarded(
                by=_ROLLBACK,
                test=f"{_SENTRY}test_a_reverted_chunk_leaves_every_byte_as_it_was_"
                "and_its_event_keeps_the_damage",
            ),
            "chat": Guarded(by=_ROLLBACK, test=_CHAT + "test_what_harms_the_canaries_is_undone"),
            "nano": Guarded(
                by="ttt_ssm_nano.lesson:Lesson.probe",
                test=_NANO + "test_an_update_that_hurts_on_the_held_out_buffer_is_undone",
            ),
        },
        "directional monitoring": {
            "Sentry": Guarded(
                by="ttt.monitors.signals:_align",
                test=_SENTRY
                + "test_the_forecast_agrees_with_the_probe_at_a_thousandth_of_the_step",
            ),
            "chat": NotApplicable(
                why="the forecast costs as much as the probe, which measures what it only estimates"
            ),
            "nano": NotApplicable(why="no canaries: held-out steps of the plant itself judge"),
        },
        "SPFW": {
            "Sentry": Guarded(
                by=_STEP,
                test=_SENTRY + "test_every_option_of_the_guard_runs_and_holds_what_it_promises",
            ),
            "chat": Guarded(by=_STEP, test=_CHAT + "test_every_message_stays_within_the_budget"),
            "nano": NotApplicable(why="no canaries to fit a step to; it is taken whole or undone"),
        },
        "drift budget": {
            "Sentry": Guarded(
                by=_BUDGET,
                test=_SENTRY + "test_every_option_of_the_guard_runs_and_holds_what_it_promises",
            ),
            "chat": Guarded(by=_BUDGET, test=_CHAT + "test_every_message_stays_within_the_budget"),
            "nano": NotApplicable(
                why="the plant itself may change for good; a session that its base overtakes twice "
                "begins anew instead"
            ),
        },
        "sleep consolidation": {
            "Sentry": NotApplicable(why="a run is no conversation: nothing of it is consolidated"),
            "chat": Guarded(
                by="ttt.text_lm.sleep.auditor:audit",
                test="tests/text_lm/sleep/test_promotion.py::"
                "test_a_candidate_that_fails_its_gate_cannot_be_promoted",
            ),
            "nano": NotApplicable(why="the base of a plant is pretrained, never consolidated"),
        },
    }
)
"""Layer -> domain -> what stands there."""


def table() -> str:
    """The matrix in Markdown, with its reasons below it."""
    lines = [f"| layer | {' | '.join(DOMAINS)} |", "|---" * (len(DOMAINS) + 1) + "|"]
    reasons: list[str] = []
    for layer, cells in MATRIX.items():
        shown: list[str] = []
        for domain in DOMAINS:
            cell = cells[domain]
            if isinstance(cell, NotApplicable):
                reasons.append(f"{layer}, {domain}: {cell.why}")
                shown.append(f"n/a ({len(reasons)})")
            else:
                name = cell.test.partition("::")[2]
                shown.append(f"yes: `{name}`")
        lines.append(f"| {layer} | {' | '.join(shown)} |")
    notes = [f"({number}) {reason}." for number, reason in enumerate(reasons, start=1)]
    return "\n".join([*lines, "", *notes])
