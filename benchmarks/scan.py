"""The recurrences against their naive twins: `python -m benchmarks.scan`.

Speed as ratios from one interleaved run, on one thread; the share of the memory's speed, taken
from a copy in the same run; and the worst float32 error against float64.

Shapes: B batch, L tokens, D width.
"""

import argparse
import functools
import statistics
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from benchmarks.report import Row, Tables, markdown
from benchmarks.timing import interleaved
from ttt.core.recurrence_gru import gru_forward
from ttt.core.scan import blocked_scan, naive_scan, scan, scan_path

SCAN_SHAPES = ((1, 128, 64), (1, 1024, 64), (8, 1024, 64), (32, 128, 256))
GRU_SHAPES = ((1, 128, 64), (1, 128, 128), (1, 128, 256), (4, 128, 64), (16, 128, 64))
DECAYS = (2e-6, 1e-4, 0.5, 0.99, 1 - 1e-3, 1 - 1e-4, 1 - 2e-6)
AS_FAST = "times as fast as the loop"
BURST = 20
"""Calls of a fast candidate in one timing."""


def _arguments(shape: tuple[int, int, int], decay: float | None = None) -> list[Tensor]:
    """Decays (selective ones if `decay` is None), inputs and start, with gradients asked for."""
    generator = torch.Generator().manual_seed(0)
    noise_BLD = torch.randn(shape, generator=generator)
    a_BLD = torch.sigmoid(noise_BLD + 3.0) if decay is None else torch.full(shape, decay)
    x_BLD = torch.randn(shape, generator=generator)
    s0_BD = torch.randn(shape[0], shape[2], generator=generator)
    return [value.requires_grad_() for value in (a_BLD, x_BLD, s0_BD)]


