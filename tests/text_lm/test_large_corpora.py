"""Memory does not grow with the corpus: it is read, encoded and trained on as a stream."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GROWTH_BYTES_MAX = 24 << 20
"""Anonymous memory that a corpus ten times as large may take more: a batch instead of part of one,
twice over."""
TRAINING_BYTES_MAX = 900 << 20
"""Anonymous memory of a whole small training, torch and all, whatever the corpus; docs/training.md
states it."""
ENCODE = """
import sys, threading, time
from pathlib import Path
from ttt.text_lm.corpus import Corpus
from ttt.text_lm.encoding import encoded_corpus
from ttt.text_lm.tokenizer import read_tokenizer
def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))
for corpus in sys.argv[2:]:
    peak = [0]
    look = lambda _tokens: peak.append(max(peak.pop(), anonymous()))
    tokens = encoded_corpus(Path(sys.argv[1]), Corpus(names=(corpus,)), read_tokenizer("starter"), advance=look)
    print(peak[0], len(tokens.tokens_T))
"""  # noqa: E501 - a program, not prose

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="this system does not tell anonymous memory"
)


def written(path: Path, megabytes: float) -> str:
    """A text of made-up words, some frequent and some rare, with a new one now and then."""
    draw = random.Random(0)
    syllables = [a + b for a in "bdfglmnprst" for b in ("a", "e", "ei", "o", "ou")]
    words = ["".join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(4000)]
    weights = [1 / (n + 1) for n in range(len(words))]
    with path.open("w") as file:
        size = 0
        while size < megabytes * 1e6:
            line = " ".join(draw.choices(words, weights, k=2000)) + f" {draw.random()}.\n"
            size += file.write(line * 8)
    return str(path)


@needs_proc
def test_encoding_ten_times_as_much_text_takes_no_more_memory(tmp_path):
    texts = [written(tmp_path / "short.txt", 1.2), written(tmp_path / "long.txt", 12)]
    call = [sys.executable, "-c", ENCODE, str(tmp_path / "art"), *texts]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True)
    (short, few), (long, many) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert many > 9 * few
    assert long - short < GROWTH_BYTES_MAX, f"{(long - short) >> 20} MiB"


@needs_proc
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hundred_megabytes_are_encoded_and_trained_on_in_bounded_memory(tmp_path):
    text = written(tmp_path / "long.txt", 200)
    call = [sys.executable, "-m", "ttt.text_lm.train", "--corpus", text, "--steps=20"]
    call += ["--tokenizer_max_lines=2000", "--d_model=64", "--n_layers=1", "--device=cpu"]
    call += [f"--artifacts_root={tmp_path / 'art'}"]
    running = subprocess.Popen(call, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"})
    peak = 0
    while running.poll() is None:
        peak = max(peak, anonymous_bytes(running.pid))
        time.sleep(0.02)
    assert running.returncode == 0
    assert 100 << 20 < peak < TRAINING_BYTES_MAX, f"{peak >> 20} MiB"


def anonymous_bytes(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))
