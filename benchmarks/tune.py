"""Chooses rates, budgets and limits on the tuning half of the texts, and prints why.

    python -m benchmarks.tune --out docs/tuning.md

Nothing here decides by itself: the tables say what each setting keeps, costs and refuses, the
defaults in the code are read off them, and `shipped` marks the row that is the default today.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.attacks import Threat, Victim, natural_threats, optimised_text
from benchmarks.evaluate import damages, document_chunks, gains, hostile_chunks, undefended
from benchmarks.learning_texts import CHARACTERS, PLAIN_PROSE, LearningText, learning_texts
from benchmarks.sessions import go_on, learn, quiet, read_only
from benchmarks.settings import bases, shipped, shipped_rules, with_rule, with_spfw
from ttt.core.base import Base
from ttt.core.cache import CacheConfig
from ttt.core.rules import Muon, Rls, Sgd, UpdateRule, kfac
from ttt.monitors.config import MonitorConfig
from ttt.monitors.documents import Chunk
from ttt.monitors.gradient import run_monitor
from ttt.store.exports import write_output

Row = tuple[str, ...]

GUARDS: dict[str, dict[str, object]] = {
    "line, b .05, limit .25, no giving way": {"give_way": 0.0, "canary_limit_nats": 0.25},
    "line, b .05, limit .5, no giving way": {"give_way": 0.0},
    "line, b .05, limit .25": {"canary_limit_nats": 0.25},
    "line, b .02, limit .5": {"budget_nats": 0.02},
    "line, b .05, limit .5 (shipped)": {},
    "line, b .1, limit .5": {"budget_nats": 0.1},
    "line, b .05, limit .5, gives way .1": {"give_way": 0.1},
    "radial, b .05, limit .5": {"shrink": "radial"},
    "line, b .05, limit .5, cone": {"cone": True, "passes": 10},
}
"""Name -> what differs from the shipped write guard."""


def main(argv: list[str] | None = None) -> int:
    """Print the tables, and write them where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the page there")
    parser.add_argument("--per_class", type=int, default=1, help="documents of each class")
    options = parser.parse_args(argv)
    texts = learning_texts("tune", per_class=options.per_class)
    parts = [INTRODUCTION.format(documents=len(texts))]
    for title, make in (
        ("Rates, undefended", rate_rows),
        ("The write guard, with kfac", guard_rows),
        ("The cache, read through the mixture", cache_rows),
        ("Refusals per class of benign text, shipped settings", refusal_rows),
        ("What is ordinary on plain prose: norms that flags are set above", norm_rows),
    ):
        rows = [row for base in bases() for row in make(base, texts)]
        parts.append(f"## {title}\n\n" + _markdown(HEADS[title], rows))
        sys.stdout.write(parts[-1] + "\n")
        sys.stdout.flush()
    if options.out is not None:
        write_output(options.out, "\n".join(parts).encode())
    return 0


INTRODUCTION = """# Tuning: how the defaults were chosen

Made by `python -m benchmarks.tune --out docs/tuning.md` on the tuning half of the texts
({documents} documents, none of them seen in training); docs/learning.md claims figures on the other
half. Gains and damages are nats per token. *Gain* is the loss of the frozen base minus that under
the fast weights, on chunks not learned yet. *Damage* is what five hostile chunks add to the loss of
the audit canaries in a session under way; the worst of several. *Erased* is what the worst of them
takes from the session's own document.
"""

HEADS: dict[str, Row] = {
    "Rates, undefended": ("base", "rule", "gain", "gain on prose", "gain at 3 x the rate"),
    "The write guard, with kfac": (
        "base", "guard", "gain", "kept", "gain on prose", "not learned, prose",
        "not learned, all", "worst damage", "erased",
    ),
    "The cache, read through the mixture": (
        "base", "weight", "sharpness", "gain of the mixture", "on prose"),
    "Refusals per class of benign text, shipped settings": (
        "base", "class", "chunks", "not learned"),
    "What is ordinary on plain prose: norms that flags are set above": (
        "base", "rule", "gradient, median", "gradient, 99 %", "step, median", "step, 99 %"),
}  # fmt: skip


def rate_rows(base: Base, texts: list[LearningText]) -> Iterator[Row]:
    """Every rule at several rates."""
    for name, make in _rates(base).items():
        once = gains(base, undefended(with_rule(shipped(base), make(1.0))), texts)
        thrice = gains(base, undefended(with_rule(shipped(base), make(3.0))), texts)
        yield (
            base.name, name, f"{once.adapted.mean():.3f}",
            f"{once.adapted[_prose(texts)].mean():.3f}", f"{thrice.adapted.mean():.3f}",
        )  # fmt: skip