def _with_gradients(function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    states_BLD = function(*inputs)
    return [states_BLD.detach(), *torch.autograd.grad(states_BLD, inputs, inputs[1])]


def _times_as_fast(durations: Mapping[str, float]) -> Row:
    """The two other ways beside the loop, forward and with gradients."""
    return {
        f"{name} {job}": round(durations[f"naive {job}"] / durations[f"{name} {job}"], 1)
        for name in ("torch", "fast")
        for job in ("forward", "both")
    }


def _burst(function: Callable[[], object]) -> Callable[[], None]:
    """Call a function many times: one call would measure the caches that others emptied."""

    def calls() -> None:
        for _ in range(BURST):
            function()

    return calls


def scan_row(shape: tuple[int, int, int], rounds: int) -> Row:
    """Time the three ways on one shape, forward and with gradients."""
    inputs = _arguments(shape)
    plain = [value.detach() for value in inputs]
    ways = {"naive": naive_scan, "torch": blocked_scan, "fast": scan}
    source_BLD, target_BLD = torch.ones(shape), torch.ones(shape)
    jobs: dict[str, Callable[[], object]] = {"copy": lambda: target_BLD.copy_(source_BLD)}
    for name, way in ways.items():
        jobs[f"{name} forward"] = functools.partial(way, *plain)
        jobs[f"{name} both"] = functools.partial(_with_gradients, way, inputs)
    slow = {name: job for name, job in jobs.items() if name.startswith("naive")}
    bursts = {name: _burst(job) for name, job in jobs.items() if name not in slow}
    laps = interleaved(slow | bursts, rounds)
    seconds = {name: laps[name] / (1 if name in slow else BURST) for name in jobs}
    tokens = shape[0] * shape[1]
    return {
        "shape": "x".join(map(str, shape)),
        **_times_as_fast(seconds),
        "fast us": round(seconds["fast forward"] * 1e6, 1),
        "both Mtok/s": round(tokens / seconds["fast both"] / 1e6, 1),
        # Forward reads two arrays and writes one; a copy reads one and writes one.
        "of copy speed": round(1.5 * seconds["copy"] / seconds["fast forward"], 2),
    }


def gru_row(shape: tuple[int, int, int], rounds: int) -> Row:
    """Time the compiled GRU recurrence, input projection included, against `torch.nn.GRU`."""
    batch, length, width = shape
    gru = torch.nn.GRU(width, width, batch_first=True)
    w_ih, w_hh, b_ih, b_hh = gru.parameters()
    x_BLD, h0_BD = torch.randn(batch, length, width), torch.zeros(batch, width)

    def ours() -> Tensor:
        gates_BLG = torch.nn.functional.linear(x_BLD, w_ih, b_ih)
        return gru_forward(gates_BLG, w_hh, b_hh, h0_BD)

    with torch.no_grad():
        seconds = interleaved({"ours": ours, "torch": lambda: gru(x_BLD, h0_BD[None])}, rounds)
        error = float((ours() - gru(x_BLD, h0_BD[None])[0]).abs().max())
    return {
        "shape": "x".join(map(str, shape)),
        "over torch.nn.GRU": round(seconds["torch"] / seconds["ours"], 1),
        "us": round(seconds["ours"] * 1e6),
        "error": f"{error:.0e}",
    }


def cuda_row(shape: tuple[int, int, int], rounds: int) -> Row:
    """The ways of a CUDA device, in turn, by the device's own clock."""
    inputs = [value.detach().cuda().requires_grad_() for value in _arguments(shape)]
    plain = [value.detach() for value in inputs]
    ways = {"naive": naive_scan, "torch": blocked_scan, "fast": scan}
    jobs: dict[str, Callable[[], object]] = {}
    for name, way in ways.items():
        jobs[f"{name} forward"] = functools.partial(way, *plain)
        jobs[f"{name} both"] = functools.partial(_with_gradients, way, inputs)
    laps: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(rounds + 2):  # The first two compile, and fill the allocator.
        for name, job in jobs.items():
            elapsed_ms = _cuda_ms(job)
            if number > 1:
                laps[name].append(elapsed_ms)
    ms = {name: statistics.median(each) for name, each in laps.items()}
    return {
        "shape": "x".join(map(str, shape)),
        **_times_as_fast(ms),
        "fast us": round(ms["fast forward"] * 1e3, 1),
        "both us": round(ms["fast both"] * 1e3, 1),
        "both Mtok/s": round(shape[0] * shape[1] / ms["fast both"] / 1e3, 1),
    }


def _cuda_ms(job: Callable[[], object]) -> float:
    """Milliseconds of a call between two events, its launches included."""
    begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begun.record()
    job()
    ended.record()
    torch.cuda.synchronize()
    elapsed_ms: float = begun.elapsed_time(ended)
    return elapsed_ms


def error_row(decay: float | None, length: int = 8192) -> Row:
    """Worst float32 error of values and gradients, over the largest value of each."""
    narrow = _arguments((1, length, 4), decay)
    wide = [value.detach().double().requires_grad_() for value in narrow]
    wanted = _with_gradients(blocked_scan, wide)

    def worst(way: Callable[..., Tensor]) -> str:
        pairs = zip(_with_gradients(way, narrow), wanted, strict=True)
        return f"{max(float((g - w).abs().max() / w.abs().max()) for g, w in pairs):.0e}"

    name = "sigmoid(N(3, 1))" if decay is None else f"{decay:.7g}"
    return {"decay": name, "torch": worst(blocked_scan), "fast": worst(scan)}


def run(rounds: int = 15) -> Tables:
    """Measure everything.

    Args:
        rounds: How often each candidate is timed.

    Returns:
        Rows by table; speeds are ratios to the naive twin unless the column names a unit.
    """
    torch.set_num_threads(1)
    on_cuda: Tables = {}
    if torch.cuda.is_available():
        title = f"scan on {torch.cuda.get_device_name()} (fast = {scan_path('cuda')}), {AS_FAST}"
        on_cuda = {title: [cuda_row(shape, rounds) for shape in SCAN_SHAPES]}
    return {
        f"scan (fast = {scan_path()}), {AS_FAST}": [
            scan_row(shape, rounds) for shape in SCAN_SHAPES
        ],
        "GRU recurrence without a graph": [gru_row(shape, rounds) for shape in GRU_SHAPES],
        "float32 error of the scan over 8192 tokens": [error_row(a) for a in (*DECAYS, None)],
        **on_cuda,
    }


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15, help="timings of each candidate")
    for title, rows in run(parser.parse_args().rounds).items():
        print(markdown(title, rows))


if __name__ == "__main__":
    main()
