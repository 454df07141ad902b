"""What is told of a message: one record for its commit, its receipt and its line on a screen."""

from collections.abc import Mapping, Sequence

from ttt.lib.stats import median
from ttt.text_lm.chat.learner import Taken

CHUNK_FIELDS = (
    "outcome",
    "chunk_index",
    "token_start",
    "token_end",
    "loss_base",
    "loss_adapted",
    "loss_mixed",
    "loss_mixed_bound",
    "mixture_weight",
    "grad_norm",
    "grad_z",
    "attempted_update_norm",
    "update_norm",
    "gate_allowed",
    "gate_reasons",
    "rollback_reasons",
    "canary_loss_before",
    "canary_loss_after",
    "canary_delta",
    "drift_total",
    "spfw_lr_eff",
)
"""Fields of a monitor's event that a commit keeps of each chunk; docs/sentry.md has them all."""


def record(taken: Taken) -> dict[str, object]:
    """What a commit's event says of the learning of one message."""
    flat = [event.flat() for event in taken.events]
    return {
        "type": taken.outcome,
        "reasons": list(taken.reasons),
        "loss_base": _mean([losses.base for losses in taken.losses]),
        "loss_read": _mean([losses.read for losses in taken.losses]),
        "grad_norm": _middle(flat, "grad_norm"),
        "update_norm": _middle(flat, "update_norm"),
        "canary_rise": _middle(flat, "canary_delta"),
        "drift_total": flat[-1].get("drift_total") if flat else None,
        "withheld_nats": taken.withheld_nats,
        "expert_weights": list(taken.expert_weights),
        "chunks": [{name: one.get(name) for name in CHUNK_FIELDS} for one in flat],
    }


def sentence(event: Mapping[str, object]) -> str:
    """A receipt as one line: what was decided, and why."""
    kind, reasons = str(event.get("type")), event.get("reasons")
    why = f": {', '.join(map(str, reasons))}" if isinstance(reasons, list) and reasons else ""
    chunks = found if isinstance(found := event.get("chunks"), list) else []
    kept = sum(one.get("outcome") == "committed" for one in chunks)
    words = {
        "update": f"learned {kept} of {len(chunks)} chunks{why}",
        "blocked": f"not learned, blocked by the gate{why}",
        "reverted": f"not learned, taken back{why}",
        "failed": f"not learned, the attempt failed{why}",
        "observed": "read, learning is off",
    }
    drift = event.get("drift_total")
    standing = f"; canaries {drift:+.4f} nats from the start" if isinstance(drift, float) else ""
    held = event.get("withheld_nats")
    less = f"; {held:.4f} of the budget withheld" if isinstance(held, float) and held > 0 else ""
    return words.get(kind, kind) + standing + less


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return sum(numbers) / len(numbers) if numbers else None


def _middle(flat: Sequence[Mapping[str, object]], name: str) -> float | None:
    numbers = [value for one in flat if isinstance(value := one.get(name), float)]
    return median(numbers) if numbers else None
