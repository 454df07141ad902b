"""Does a session recall what it was told? `python -m benchmarks recall`.

A session is told eight facts, one a message, drawn anew for each session; messages about something
else follow, from documents. Then each fact is asked for: of eight sentences that differ in the last
words alone, which is the likeliest to the session, reading and not learning? Chance is one in
eight. *Apart*: facts of eight kinds (a dog's name, a town, a colour), so that it is enough to have
kept the words. *Alike*: who keeps which of eight lighthouses, so that it takes knowing which name
goes with which place. The margin is how much likelier the right sentence is than the mean of the
wrong ones, nats. *Off* is the same reading with learning off.
"""

import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import torch

from benchmarks.chat import BASES, Talk, messages
from benchmarks.evaluate import interval
from benchmarks.learning_texts import learning_texts
from benchmarks.report import Row, Tables
from ttt.lib.stats import wilson_interval
from ttt.text_lm.chat.learner import Learner
from ttt.text_lm.chat.options import ChatSettings
from ttt.text_lm.chat.workshop import TextWorkshop

NAMES: Final = ("Thomas", "Robert", "Arthur", "Martin", "George", "Edward", "Oliver", "Walter")
PLACES: Final = ("Alder", "Bishop", "Carter", "Dover", "Eagle", "Fisher", "Garden", "Harbor")
APART: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "My dog is called": NAMES,
        "I was born in the town of": (
            "York", "Dover", "Lincoln", "Oxford", "Bristol", "Leeds", "Durham", "Derby",
        ),
        "The colour of my boat is": (
            "red", "blue", "green", "white", "black", "yellow", "brown", "grey",
        ),
        "The train to the coast leaves at": (
            "one", "three", "four", "five", "six", "seven", "nine", "ten",
        ),
        "My sister works as a": (
            "doctor", "teacher", "baker", "farmer", "sailor", "painter", "lawyer", "writer",
        ),
        "The animal that I like best is the": (
            "horse", "dog", "cat", "bear", "fox", "wolf", "lion", "deer",
        ),
        "We meet again in the month of": (
            "January", "March", "April", "June", "August", "October", "November", "December",
        ),
        "The key to the cellar lies under the": (
            "stone", "table", "bed", "bridge", "tree", "roof", "stairs", "bench",
        ),
    }
)  # fmt: skip
ALIKE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {f"The keeper of the {place} Point lighthouse is called": NAMES for place in PLACES}
)
FACTS: Final = MappingProxyType({"apart": APART, "alike": ALIKE})
LEARNS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "off": {"read": "base"},
        "linear": {"context": "linear"},
        "cache": {"context": "cache"},
        "linear+cache": {},
        "linear+cache, 8192 rows": {"cache_rows": 8192},
        "fast_lowrank_mem": {"context": "fast_lowrank_mem"},
        "fast_lowrank_mem+cache": {"context": "fast_lowrank_mem+cache"},
    }
)
"""How sessions learn; `linear+cache` with 1024 rows is the default."""
SESSIONS: Final = 12
BETWEEN: Final = (0, 10, 40)
"""Messages about something else between the telling and the asking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """One fact that was asked for."""

    right: bool
    margin: float
    """Nats that the right sentence is likelier by than the mean of the others."""


def told(kind: str, seed: int) -> dict[str, str]:
    """What one session is told: an ending for each beginning, in the order of telling."""
    draw = random.Random(f"{kind}-{seed}")
    facts = {start: draw.choice(ends) for start, ends in FACTS[kind].items()}
    if kind == "alike":  # Each name once, so that a place alone decides.
        facts = dict(zip(facts, draw.sample(NAMES, len(NAMES)), strict=True))
    order = draw.sample(list(facts), len(facts))
    return {start: facts[start] for start in order}


def ask(talk: Talk, start: str, end: str, ends: Sequence[str]) -> Recalled:
    """Which of the sentences that begin alike is the likeliest."""
    scores = {one: -nats(talk, f"{start} {one}.") for one in ends}
    others = [score for one, score in scores.items() if one != end]
    return Recalled(
        right=max(scores, key=scores.__getitem__) == end,
        margin=scores[end] - float(np.mean(others)),
    )


def nats(talk: Talk, sentence: str) -> float:
    """How surprising a sentence is to a session as it stands, all of it together."""
    text = f"{sentence}\n"
    taken = talk.learner.take(talk.prepared, text, learning=False)
    ids = talk.learner.base.encoder.encode(text)
    size = talk.learner.settings.chunk_tokens
    sizes = [len(ids[start : start + size]) for start in range(0, len(ids), size)]
    return sum(one.read * tokens for one, tokens in zip(taken.losses, sizes, strict=True))


def recall(
    learner: Learner, kind: str, others: Sequence[str], *, sessions: int
) -> dict[int, list[Recalled]]:
    """Every fact of some sessions, after each number of other messages."""
    learning = learner.settings.read != "base"
    found: dict[int, list[Recalled]] = {between: [] for between in BETWEEN}
    for seed in range(sessions):
        facts, talk, heard = told(kind, seed), Talk(learner), 0
        talk.hear([f"{start} {end}." for start, end in facts.items()], learning=learning)
        for between in BETWEEN:
            talk.hear(others[heard:between], learning=learning)
            heard = between
            found[between] += [
                ask(talk, start, end, FACTS[kind][start]) for start, end in facts.items()
            ]
    return found


def rows(workshop: TextWorkshop, base: str, how: str, sessions: int = SESSIONS) -> list[Row]:
    """What one kind of session recalls."""
    learner = workshop.learner(ChatSettings.model_validate({"base": base, **LEARNS[how]}))
    documents = learning_texts("report", per_class=1)
    others = [message for text in documents for message in messages(text.text)]
    return [
        {
            "base": base,
            "learns with": how,
            "facts": kind,
            "messages between": between,
            "recalled": _share([one.right for one in all_]),
            "margin, nats": interval(np.array([one.margin for one in all_])),
        }
        for kind in FACTS
        for between, all_ in recall(learner, kind, others, sessions=sessions).items()
    ]


def run(sessions: int = SESSIONS) -> Tables:
    """Measure everything."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        workshop = TextWorkshop(Path(folder))
        found = [
            row
            for base, how in product(BASES, LEARNS)
            for row in rows(workshop, base, how, sessions)
        ]
    title = f"Facts told once, {sessions * len(NAMES)} in each row; chance is {1 / len(NAMES):.1%}"
    return {title: found}


def _share(right: Sequence[bool]) -> str:
    low, high = wilson_interval(sum(right), len(right))
    return f"{np.mean(right):.0%} [{low:.0%}, {high:.0%}]"
