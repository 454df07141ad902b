"""What the gate blocks, and what it lets through: `python -m benchmarks.gate`.

Prints, per class of text, the share of chunks that the text stage blocks, with a 95 % Wilson
interval and the reasons, and then what the stage costs. Chunks are 500 characters with hashed regex
tokens, or `--tokens starter`: 128 tokens of the starter model. `--reference` measures the
deflate table of `ttt/lib/text_stats.py` instead.
"""

import argparse
import re
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from benchmarks.gate_texts import DATA, TextClass, chunks_of, load
from ttt.core.gate import ChunkText, GateConfig, should_gate_update, text_stage
from ttt.core.starter import load_starter
from ttt.lib.stats import wilson_interval
from ttt.lib.text_stats import REFERENCE_BYTES, TokenIds, measure_reference
from ttt.monitors.documents import Document, chunks

TOKENS = re.compile(r"\w+|[^\w\s]")
CHUNK_TOKENS = 128
REFERENCE_CLASSES = {
    "prose": ("prose",),
    "code": ("code",),
    "logs": ("logs",),
    "languages": ("194 languages", "Spanish, German"),
}
"""What counts as ordinary text, with equal weight."""

Chunker: TypeAlias = Callable[[str], Iterable[ChunkText]]


def token_ids(text: str) -> TokenIds:
    """Hash regex tokens, as the toy model does (stable over runs, unlike `hash`)."""
    return np.array([zlib.crc32(t.encode()) % 8192 for t in TOKENS.findall(text)], dtype=np.int64)


def regex_chunks(document: str) -> Iterator[ChunkText]:
    """Yield pieces of 500 characters, each with the end of the one before as its carry."""
    before = ""
    for piece in chunks_of(document):
        yield ChunkText(text=piece, carry=before, token_ids=token_ids(piece))
        before = piece


def starter_chunker() -> Chunker:
    """Return what cuts a document into 128 tokens of the starter model, as the monitor does."""
    encoder = load_starter().encoder

    def cut(document: str) -> Iterator[ChunkText]:
        whole = Document(name="", pieces=[document])
        for chunk in chunks([whole], encoder=encoder, chunk_tokens=CHUNK_TOKENS):
            yield chunk.for_gate()

    return cut


@dataclass(slots=True, kw_only=True)
class Row:
    """What was blocked of one class."""

    chunks: int = 0
    blocked: int = 0
    documents: int = 0
    documents_blocked: int = 0
    """Documents of which at least one chunk was blocked."""
    reasons: Counter[str] = field(default_factory=Counter)


def row_of(kind: TextClass, chunker: Chunker, *, show: bool = False) -> Row:
    """Count what is blocked of one class, by chunk and by document."""
    row = Row()
    for document in kind.documents:
        before = row.blocked
        for chunk in chunker(document):
            row.chunks += 1
            allowed, why = should_gate_update(chunk)
            row.reasons.update(why)
            row.blocked += not allowed
            if show and not allowed:
                print("   ", why, repr(chunk.text[:300]))
        row.documents += 1
        row.documents_blocked += row.blocked > before
    return row


def print_table(classes: Sequence[TextClass], chunker: Chunker, *, benign: bool, show: str) -> None:
    """Print one markdown table: false blocks (benign) or recall (the rest)."""
    print(f"\n{'Benign' if benign else 'Hostile or worthless'} text\n")
    print("| class | chunks | blocked | 95 % interval | documents touched | reasons |")
    print("|---|---|---|---|---|---|")
    for kind in classes:
        if kind.benign == benign:
            row = row_of(kind, chunker, show=kind.name == show)
            low, high = wilson_interval(row.blocked, row.chunks)
            why = ", ".join(f"{name} {count}" for name, count in row.reasons.most_common())
            print(
                f"| {kind.name} | {row.chunks} | {100 * row.blocked / max(1, row.chunks):.1f} % "
                f"| {100 * low:.1f}-{100 * high:.1f} % "
                f"| {row.documents_blocked} of {row.documents} | {why} |"
            )


def print_cost(classes: Sequence[TextClass]) -> None:
    """Print the time of the whole text stage on a 500-character chunk, per kind of text."""
    print("\nText stage: processor time, microseconds per chunk (best of 25 runs over 60 chunks)\n")
    for name in ("prose", "code", "194 languages", "jailbreaks in the wild", "base64"):
        kind = next(k for k in classes if k.name == name)
        pieces = [p for d in kind.documents for p in chunks_of(d) if len(p) >= 480][:60]
        pairs = [(piece, token_ids(piece)) for piece in pieces]
        best = min(_seconds(pairs) for _ in range(25))
        print(f"{name:26s} {1e6 * best / max(1, len(pairs)):7.1f}")


def _seconds(pairs: Sequence[tuple[str, TokenIds]]) -> float:
    start = time.thread_time()
    for text, ids in pairs:
        # A fresh chunk each time: its readings are cached inside it.
        chunk = ChunkText(text=text, carry=text[:64], token_ids=ids)
        for check in text_stage(chunk, GateConfig()):
            check()
    return time.thread_time() - start


def reference_of(classes: Sequence[TextClass]) -> tuple[float, ...]:
    """Measure the deflate ratio of ordinary text at each of `REFERENCE_BYTES`."""
    # Documents are joined, so that every class has pieces of every length.
    return measure_reference(
        {
            group: ["\n".join(k.documents).encode() for k in classes if k.name in names]
            for group, names in REFERENCE_CLASSES.items()
        }
    )


def main() -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=("report", "tune"), default="report")
    parser.add_argument("--tokens", choices=("regex", "starter"), default="regex")
    parser.add_argument("--reference", action="store_true", help="measure the deflate table")
    parser.add_argument("--show", default="", help="print the blocked chunks of this class")
    args = parser.parse_args()
    if not DATA.is_dir():
        print(f"No texts at TTT_DATA_DIR ({DATA.name}): set it to the folder of sample texts.")
        return 2
    tune = load("tune")
    if args.reference:
        for length, ratio in zip(REFERENCE_BYTES, reference_of(tune), strict=True):
            print(f"{length:6d} bytes  {ratio:.3f}")
        return 0
    classes = tune if args.half == "tune" else load("report")
    chunker = starter_chunker() if args.tokens == "starter" else regex_chunks
    print_table(classes, chunker, benign=True, show=args.show)
    print_table(classes, chunker, benign=False, show=args.show)
    if args.tokens == "regex":
        print_cost(classes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