def _rates(base: Base) -> dict[str, Callable[[float], UpdateRule]]:
    """Name -> the rule at a multiple of its rate."""
    fisher = base.fisher
    assert fisher is not None, "starter models carry their factors"
    return {
        "kfac, KL .003": lambda m: kfac(lr=m, fisher=fisher, kl_max=0.003 * m * m),
        "kfac, KL .01": lambda m: kfac(lr=m, fisher=fisher, kl_max=0.01 * m * m),
        "kfac, KL .02": lambda m: kfac(lr=m, fisher=fisher, kl_max=0.02 * m * m),
        "kfac, KL .01, damping .3": lambda m: kfac(
            lr=m, fisher=fisher, damping=0.3, kl_max=0.01 * m * m
        ),
        "rls 1, ridge 1": lambda m: Rls(lr=m, ridge=1.0),
        "rls 1, ridge 30": lambda m: Rls(lr=m, ridge=30.0),
        "rls 1, ridge 100": lambda m: Rls(lr=m, ridge=100.0),
        "rls 2, ridge 100": lambda m: Rls(lr=2 * m, ridge=100.0),
        "muon .05": lambda m: Muon(lr=0.05 * m),
        "muon .1": lambda m: Muon(lr=0.1 * m),
        "sgd .05": lambda m: Sgd(lr=0.05 * m),
        "sgd .1": lambda m: Sgd(lr=0.1 * m),
    }


def guard_rows(base: Base, texts: list[LearningText]) -> Iterator[Row]:
    """Every write guard of `GUARDS`: what it keeps, refuses, lets through and gives up."""
    plain = replace(shipped(base), cache=CacheConfig(weight=0.0))
    free = gains(base, undefended(plain), texts).adapted.mean()
    warm = document_chunks(base, texts[0])
    threats = _threats(base, undefended(plain), warm[:8])
    for name, differs in GUARDS.items():
        config = with_spfw(plain, **differs)
        found = gains(base, config, texts)
        refused, chunks = (sum(column) for column in zip(*found.refused.values(), strict=True))
        prose_refused, prose_chunks = found.refused_prose
        ungated = replace(
            config,
            safety=replace(config.safety, gate=replace(config.safety.gate, enabled=False)),
        )
        hurt = [float(damages(base, ungated, warm[:8], t.texts).max()) for t in threats]
        erased = [_erased(base, ungated, warm, text) for t in threats for text in t.texts[:1]]
        yield (
            base.name, name, f"{found.adapted.mean():.3f}", f"{found.adapted.mean() / free:.0%}",
            f"{found.adapted[_prose(texts)].mean():.3f}", f"{prose_refused} of {prose_chunks}",
            f"{refused} of {chunks}", f"{max(hurt):.3f}", f"{max(erased):.3f}",
        )  # fmt: skip


def _threats(base: Base, config: MonitorConfig, warm: list[Chunk]) -> list[Threat]:
    """The hostile texts that hurt most, and one made against the undefended session."""
    wanted = ("one word repeated", "phrase repeated", "random bytes", "other writing systems")
    natural = [t for t in natural_threats("tune", sessions=2) if t.name in wanted]
    state = learn(base, config, warm).monitor.fast.state
    victim = Victim(base=base, rule=config.rule, adapter_DD=state.adapter_DD, memory=state.memory)
    made = Threat(name="optimised", natural=False, texts=(optimised_text(victim, seed=0),))
    return [*natural, made]


def _erased(base: Base, config: MonitorConfig, warm: list[Chunk], hostile: str) -> float:
    """How much worse the session reads its own document's second half after a hostile text."""
    session = learn(base, config, warm[:8])
    before = read_only(session, warm[8:])[0].mean()
    go_on(session, hostile_chunks(base, hostile))
    return float(read_only(session, warm[8:])[0].mean() - before)


def cache_rows(base: Base, texts: list[LearningText]) -> Iterator[Row]:
    """Weights and sharpnesses of the cache, everything else as shipped."""
    for weight, sharpness in ((0.0, 1.0), (0.05, 12), (0.1, 6), (0.1, 12), (0.1, 20), (0.2, 12)):
        cache = CacheConfig(weight=weight, sharpness=sharpness)
        found = gains(base, replace(shipped(base), cache=cache), texts).mixed
        yield (
            base.name, f"{weight}", f"{sharpness}", f"{found.mean():.3f}",
            f"{found[_prose(texts)].mean():.3f}",
        )  # fmt: skip


def refusal_rows(base: Base, texts: list[LearningText]) -> Iterator[Row]:
    """Chunks that the shipped settings do not learn, by class."""
    for kind, (refused, chunks) in gains(base, shipped(base), texts).refused.items():
        yield base.name, kind, str(chunks), str(refused)


def norm_rows(base: Base, texts: list[LearningText]) -> Iterator[Row]:
    """Quantiles of both norms on the first halves of the prose, for every rule as shipped."""
    half = CHARACTERS // 2
    prose = [replace(t, text=t.text[:half]) for t in texts if t.kind in PLAIN_PROSE]
    for name, rule in shipped_rules(base).items():
        config = with_rule(shipped(base), rule)
        found = [
            (event.signals.grad_norm, event.signals.attempted_update_norm)
            for text in prose
            for event in run_monitor([document_chunks(base, text)], base=base, config=quiet(config))
        ]
        norms = np.array([pair for pair in found if None not in pair], dtype=float)
        middle, most = np.quantile(norms, 0.5, axis=0), np.quantile(norms, 0.99, axis=0)
        yield base.name, name, *(f"{x:.2f}" for x in (middle[0], most[0], middle[1], most[1]))


def _prose(texts: list[LearningText]) -> np.ndarray:
    return np.array([text.kind in PLAIN_PROSE for text in texts])


def _markdown(head: Row, rows: list[Row]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    raise SystemExit(main())
