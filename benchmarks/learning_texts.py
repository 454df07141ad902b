"""Documents that learning is measured on: text no starter model was trained on, in two halves.

**tune** chooses settings, **report** is what figures are claimed on; a document belongs to one of
them by the digest of its text. Every document is about one thing: an article, part of a chapter, a
module, a day's log.

Source of the texts: the folder `TTT_DATA_DIR` (default `../shared/data`), the running Python, and
seeded generators.
"""

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.gate_generated import service_log
from benchmarks.gate_texts import DATA

CHARACTERS: Final = 10_000
"""Length of a document; about 25 chunks of 128 tokens."""

UNSEEN: Final[dict[str, tuple[str, float]]] = {
    "novel": ("prose/Moby-Dick-Or-The-Whale.txt", 0.0),
    "novel 2": ("prose/Pride-and-Prejudice.txt", 0.0),
    "stories": ("prose/The-Adventures-of-Sherlock-Holmes.txt", 0.0),
    "drama": ("prose/tinyshakespeare.txt", 0.9),
    "speeches": ("prose/us_inaugural.txt", 0.7),
    "Spanish": ("multilingual/es_don_quijote_part1.txt", 0.5),
    "German": ("multilingual/pud_german.txt", 0.0),
    "dictionary": ("lookalike/devils_dictionary_part.txt", 0.0),
    "verse": ("lookalike/songs_refrains_part.txt", 0.0),
}
"""Class -> (file, share of it from the start that the starter models were trained on)."""

PLAIN_PROSE: Final = ("articles", "novel", "novel 2", "stories", "speeches")
"""The classes that count as plain prose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningText:
    """One document."""

    name: str
    kind: str
    text: str


def learning_texts(
    half: str, *, per_class: int = 4, characters: int = CHARACTERS
) -> list[LearningText]:
    """Documents of one half, `"tune"` or `"report"`, up to `per_class` of each class."""
    wanted = {"tune": 0, "report": 1}[half]
    chosen: list[LearningText] = []
    for kind in ("articles", *UNSEEN, "code", "logs"):
        documents = [
            text
            for text in _candidates(kind)
            if hashlib.sha256(text.encode()).digest()[0] % 2 == wanted
        ]
        random.Random(f"{kind}-{half}").shuffle(documents)
        count = 2 * per_class if kind == "articles" else per_class
        chosen += [
            LearningText(name=f"{kind} {i + 1}", kind=kind, text=text[:characters])
            for i, text in enumerate(documents[:count])
        ]
    return chosen


def _candidates(kind: str) -> Iterator[str]:
    if kind == "articles":
        yield from _articles()
    elif kind == "code":
        yield from _modules()
    elif kind == "logs":
        for seed in range(40):
            generator = random.Random(f"log-{seed}")
            yield "\n".join(service_log(generator) for _ in range(8))
    else:
        path, trained = UNSEEN[kind]
        text = (DATA / path).read_text(encoding="utf-8")
        for start in range(int(trained * len(text)) + 1, len(text) - CHARACTERS, CHARACTERS):
            yield text[start : start + CHARACTERS]


def _articles() -> Iterator[str]:
    """Encyclopedia articles of at least half the wanted length."""
    text = (DATA / "prose/wikitext2_valid.txt").read_text(encoding="utf-8")
    for article in re.split(r"(?m)^ = [^=\n]+ = $", text):
        if len(article) > CHARACTERS // 2:
            yield article[:CHARACTERS]


def _modules() -> Iterator[str]:
    """Source of installed packages that are not the standard library, which was trained on."""
    from importlib.util import find_spec
    from pathlib import Path

    for package in ("numpy", "torch", "pydantic", "rich"):
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            continue
        for path in sorted(Path(spec.origin).parent.glob("*.py")):
            source = path.read_text(encoding="utf-8")
            if len(source) > CHARACTERS:
                middle = len(source) // 2 - CHARACTERS // 2
                yield source[middle : middle + CHARACTERS]
