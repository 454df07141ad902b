"""Does learning help, and does the guard let it? Every rule, on the reporting half of the texts.

Each row is one setting over the same documents. *kept* compares with the best undefended rule on
the same base. Intervals are 95 % bootstrap over documents; *shipped gains more by* is the shipped
setting minus that row, paired document by document. What harm is done is in `benchmarks/harm.py`.
"""

from dataclasses import replace

import numpy as np

from benchmarks.evaluate import Gains, gains, interval, specific_gains, undefended
from benchmarks.learning_texts import LearningText, learning_texts
from benchmarks.report import Row, Tables
from benchmarks.settings import (
    NO_CACHE,
    bases,
    dynamic_evaluation,
    shipped,
    shipped_rules,
    with_rule,
)
from ttt.core.base import Base
from ttt.monitors.config import MonitorConfig

PER_CLASS = 2
"""Documents of each class (twice as many encyclopedia articles)."""
CHARACTERS = 5_000
"""Length of each: many shorter documents give narrower intervals than few long ones."""


def run() -> Tables:
    """Measure both starter models; about ten minutes."""
    texts = learning_texts("report", per_class=PER_CLASS, characters=CHARACTERS)
    tables: Tables = {}
    for base in bases():
        tables[f"Gain, {base.name}, {len(texts)} documents, nats per token"] = _rows(base, texts)
    return tables


def _rows(base: Base, texts: list[LearningText]) -> list[Row]:
    config = shipped(base)
    rules = {**shipped_rules(base), "dynamic evaluation": dynamic_evaluation(base, config)}
    settings = {name: with_rule(config, rule) for name, rule in rules.items()}
    free = {name: gains(base, undefended(c), texts) for name, c in settings.items()}
    best = max(free, key=lambda name: float(free[name].adapted.mean()))
    rows = [
        _row(base, f"{name}, undefended", undefended(settings[name]), free[name], "adapted", texts)
        for name in rules
    ]
    for name in rules:
        if name == "dynamic evaluation":
            continue
        found = gains(base, settings[name], texts)
        rows.append(_row(base, f"{name}, guarded", settings[name], found, "adapted", texts))
    rule = replace(config, cache=NO_CACHE)
    rows.append(
        _row(base, "kfac, guarded, mixture", rule, gains(base, rule, texts), "mixed", texts)
    )
    rows.append(_row(base, "shipped: + cache", config, gains(base, config, texts), "mixed", texts))
    best_gain = float(free[best].adapted.mean())
    shipped_values = rows[-1]["values"]
    for row in rows:
        values = row.pop("values")
        assert isinstance(values, np.ndarray)
        row["kept"] = f"{values.mean() / best_gain:.0%}"
        row["shipped gains more by"] = interval(shipped_values - values)
    return rows


def _row(
    base: Base,
    name: str,
    config: MonitorConfig,
    found: Gains,
    read: str,
    texts: list[LearningText],
) -> Row:
    """One line; `read` names the reading that counts."""
    values: np.ndarray = getattr(found, read)
    adapted, mixed = specific_gains(base, config, texts)
    refused, prose = found.refused_prose
    return {
        "setting": name,
        "raw gain": interval(values),
        "specific gain": interval(adapted if read == "adapted" else mixed),
        "documents that gain": f"{int((values > 0).sum())} of {len(values)}",
        "not learned, prose": f"{refused} of {prose}",
        "values": values,
    }
