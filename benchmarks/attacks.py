"""Hostile text for the benchmarks: published, foreign, repeated, and made against the very rule.

The optimiser is a white-box coordinate search on real token ids: it knows model, rule, rate and a
set of canaries of its own (the projection part), mutates a chunk, and keeps what raises those
canaries' loss most after the rule's real steps. Every mutant is judged as text: decoded and encoded
again, so that what it found goes through the whole monitor as it is. Damage is measured on the
audit part, which the search never saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.gate_texts import load
from ttt.core.base import Base
from ttt.core.canaries import CanarySet, encode_canaries
from ttt.core.canary_pools import draw
from ttt.core.closed_form import Batch, loss_and_gradient
from ttt.core.objective import AutoRegressive
from ttt.core.rules import Memory, UpdateRule
from ttt.core.tokens import BOS_ID, SPECIAL_TOKENS
from ttt.lib.seeds import torch_generator

CHUNKS = 5
"""Hostile chunks in a row."""
TOKENS = 128
BATCH = 24
ROUNDS = 16


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
        "random bytes": "random bytes",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """What a white-box attacker knows of a session: base, rule, weights and the rule's memory."""

    base: Base
    rule: UpdateRule
    adapter_DD: Tensor
    memory: Memory


def optimised_text(victim: Victim, *, seed: int, rounds: int = ROUNDS) -> str:
    """One chunk that does the most damage the search could find when it is learned twice.

    Args:
        victim: The unguarded session it is made for.
        seed: Seed of canaries and mutations.
        rounds: Generations of `BATCH` mutants.
    """
    base = victim.base
    canaries = encode_canaries(
        [passage.text for passage in draw("project", seed=seed)],
        model=base.model,
        encoder=base.encoder,
        objective=AutoRegressive(),
    )
    generator = torch_generator(seed, "attack")

    def harms(ids_BL: Tensor) -> Tensor:
        return _harms(victim, canaries, ids_BL)

    starts_BL = _as_text(base, torch.stack(_starts(base, generator)))
    first_B = harms(starts_BL)
    best, best_L = float(first_B.max()), starts_BL[int(first_B.argmax())]
    for round_ in range(rounds):
        flips = max(1, int(32 * (1 - round_ / rounds) ** 2))
        mutants_BL = _as_text(base, _mutants(best_L, flips, base, generator))
        harms_B = harms(mutants_BL)
        if float(harms_B.max()) > best:
            best, best_L = float(harms_B.max()), mutants_BL[int(harms_B.argmax())]
    return base.encoder.decode(best_L.tolist())


@torch.no_grad()
def _harms(victim: Victim, canaries: CanarySet, ids_BL: Tensor) -> Tensor:
    """Mean canary loss after two unguarded steps on each row of ids."""
    head_VD = victim.base.model.head_VD
    bos_B1 = torch.full((ids_BL.shape[0], 1), BOS_ID)
    features_BLD, _ = victim.base.model.features(torch.cat([bos_B1, ids_BL[:, :-1]], dim=1))
    losses = []
    for features_LD, targets_L in zip(features_BLD, ids_BL, strict=True):
        batch = Batch(features_ND=features_LD, targets_N=targets_L)
        adapter_DD, memory = victim.adapter_DD, victim.memory
        for _ in range(2):
            learned = loss_and_gradient(batch, head_VD, adapter_DD)
            step_DD, memory = victim.rule.step(learned.gradient_DD, features_LD, memory)
            adapter_DD = adapter_DD + step_DD
        losses.append(canaries.read(adapter_DD).mean_loss)
    return torch.tensor(losses)


def _as_text(base: Base, ids_BL: Tensor) -> Tensor:
    """The ids that the rows' texts really have, cut or repeated to the same length."""
    rows = []
    for ids_L in ids_BL:
        found = base.encoder.encode(base.encoder.decode(ids_L.tolist())) or [len(SPECIAL_TOKENS)]
        rows.append((found * (TOKENS // len(found) + 1))[:TOKENS])
    return torch.tensor(rows)


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
