"""Windows of tokens to train and to validate on, drawn from memory-mapped buffers.

Each buffer is cut into blocks, and every k-th block is held out: unlike a held-out tail this
represents a collection whose end differs from its beginning. No window crosses a block, so no
training window touches a held-out token.

Shapes: B batch, L tokens of a window, T tokens of a buffer.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttt.errors import ConfigError, InputError

WINDOWS_PER_BLOCK = 8
"""Own: with fewer, the edges of blocks are seen too rarely; with more, small corpora hold out
too few places."""

Tokens = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One token buffer, split into training and validation blocks."""

    name: str
    tokens_T: Tokens
    length: int
    """Tokens L of one window."""
    val_fraction: float = 0.05
    """Share of the blocks that is held out."""

    def __post_init__(self) -> None:
        if not (0.0 < self.val_fraction <= 0.5):
            raise ConfigError(
                f"val_fraction must be above 0 and at most 0.5, not {self.val_fraction!r}."
            )
        if self.length < 2:
            raise ConfigError(f"A window must hold at least 2 tokens, not {self.length!r}.")
        if self.blocks < 2:
            raise InputError(
                f"The corpus {self.name!r} is too small: {len(self.tokens_T)} tokens, but windows "
                f"of {self.length} need at least {2 * self.length}. Add text, or shorten seq_len."
            )

    @property
    def block_length(self) -> int:
        """Tokens of one block: several windows, fewer when the buffer is short."""
        wanted = WINDOWS_PER_BLOCK * self.length
        blocks_wanted = round(1 / self.val_fraction)
        return max(self.length, min(wanted, len(self.tokens_T) // blocks_wanted))

    @property
    def blocks(self) -> int:
        """Number of whole blocks."""
        return len(self.tokens_T) // self.block_length

    @property
    def held_out(self) -> npt.NDArray[np.int64]:
        """Indices of the validation blocks: evenly spread, at least one, never the first."""
        return np.arange(self._every - 1, self.blocks, self._every)

    @property
    def _every(self) -> int:
        """One of so many blocks is held out; at least 2."""
        return min(round(1 / self.val_fraction), self.blocks)

    @property
    def training_tokens(self) -> int:
        """Tokens that training may see."""
        return (self.blocks - len(self.held_out)) * self.block_length

    def validation(self, windows_max: int) -> npt.NDArray[np.int64]:
        """Up to `windows_max` held-out windows (B, L), evenly spread, always the same."""
        inside = np.arange(0, self.block_length - self.length + 1, self.length)
        starts = (self.held_out[:, None] * self.block_length + inside).reshape(-1)
        chosen = np.unique(np.linspace(0, len(starts) - 1, min(windows_max, len(starts))).round())
        return self._read(starts[chosen.astype(np.int64)])

    def draw(self, batch: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
        """`batch` random training windows (B, L)."""
        # Counted past the held-out ones instead of listed: a large corpus has many blocks.
        place = generator.integers(0, self.blocks - len(self.held_out), size=batch)
        block = place + place // (self._every - 1)
        offset = generator.integers(0, self.block_length - self.length + 1, size=batch)
        return self._read(block * self.block_length + offset)

    def _read(self, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.stack([self.tokens_T[s : s + self.length] for s in starts]).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Sources and the share of training windows that comes from each."""

    sources: tuple[Source, ...]
    shares: tuple[float, ...] | None = None
    """Sums to 1; None: in proportion to the sources' training tokens."""

    def __post_init__(self) -> None:
        if self.shares is not None and not (
            len(self.shares) == len(self.sources) and abs(sum(self.shares) - 1.0) < 1e-6
        ):
            raise ConfigError(f"shares must be one per source and sum to 1, not {self.shares!r}.")

    def draw(self, batch: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
        """`batch` random training windows (B, L), from sources drawn by their shares."""
        sizes = np.array([source.training_tokens for source in self.sources], dtype=np.float64)
        shares = sizes / sizes.sum() if self.shares is None else np.asarray(self.shares)
        counts = generator.multinomial(batch, shares).tolist()
        drawn = [s.draw(n, generator) for s, n in zip(self.sources, counts, strict=True) if n]
        return np.concatenate(drawn)
