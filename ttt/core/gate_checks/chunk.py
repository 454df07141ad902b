"""What a gate rule gets to see of one chunk, and the limits it judges by.

Readings are computed when a rule first asks and shared by all rules of the chunk. Where the next
chunks are known too, all are read in a row (`ChunkText.read`): it costs less than half while code
and tables lie in the caches, out of which a large product pushes them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Final

from ttt.core.gate_checks.commands import commands_override
from ttt.core.normalise import Views
from ttt.errors import ConfigError
from ttt.lib.charset import CharsetStats, charset_stats
from ttt.lib.text_stats import (
    TokenIds,
    TokenStats,
    deflate_ratio,
    reference_ratio,
    token_stats,
)

CARRY_CHARS: Final = 64
"""Characters of the chunk before that are matched along, for phrases split at the border.

Source: own; every phrase of the family as commonly written is shorter.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """Limits of the gate. `docs/gate.md` has what each was measured to block and to let through."""

    enabled: bool = True
    """Whether there is a gate at all; the probe after the step does not depend on it."""
    min_entropy_bits: float = 1.0
    """Least token entropy (`low_entropy`), bits; chunks too short to reach twice it get less."""
    min_diversity: float = 0.03
    """Least distinct over all tokens (`low_diversity`), 0 .. 1.

    Source: own measurement in starter tokens; DNA has .047, one word repeated at most .024.
    """
    min_deflate_relative: float = 0.3
    """Least deflate ratio relative to ordinary text (`low_diversity`: phrases repeated)."""
    blob_share: float = 0.4
    """Share of a chunk's characters in base64 or solid random runs from which it is a blob."""
    hex_share: float = 0.9
    """Share of hex characters, separators aside, from which a chunk is a hex dump."""
    minified_code_share: float = 0.08
    """Share of `;(){}=` from which a chunk without spaces is minified code."""
    minified_whitespace_share: float = 0.08
    """Share of white space below which code counts as having none."""
    random_deflate_relative: float = 1.15
    """Deflate ratio relative to ordinary text from which solid runs or many scripts are random."""
    control_share: float = 0.05
    """Share of control or unassigned characters from which a chunk is not text."""
    scripts_max: int = 2
    """Most scripts that a chunk which also deflates badly may mix."""
    text_chars_max: int = 65_536
    """Longest chunk that is read at all; a longer one is refused unread (`oversized`)."""
    ood_loss_nats: float = 8.0
    """Loss per token above which, **together with** the next, a write is `ood_heavy_write`."""
    ood_grad_norm: float = 2.0
    """Norm of the adapter's gradient above which, together with the loss, it is."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"Gate limit {field.name} must be finite and >= 0; got {value}.")
            if field.name in _SHARES and value > 1:
                raise ConfigError(f"Gate limit {field.name} is a share, 0 .. 1; got {value}.")


_SHARES: Final = frozenset(
    {"min_diversity", "blob_share", "hex_share", "minified_code_share"}
    | {"minified_whitespace_share", "control_share"}
)


@dataclass(frozen=True, kw_only=True)
class ChunkText:
    """One chunk before any forward pass."""

    text: str
    """The chunk, decoded; any Unicode."""
    token_ids: TokenIds | Sequence[int]
    """Its ids in the model's own vocabulary, shape (L,)."""
    carry: str = ""
    """The end of the chunk before, of which the last `CARRY_CHARS` characters are used."""

    @cached_property
    def text_bytes(self) -> bytes:
        """The text as UTF-8; lone surrogates pass, so any string can be judged."""
        return self.text.encode("utf-8", "surrogatepass")

    @cached_property
    def tokens(self) -> TokenStats:
        """Entropy and diversity of the ids."""
        return token_stats(self.token_ids)

    @cached_property
    def charset(self) -> CharsetStats:
        """What the text is written with."""
        return charset_stats(self.text, self.text_bytes)

    @cached_property
    def deflate_ratio(self) -> float:
        """Raw deflate length over length in bytes."""
        return deflate_ratio(self.text_bytes)

    @cached_property
    def deflate_relative(self) -> float:
        """The same over that of ordinary text of this length."""
        return self.deflate_ratio / reference_ratio(len(self.text_bytes))

    @cached_property
    def carried(self) -> str:
        """The part of `carry` that is matched along."""
        return self.carry[-CARRY_CHARS:]

    @cached_property
    def views(self) -> Views:
        """Carry and text together, as the phrase rules read them."""
        return Views(text=self.carried + self.text)

    @cached_property
    def overrides(self) -> bool:
        """Whether it commands its reader to drop its instructions or its rules."""
        return commands_override(self.views, self.carried)

    def read(self, config: GateConfig) -> None:
        """Compute every reading now that a gate with these limits will ask for."""
        if config.enabled and len(self.text) <= config.text_chars_max:
            _ = self.tokens, self.charset, self.deflate_relative, self.overrides


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkWrite:
    """One chunk after loss and gradient, before anything is written."""

    loss_nats: float
    """Mean loss per token of the chunk under the current weights, nats."""
    grad_norm: float
    """Euclidean norm of the plastic weights' gradient."""
