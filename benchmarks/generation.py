"""What a written token costs: `python -m benchmarks generation`.

The starter models, on one thread, with the shipped sampling. A text's cost per token is shown at
its 10th, 100th, 1000th and 5000th token, beside what re-running the whole prefix would have cost
there and beside the limit: reading every weight once, as fast as adding them up does in the same
run. Many sessions are measured against the machine's best matrix product, as in `speed`. Processor
time, medians, interleaved.
"""

import random
import statistics
from collections.abc import Callable
from typing import Final

import numpy as np
import torch

from benchmarks.report import Row, Tables
from benchmarks.timing import laps
from ttt.core.base import Base
from ttt.core.model import LanguageModel
from ttt.core.starter import load_starter
from ttt.core.stepping import NaiveStepper, make_stepper
from ttt.core.stepping_batch import BatchStepper
from ttt.lib.products import product
from ttt.text_lm.generation import GenerationConfig, Writer
from ttt.text_lm.generation_batch import write_many
from ttt.text_lm.sampling import Sampling, draw

BACKBONES: Final = ("gru", "ssm")
PLACES: Final = (10, 100, 1000, 5000)
"""Tokens after which a token is timed."""
BURST: Final = 10
"""Tokens written between two looks at the clock."""
SESSIONS: Final = (1, 16, 64, 256)
PEAK_SIDE: Final = 768
"""Side of the matrices whose product stands for the machine's best."""
PROMPT: Final = "It was the best of times"
RATE_TARGET: Final = 20_000
"""Tokens a second at 256 sessions."""


def place_rows(backbone: str, rounds: int) -> list[Row]:
    """One text: the cost of a token wherever in the text it stands."""
    base = load_starter(backbone)
    ids = _text(base, max(PLACES))
    functions: dict[str, Callable[[], object]] = {"read weights": _reader(base.model)}
    for place in PLACES:
        functions[f"carried {place}"] = _writer(base, ids[:place])
        functions[f"re-run {place}"] = _re_run(base.model, ids[:place])
    seconds = laps(functions, rounds)
    limit = statistics.median(seconds["read weights"]) / BURST
    rows: list[Row] = []
    for place in PLACES:
        carried = statistics.median(seconds[f"carried {place}"]) / BURST
        again = statistics.median(seconds[f"re-run {place}"])
        rows.append(
            {
                "backbone": backbone,
                "token": place,
                "ms": f"{1e3 * carried:.3f}",
                "re-run ms": f"{1e3 * again:.2f}",
                "x re-run": f"{again / carried:.1f}",
                "limit ms": f"{1e3 * limit:.3f}",
                "x limit": f"{carried / limit:.1f}",
            }
        )
    return rows


def part_rows(backbone: str, rounds: int) -> list[Row]:
    """What a token consists of, beside the same by operator calls."""
    model = load_starter(backbone).model
    fast, naive = make_stepper(model), NaiveStepper(model)
    state_NH = torch.zeros(model.backbone.state_shape)
    features_D = fast.step(5, state_NH)
    logits_V = fast.head()(features_D)
    row_1V, uniform_1, shipped = logits_V.numpy()[None], np.array([0.5]), Sampling()
    adapter_DD = 0.01 * torch.randn(model.config.width, model.config.width)
    heads = (fast.head(), naive.head(), fast.head(adapter_DD), naive.head(adapter_DD))
    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "step": (lambda: fast.step(5, state_NH), lambda: naive.step(5, state_NH)),
        "head": (lambda: heads[0](features_D), lambda: heads[1](features_D)),
        "head under fast weights": (lambda: heads[2](features_D), lambda: heads[3](features_D)),
        "draw": (
            lambda: draw(row_1V, shipped, uniform_1),
            lambda: torch.multinomial(_top(logits_V, shipped).softmax(0), 1),
        ),
    }
    functions = {
        f"{kind} {name}": _repeated(one)
        for name, both in pairs.items()
        for kind, one in zip(("fast", "plain"), both, strict=True)
    }
    seconds = laps(functions, rounds)
    medians = {name: statistics.median(each) / BURST for name, each in seconds.items()}
    return [
        {
            "backbone": backbone,
            "part": name,
            "us": f"{1e6 * medians[f'fast {name}']:.0f}",
            "by operator calls, us": f"{1e6 * medians[f'plain {name}']:.0f}",
            "x": f"{medians[f'plain {name}'] / medians[f'fast {name}']:.1f}",
        }
        for name in pairs
    ]


