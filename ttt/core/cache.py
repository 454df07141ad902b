"""The neural cache: a memory of past hidden states, with no gradient and exact forgetting.

Each committed chunk adds one row per token: what the backbone felt before the token (the key) and
the token (the value). A new position asks which remembered moments felt alike and what came then:

    p_cache(y) = sum_i softmax_i(theta * cos(f, k_i)) [v_i = y],
    p(y)       = (1 - lambda) p_model(y) + lambda p_cache(y) >= (1 - lambda) p_model(y),

so it can cost at most `-ln(1 - lambda)` nats per token. Forgetting a chunk is deleting its rows.

Source: Grave, Joulin & Usunier 2017 (arXiv 1612.04426); cosine instead of the raw product is own,
because the norm before the head gives features of two backbones different lengths.

Shapes: M remembered rows, N predicted positions, D width.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ttt.core.closed_form import Batch
from ttt.core.vocabulary import log_shares
from ttt.errors import ConfigError
from ttt.lib.products import COLUMNS, lacking, product

LENGTH_MIN = 1e-12
"""What a vector is divided by at least. Source: the default of `torch.nn.functional.normalize`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """How much is remembered and how sharply it is asked."""

    weight: float = 0.1
    """Share lambda of the cache in its expert, in [0, 1); 0 switches the cache off."""
    sharpness: float = 12.0
    """Inverse temperature theta on the cosine."""
    rows_max: int = 4096
    """Rows kept; whole chunks are dropped, oldest first."""

    def __post_init__(self) -> None:
        if not (0.0 <= self.weight < 1.0):
            raise ConfigError(f"cache_lambda must lie in [0, 1), not {self.weight!r}.")
        if not (0.0 < self.sharpness < math.inf) or self.rows_max < 1:
            raise ConfigError("The cache needs a positive sharpness and at least one row.")

    @property
    def certified_nats(self) -> float:
        """The most the cache can cost, in nats per token."""
        return -math.log1p(-self.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheBlock:
    """The rows one chunk left."""

    chunk: int
    """Index of the chunk, for forgetting it."""
    keys_MD: Float[Tensor, "rows width"]
    """Unit feature vectors."""
    values_M: Int[Tensor, " rows"]
    digest: str
    """SHA-256 of the rows, taken when they were written."""

    def __len__(self) -> int:
        return int(self.values_M.shape[0])


def unit(features: Float[Tensor, "... width"]) -> Float[Tensor, "... width"]:
    """Each feature vector at length 1: `torch.nn.functional.normalize` to the bit, sooner."""
    lengths: Tensor = torch.linalg.vector_norm(features, dim=-1, keepdim=True)
    return features / lengths.clamp_min(LENGTH_MIN)


def cache_block(batch: Batch, *, chunk: int) -> CacheBlock:
    """Turn a chunk's features and targets into rows."""
    keys_MD = unit(batch.features_ND)
    return block_of_rows(keys_MD, batch.targets_N, chunk=chunk)


def block_of_rows(
    keys_MD: Float[Tensor, "rows width"], values_M: Int[Tensor, " rows"], *, chunk: int
) -> CacheBlock:
    """Rows that were made before, as a block again."""
    digest = hashlib.sha256(keys_MD.cpu().numpy().tobytes())
    digest.update(values_M.cpu().numpy().tobytes())
    return CacheBlock(chunk=chunk, keys_MD=keys_MD, values_M=values_M, digest=digest.hexdigest())


class NeuralCache:
    """An immutable sequence of blocks, oldest first.

    Args:
        blocks: What is remembered.
    """

    def __init__(self, blocks: Iterable[CacheBlock] = ()) -> None:
        self.blocks = tuple(blocks)

    def __len__(self) -> int:
        return sum(len(block) for block in self.blocks)

    @property
    def keys_MD(self) -> Float[Tensor, "rows width"]:
        """All keys, oldest first."""
        return self._keys_filled[: len(self)]

    @cached_property
    def _keys_filled(self) -> Float[Tensor, "more width"]:
        """The keys, and below them rows of zeros for the sake of large products."""
        keys = [block.keys_MD for block in self.blocks]
        below = keys[0].new_zeros(lacking(len(self), COLUMNS), keys[0].shape[1])
        return torch.cat([*keys, below])

    @cached_property
    def values_M(self) -> Int[Tensor, " rows"]:
        """All values, oldest first."""
        return torch.cat([block.values_M for block in self.blocks])

    @property
    def digest(self) -> str:
        """Covers every row in order."""
        joined = "".join(f"{block.chunk}:{block.digest};" for block in self.blocks)
        return hashlib.sha256(joined.encode()).hexdigest()

    def remember(self, block: CacheBlock, *, rows_max: int) -> "NeuralCache":
        """A cache with one more block, the oldest dropped until at most `rows_max` rows stay."""
        blocks = [*self.blocks, block]
        rows = len(self) + len(block)
        while rows > rows_max and len(blocks) > 1:
            rows -= len(blocks.pop(0))
        return NeuralCache(blocks)

    def forget(self, chunk: int) -> "NeuralCache":
        """A cache without the rows of one chunk: as if it had never been written."""
        return NeuralCache(block for block in self.blocks if block.chunk != chunk)

    @torch.no_grad()
    def log_probabilities(self, batch: Batch, *, sharpness: float) -> Float[Tensor, " predicted"]:
        """`log p_cache(target)` in nats.

        Minus infinity where no remembered value matches, or none that weighs anything.
        """
        if not self.blocks:
            return batch.features_ND.new_full((len(batch),), -math.inf)
        queries_ND = sharpness * unit(batch.features_ND)
        scores_NM = product(queries_ND, self._keys_filled.T)
        return log_shares(scores_NM, self.values_M, batch.targets_N)


def blend(
    model_log_probs_N: Float[Tensor, " predicted"],
    cache_log_probs_N: Float[Tensor, " predicted"],
    weight: float,
) -> Float[Tensor, " predicted"]:
    """`log((1 - weight) p_model + weight p_cache)` for the observed tokens."""
    if weight == 0.0:
        return model_log_probs_N
    return torch.logaddexp(
        model_log_probs_N + math.log1p(-weight), cache_log_probs_N + math.log(weight)
    )
