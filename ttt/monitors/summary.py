"""What a run came to, in sentences for somebody who sees it for the first time.

It says what was learned and whether that helped, what was refused or taken back and why, and what
is certified, each with its number; what was not measured is not spoken of.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from ttt.monitors.decisions import Decision, explained
from ttt.monitors.report import Report


def summary_lines(report: Report, *, base: str, budget_nats: float) -> list[str]:
    """The summary, one line each.

    Args:
        report: The run.
        base: Name of the frozen model.
        budget_nats: The limit on the drift.
    """
    return [
        *_what_happened(report, base),
        *_what_it_gained(report),
        *_what_it_cost(report, budget_nats),
    ]


def _what_happened(report: Report, base: str) -> Iterator[str]:
    texts = "one text" if report.documents == 1 else f"{report.documents} texts"
    yield (
        f"Read {_count(report.chunks, 'chunk')} ({report.tokens:,} tokens) of {texts} "
        f"with {base}."
    )  # fmt: skip
    learned = report.count(Decision.COMMITTED, Decision.SHORTENED)
    shortened = report.count(Decision.SHORTENED)
    partly = (
        f", {shortened} of them in part, cut down to what the canaries allow" if shortened else ""
    )
    yield f"Learned from {learned}{partly}."
    blocked, reverted = report.count(Decision.BLOCKED), report.count(Decision.REVERTED)
    if blocked:
        yield f"Blocked {blocked} before learning:"
        yield from _reasons(report.gate_reasons)
    if reverted:
        yield f"Took back {reverted} after trying:"
        yield from _reasons(report.rollback_reasons)


def _reasons(counts: Mapping[str, int]) -> Iterator[str]:
    width = max(map(len, counts), default=0)
    for reason, count in sorted(Counter(counts).items(), key=lambda pair: (-pair[1], pair[0])):
        yield f"  {count:5d}  {reason:<{width}}  {explained(reason)}".rstrip()


def _what_it_gained(report: Report) -> Iterator[str]:
    read, base, gain = report.mean("loss"), report.mean("loss_base"), report.mean("gain")
    if read is None or base is None or gain is None:
        return
    than = f"{abs(gain):.3f} {'better' if gain > 0.0 else 'worse'} than"
    verdict = than if abs(gain) >= 0.0005 else "the same as"
    yield (
        "Each chunk was predicted before it was learned from: "
        f"{read:.3f} nats per token, {verdict} the frozen model's {base:.3f}."
    )
    worst, certified, least = report.damage, report.damage_certified, report.certified_least
    if worst.value is not None and certified is not None and least is not None:
        yield (
            f"At its worst (chunk {worst.chunk}, {report.damage_tokens} tokens) learning cost "
            f"{max(0.0, worst.value):.4f} nats per token; the mixture with the frozen model "
            f"certifies at most {certified:.4f} there and {least:.4f} at the longest chunks, "
            "whatever the text."
        )
    if report.bound_broken:
        yield f"The certified bound was BROKEN at {_count(report.bound_broken, 'chunk')}."


def _what_it_cost(report: Report, budget_nats: float) -> Iterator[str]:
    if report.drift is not None:
        yield (
            f"The canaries, texts that must not get harder, stand {report.drift:+.4f} nats from "
            f"where they started; the budget is {budget_nats:g}."
        )
    undone = report.largest_undone_rise
    if undone.value is not None and undone.value > 0.0:
        yield (
            f"The worst attempt that was taken back (chunk {undone.chunk}) would have moved them "
            f"{undone.value:+.4f} nats."
        )
    if report.audit.value is not None:
        yield f"Held-out audit texts, which judge nothing, stand {report.audit.value:+.4f} nats."
    if report.forecast_right.value is not None:
        yield (
            f"The gradient foretold the sign of the canary change in "
            f"{report.forecast_right.value:.0%} of {int(report.forecast_right.weight)} attempts; "
            "what decides is the probe."
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def comparison(reports: Mapping[str, Report]) -> tuple[list[str], list[list[str]]]:
    """Several runs over the same chunks side by side.

    Args:
        reports: By what each run is called.

    Returns:
        Headings and rows of a table; a reading that was not taken is `-`.
    """
    rows = [[title, *map(reading, reports.values())] for title, reading in _MEASURES]
    return ["", *reports], rows


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _mean(name: str, form: str = ".3f") -> Callable[[Report], str]:
    return lambda report: _shown(report.mean(name), form)


def _share(*kinds: Decision) -> Callable[[Report], str]:
    return lambda report: _shown(
        report.count(*kinds) / report.chunks if report.chunks else None, ".1%"
    )


_MEASURES: tuple[tuple[str, Callable[[Report], str]], ...] = (
    ("chunks", lambda report: str(report.chunks)),
    ("loss as read, nats per token", _mean("loss")),
    ("loss of the frozen base", _mean("loss_base")),
    ("gain", _mean("gain", "+.3f")),
    ("gradient norm, mean", _mean("grad_norm")),
    ("step attempted, mean norm", _mean("attempted_update_norm")),
    ("step kept, mean norm", _mean("update_norm")),
    ("committed whole", _share(Decision.COMMITTED)),
    ("committed in part", _share(Decision.SHORTENED)),
    ("blocked by the gate", _share(Decision.BLOCKED)),
    ("rolled back", _share(Decision.REVERTED)),
    ("canary drift, nats", lambda report: _shown(report.drift, "+.4f")),
    ("worst rise taken back, nats", lambda r: _shown(r.largest_undone_rise.value, "+.4f")),
    ("canary change foretold in sign", lambda r: _shown(r.forecast_right.value, ".0%")),
)
