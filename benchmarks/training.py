"""How fast training is, beside the machine's limit and plainer builds.

`python -m benchmarks training`; it takes a few minutes.

Every build trains the same model on the same windows in a process of its own, because the way
memory is kept and the way the recurrence is computed are settings of a whole process; the processes
take turns, one at a time, and only processor time counts. The limit is the speed of a square matrix
product in the precision that the build trains in, measured in the same process right before and
after the step that is set beside it.
Work is counted as `6 x (backbone + head parameters) x tokens`: what the optimizers, the softmax and
the recurrence cost is not work but loss.
"""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import IO, Final

import torch

from benchmarks.report import Row, Tables
from benchmarks.timing import laps, ratio
from benchmarks.training_builds import (
    BUILDS,
    OURS,
    PEAK_SIDE,
    flops_per_step,
    tokens_per_step,
)
from benchmarks.training_text import tokenizer_rows
from ttt.lib.precision import half_pays

SHARE_TARGET: Final = 0.65
RATIO_TARGETS: Final = {"plain loop": 3.0, "blocked scan, float32, default malloc": 1.8}
ROUNDS: Final = 7
HALF_SIDE: Final = 768


class Worker:
    """One build in a process of its own; it does one thing for each line that it is sent.

    Args:
        name: A key of `BUILDS`.
    """

    def __init__(self, name: str) -> None:
        build = BUILDS[name]
        environ = {k: v for k, v in os.environ.items() if k != "THP_MEM_ALLOC_ENABLE"}
        environ |= {"TTT_SCAN": build.scan, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "benchmarks.training_builds", name]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
        )

    def step(self) -> tuple[float, float]:
        """Train one step: its processor seconds, and those of one square product beside it."""
        to, back = self._process.stdin, self._process.stdout
        assert to is not None, "it was opened as a pipe"
        assert back is not None, "it was opened as a pipe"
        to.write("step\n")
        to.flush()
        step_s, product_s = _line(back).split()
        return float(step_s), float(product_s)

    def close(self) -> None:
        """Let the process end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=60)


def _line(back: IO[str]) -> str:
    line = back.readline()
    if not line:
        raise RuntimeError("A build ended instead of answering; its error stands above.")
    return line


@contextmanager
def _workers() -> Iterator[dict[str, Worker]]:
    with ExitStack() as stack:
        found = {}
        for name in BUILDS:
            found[name] = Worker(name)
            stack.callback(found[name].close)
        yield found


def build_rows(rounds: int) -> list[Row]:
    """Every build in turn; the first step of each is not counted."""
    order, draw = list(BUILDS), random.Random(0)
    steps: dict[str, list[float]] = {name: [] for name in BUILDS}
    products: dict[str, list[float]] = {name: [] for name in BUILDS}
    with _workers() as workers:
        for name in order:
            workers[name].step()
        for _ in range(rounds):
            draw.shuffle(order)
            for name in order:
                step_s, product_s = workers[name].step()
                steps[name].append(step_s)
                products[name].append(product_s)
    return [_row(name, steps, products[name]) for name in BUILDS]


def _row(name: str, steps: dict[str, list[float]], products: list[float]) -> Row:
    peaks = [2 * PEAK_SIDE**3 / one for one in products]
    pairs = zip(steps[name], peaks, strict=True)
    share = median(flops_per_step() / step_s / peak for step_s, peak in pairs)
    target = RATIO_TARGETS.get(name)
    return {
        "build": name,
        "ms a step": f"{1e3 * median(steps[name]):.0f}",
        "tokens/s": f"{tokens_per_step() / median(steps[name]):.0f}",
        "peak GFLOP/s": f"{median(peaks) / 1e9:.0f}",
        "share of peak": f"{share:.0%}",
        "at least": f"{SHARE_TARGET:.0%}" if name == OURS else "",
        "x ours": f"{ratio(steps, name, OURS):.2f}",
        "ratio at least": "" if target is None else f"{target:.1f}",
    }


def half_rows(rounds: int) -> list[Row]:
    """Whether half precision pays here, and what is therefore trained in."""
    single = torch.randn(HALF_SIDE, HALF_SIDE)
    half = single.bfloat16()
    jobs: dict[str, Callable[[], object]] = {"float32": lambda: single @ single}
    jobs["bfloat16"] = lambda: half @ half
    seconds = laps(jobs, 3 * rounds)
    return [
        {
            "product of": f"{HALF_SIDE} x {HALF_SIDE}",
            "bfloat16, x float32": f"{ratio(seconds, 'bfloat16', 'float32'):.2f}",
            "trained in": "bfloat16" if half_pays("cpu") else "float32",
        }
    ]


def run(rounds: int = ROUNDS) -> Tables:
    """Measure everything.

    Args:
        rounds: Steps each build is timed on.
    """
    torch.set_num_threads(1)
    return {
        "Half precision on this processor, in seconds": half_rows(rounds),
        "Training, one thread: SSM, 4 layers, width 256, vocabulary 4096, 32 windows of 128": (
            build_rows(rounds)
        ),
        "Tokenizer, one thread, beside a small one in plain Python": tokenizer_rows(),
    }
