"""How fast a tokenizer is trained and used, beside one in plain Python (`naive_bpe.py`)."""

import os
from statistics import median
from typing import Final

from benchmarks import naive_bpe
from benchmarks.report import Row
from benchmarks.timing import laps, ratio
from ttt.text_lm.bulk_encoding import BulkEncoder
from ttt.text_lm.corpus import stdlib_documents, text_of
from ttt.text_lm.tokenizer import train_tokenizer

VOCABULARY: Final = 4096
LONG, SHORT = 2_000_000, 100_000
"""Bytes that ours reads, and bytes that the plain one reads, which takes minutes for more."""
SHORT_MERGES: Final = 300
"""Merges that both learn from the short text."""
TRAIN_TARGET_S, ENCODE_TARGET_MB_S = 5.0, 1.0
TRAIN_RATIO, ENCODE_RATIO = 100.0, 20.0


def tokenizer_rows(rounds: int = 3) -> list[Row]:
    """Training and encoding, in turn with the plain one; both encode with the same merges."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    text = "".join(text_of(stdlib_documents())).encode()
    long = (text * (LONG // len(text) + 1))[:LONG].decode(errors="ignore")
    short = text[:SHORT].decode(errors="ignore")
    encoder = train_tokenizer([long], vocab_size=VOCABULARY)
    merges, small = naive_bpe.merges_of(encoder.json), 4 + 256 + SHORT_MERGES
    bulk = BulkEncoder(encoder)
    seconds = laps(
        {
            "train long": lambda: train_tokenizer([long], vocab_size=VOCABULARY),
            "train short": lambda: train_tokenizer([short], vocab_size=small),
            "plain train short": lambda: naive_bpe.train(short, SHORT_MERGES),
            "encode long": lambda: bulk.encode([long]),
            "encode long by `tokenizers`": lambda: bulk.naive_twin(long),
            "plain encode short": lambda: naive_bpe.encode(short, merges),
        },
        rounds,
    )
    times = {  # The plain one remembers nothing, so its time grows with the text and nothing else.
        name: ratio(seconds, "plain encode short", name) * LONG / SHORT
        for name in ("encode long", "encode long by `tokenizers`")
    }
    ours, library = (f"{LONG / 1e6 / median(seconds[name]):.1f} MB/s" for name in times)
    times_ours, times_library = (f"{times_as_fast:.0f}" for times_as_fast in times.values())
    trained = ratio(seconds, "plain train short", "train short")
    rows = [
        (f"train {VOCABULARY} ids on 2 MB", f"{median(seconds['train long']):.2f} s",
         f"below {TRAIN_TARGET_S:.0f} s"),
        (f"train {small} ids on 100 kB, times as fast as plain", f"{trained:.0f}",
         f"at least {TRAIN_RATIO:.0f}"),
        ("encode 2 MB", ours, f"at least {ENCODE_TARGET_MB_S:.0f}"),
        ("the same, times as fast as plain", times_ours, f"at least {ENCODE_RATIO:.0f}"),
        ("encode 2 MB by `tokenizers`", library, ""),
        ("the same, times as fast as plain", times_library, ""),
    ]  # fmt: skip
    return [{"job": job, "reached": reached, "target": target} for job, reached, target in rows]
