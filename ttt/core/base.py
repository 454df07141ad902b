"""A frozen base: what every session of fast weights stands on."""

from dataclasses import dataclass

from ttt.core.fisher import Fisher
from ttt.core.model import LanguageModel
from ttt.core.tokens import TextEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A frozen model, the tokenizer it was trained with, and its curvature."""

    name: str
    """What it is called in output and records, such as `starter-gru`."""
    model: LanguageModel
    """In evaluation mode and without gradients."""
    encoder: TextEncoder
    """Turns text into the ids the model knows."""
    fisher: Fisher | None
    """Kronecker factors of the adapter's Fisher information; None where nobody computed them."""