def session_rows(backbone: str, rounds: int) -> list[Row]:
    """Many sessions: tokens a second, alone and each under fast weights of its own."""
    model = load_starter(backbone).model
    square = torch.randn(PEAK_SIDE, PEAK_SIDE)
    functions: dict[str, Callable[[], object]] = {"peak": lambda: product(square, square)}
    for count in SESSIONS:
        functions[f"base {count}"] = _sessions(model, count, adapted=False)
        functions[f"adapted {count}"] = _sessions(model, count, adapted=True)
    seconds = laps(functions, rounds)
    per_product = statistics.median(seconds["peak"]) / PEAK_SIDE**3
    limit_s = per_product * sum(
        weight.numel() for weight in model.parameters() if weight.dim() == 2
    )
    rows: list[Row] = []
    for count in SESSIONS:
        base, adapted = (
            count / statistics.median(seconds[f"{kind} {count}"]) for kind in ("base", "adapted")
        )
        rows.append(
            {
                "backbone": backbone,
                "sessions": count,
                "tokens/s": f"{base:.0f}",
                "share of limit": f"{base * limit_s:.0%}",
                "under fast weights, tokens/s": f"{adapted:.0f}",
                "share of limit, too": f"{adapted * limit_s:.0%}",
                "at least": RATE_TARGET if count == max(SESSIONS) else "",
            }
        )
    return rows


def run(rounds: int = 11) -> Tables:
    """Measure everything, on one thread.

    Args:
        rounds: How often each is timed.
    """
    torch.set_num_threads(1)
    tables: dict[str, Callable[[str, int], list[Row]]] = {
        "One text: ms a token, wherever in the text": place_rows,
        "One text: what a token consists of": part_rows,
        "Many sessions at a time: tokens a second on one core": session_rows,
    }
    return {
        title: [row for backbone in BACKBONES for row in rows(backbone, rounds)]
        for title, rows in tables.items()
    }


def _text(base: Base, length: int) -> list[int]:
    """A prompt and what the model makes of it, so many ids in all."""
    prompt = base.encoder.encode(PROMPT)
    config = GenerationConfig(max_new_tokens=length, stop_ids=())
    written = Writer(base).generate(prompt, config)
    return [*prompt, *(token.token_id for token in written)][:length]


def _writer(base: Base, ids: list[int]) -> Callable[[], object]:
    """Goes on writing behind `ids`, a burst at each call; never far enough to matter."""
    config = GenerationConfig(max_new_tokens=1 << 20, stop_ids=())
    tokens = Writer(base).generate(ids, config)
    return lambda: [next(tokens) for _ in range(BURST)]


def _re_run(model: LanguageModel, ids: list[int]) -> Callable[[], object]:
    """What a token costs without a state: read everything, score the last place, draw."""
    tokens_BL, shipped, uniform_1 = torch.tensor([ids]), Sampling(), np.array([0.5])

    @torch.no_grad()
    def step() -> object:
        logits_V = model.features(tokens_BL)[0][0, -1] @ model.head_VD.T
        return draw(logits_V.numpy()[None], shipped, uniform_1)

    return step


def _reader(model: LanguageModel) -> Callable[[], object]:
    """Reads as many bytes as the weights have, once: what no step can do without."""
    weights = [weight.detach().flatten() for weight in model.parameters()]
    flat = torch.cat(weights)
    return _repeated(flat.sum)


def _top(logits_V: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """The usual way: everything below the k-th score is impossible."""
    assert sampling.top_k is not None, "the shipped sampling cuts at the k likeliest"
    bound = logits_V.topk(sampling.top_k).values[-1]
    return (logits_V / sampling.temperature).masked_fill(logits_V < bound, -torch.inf)


def _repeated(function: Callable[[], object]) -> Callable[[], object]:
    return lambda: [function() for _ in range(BURST)]


def _sessions(model: LanguageModel, count: int, *, adapted: bool) -> Callable[[], object]:
    """One token of each of `count` sessions at each call."""
    stepper, shipped, width = BatchStepper(model), Sampling(), model.config.width
    state_BNH = torch.zeros(count, *model.backbone.state_shape)
    adapters_BDD = 0.01 * torch.randn(count, width, width) if adapted else None
    last_B = torch.arange(4, 4 + count)
    draws = [random.Random(one) for one in range(count)]

    def step() -> object:
        nonlocal last_B
        uniforms_B = np.array([one.random() for one in draws])
        ids_B, _ = write_many(
            stepper,
            last_B,
            state_BNH,
            sampling=shipped,
            uniforms_B=uniforms_B,
            adapters_BDD=adapters_BDD,
        )
        last_B = torch.from_numpy(ids_B)
        return ids_B

    return step
