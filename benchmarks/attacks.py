"""Hostile text for the benchmarks: published attacks, other writing systems, repetition, and text
optimised against the very rule that will learn from it.

The optimiser is a white-box coordinate search on real token ids: it knows model, rule, rate and a
set of canaries of its own (the projection part), mutates a chunk, and keeps what raises those
canaries' loss most after the rule's real step. What it found is decoded and goes through the whole
monitor as text; damage is measured on the audit part, which it never saw.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.gate_texts import load
from ttt.core.base import Base
from ttt.core.canaries import CanarySet, encode_canaries
from ttt.core.canary_pools import draw
from ttt.core.closed_form import Batch, loss_and_gradient
from ttt.core.objective import AutoRegressive
from ttt.core.rules import UpdateRule
from ttt.core.tokens import BOS_ID, SPECIAL_TOKENS
from ttt.lib.seeds import torch_generator

CHUNKS = 5
"""Hostile chunks in a row."""
TOKENS = 128
BATCH = 24
ROUNDS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Threat:
    """A kind of hostile input."""

    name: str
    natural: bool
    """Written or generated without looking at the model."""
    texts: tuple[str, ...]
    """Each is one session's input."""


def natural_threats(half: str, *, sessions: int = 4) -> list[Threat]:
    """Hostile and foreign text as found, each session long enough for `CHUNKS` chunks."""
    classes = {text_class.name: text_class.documents for text_class in load(half)}
    wanted = {
        "jailbreaks": "jailbreaks in the wild",
        "other writing systems": "194 languages",
        "base64": "base64",
        "random bytes": "random bytes",
        "DNA": "random DNA",
        "phrase repeated": "phrase repeated",
        "one word repeated": "one word repeated",
    }
    return [
        Threat(name=name, natural=True, texts=tuple(_joined(classes[kind], sessions)))
        for name, kind in wanted.items()
    ]


def _joined(documents: Sequence[str], sessions: int) -> list[str]:
    """Documents put together until each session has about `CHUNKS` chunks of text."""
    texts, current = [], ""
    for document in documents:
        current += document + "\n"
        if len(current) >= CHUNKS * 600:
            texts.append(current)
            current = ""
        if len(texts) == sessions:
            break
    return texts or [current * 3]


def optimised_text(base: Base, rule: UpdateRule, *, seed: int, rounds: int = ROUNDS) -> str:
    """One chunk that does the most damage the search could find through one step of `rule`."""
    canaries = encode_canaries(
        [passage.text for passage in draw("project", seed=seed)],
        model=base.model,
        encoder=base.encoder,
        objective=AutoRegressive(),
    )
    generator = torch_generator(seed, "attack")
    harm = _harm_of(base, rule, canaries)
    best_L = max(_starts(base, generator), key=lambda ids_L: float(harm(ids_L[None])[0]))
    best = float(harm(best_L[None])[0])
    for round_ in range(rounds):
        flips = max(1, int(24 * (1 - round_ / rounds)))
        candidates_BL = _mutants(best_L, flips, base, generator)
        harms_B = harm(candidates_BL)
        winner = int(harms_B.argmax())
        if float(harms_B[winner]) > best:
            best, best_L = float(harms_B[winner]), candidates_BL[winner]
    return base.encoder.decode(best_L.tolist())


def _harm_of(
    base: Base, rule: UpdateRule, canaries: CanarySet
) -> Callable[[Tensor], Tensor]:
    """Mean canary loss after one unguarded step of a fresh session on each row of ids."""
    width = base.model.config.width
    zero_DD = torch.zeros(width, width)

    @torch.no_grad()
    def harm(ids_BL: Tensor) -> Tensor:
        bos_B1 = torch.full((ids_BL.shape[0], 1), BOS_ID)
        features_BLD, _ = base.model.features(torch.cat([bos_B1, ids_BL[:, :-1]], dim=1))
        losses = []
        for features_LD, targets_L in zip(features_BLD, ids_BL, strict=True):
            batch = Batch(features_ND=features_LD, targets_N=targets_L)
            learned = loss_and_gradient(batch, base.model.head_VD, zero_DD)
            step_DD, _ = rule.step(learned.gradient_DD, features_LD, rule.start(zero_DD))
            losses.append(canaries.read(step_DD).mean_loss)
        return torch.tensor(losses)

    return harm


def _starts(base: Base, generator: torch.Generator) -> list[Tensor]:
    """Random ids, one id repeated, and a short random phrase repeated."""
    vocabulary = base.encoder.vocab_size

    def drawn(count: int) -> Tensor:
        return torch.randint(len(SPECIAL_TOKENS), vocabulary, (count,), generator=generator)

    return [drawn(TOKENS) for _ in range(4)] + [
        drawn(period).repeat(TOKENS)[:TOKENS] for period in (1, 1, 1, 2, 4, 8, 16)
    ]


def _mutants(ids_L: Tensor, flips: int, base: Base, generator: torch.Generator) -> Tensor:
    """Copies of a chunk with some ids replaced: by random ones, or by others of the same chunk."""
    mutants_BL = ids_L.repeat(BATCH, 1)
    for row in range(BATCH):
        at = torch.randperm(TOKENS, generator=generator)[:flips]
        if row % 2:
            fresh = torch.randint(
                len(SPECIAL_TOKENS), base.encoder.vocab_size, (flips,), generator=generator
            )
        else:
            fresh = ids_L[torch.randint(TOKENS, (1,), generator=generator)].repeat(flips)
        mutants_BL[row, at] = fresh
    return mutants_BL
