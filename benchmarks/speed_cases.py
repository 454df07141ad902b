"""What `speed` compares: frozen bases of stated sizes, texts every loop accepts, plain learning.

The bases are random, because speed does not depend on what a model knows. The texts are the running
Python's own language reference, cut into chunks, of which only those are used that the gate lets
pass: a refused chunk would be a cheap one.

Shapes: D width.
"""

from pydoc_data.topics import topics

import torch

from ttt.core.base import Base
from ttt.core.canary_pools import draw
from ttt.core.closed_form import loss_and_gradient
from ttt.core.fisher import fisher_factors
from ttt.core.gate import should_gate_update
from ttt.core.model import ModelConfig, random_model
from ttt.core.objective import TTTObjective
from ttt.core.rules import UpdateRule
from ttt.core.tokens import HashedWords
from ttt.monitors.documents import Chunk, Document, chunks
from ttt.monitors.reading import Reader

CANARY = (
    "The ferry to the island leaves at nine each morning, and the last boat home sails shortly "
    "before the sun goes down."
)
"""One canary of at most 24 tokens."""
TOKENS = 128
"""Tokens of a chunk in the case of record."""
MODEL_TOKENS = 4096
"""Tokens of text that the factors of the natural gradient are computed on."""


def random_base(
    backbone: str,
    *,
    vocab_size: int = 8192,
    width: int = 64,
    layers: int = 1,
    hidden: int = 64,
) -> Base:
    """An untrained base; the default sizes are those of the case of record."""
    config = ModelConfig(
        backbone=backbone, vocab_size=vocab_size, width=width, layers=layers, hidden=hidden
    )
    model, encoder = random_model(config, seed=0), HashedWords(vocab_size)
    ids = [
        i for document in _documents() for piece in document.pieces for i in encoder.encode(piece)
    ]
    features_BLD, _ = model.features(torch.tensor([ids[:MODEL_TOKENS]]))
    fisher = fisher_factors(features_BLD[0], model.head_VD)
    return Base(name=f"random-{backbone}", model=model, encoder=encoder, fisher=fisher)


def starter_sized(backbone: str) -> Base:
    """An untrained base of the size of the starter models."""
    layers = {"gru": 1, "ssm": 4}[backbone]
    return random_base(backbone, vocab_size=4096, width=128, layers=layers, hidden=256)


def readable_chunks(base: Base, *, tokens: int = TOKENS) -> list[Chunk]:
    """Chunks of full length that the gate lets pass, in the order of the text."""
    every = chunks(_documents(), encoder=base.encoder, chunk_tokens=tokens)
    return [chunk for chunk in every if len(chunk.token_ids) == tokens and _passes(chunk)]


def pool_canaries() -> tuple[str, ...]:
    """The eight canaries a session draws by default."""
    return tuple(passage.text for passage in draw("probe", seed=0))


def _passes(chunk: Chunk) -> bool:
    return should_gate_update(chunk.for_gate())[0]


def _documents() -> list[Document]:
    """Long pages of the running Python's language reference: English with some code."""
    pages = (topics[name].strip() for name in sorted(topics) if len(topics[name]) >= 4000)
    return [Document(name="python manual", pieces=("\n\n".join(pages),))]


class Unmonitored:
    """Learning and nothing else: read the chunk, loss and gradient, step, swap.

    Args:
        base: Frozen model and tokenizer.
        objective: What is predicted.
        rule: How a gradient becomes a step.
    """

    def __init__(self, base: Base, objective: TTTObjective, rule: UpdateRule) -> None:
        self.head_VD = base.model.head_VD
        self.reader = Reader(base, objective, seed=0)
        self.rule = rule
        self.adapter_DD = torch.zeros(base.model.config.width, base.model.config.width)
        self.memory = rule.start(self.adapter_DD)
        self._seen = 0

    def observe(self, chunk: Chunk) -> None:
        """Learn one chunk."""
        batch = self.reader.read(chunk, self._seen).batch
        learned = loss_and_gradient(batch, self.head_VD, self.adapter_DD)
        step_DD, self.memory = self.rule.step(learned.gradient_DD, batch.features_ND, self.memory)
        self.adapter_DD = self.adapter_DD + step_DD
        self._seen += 1
