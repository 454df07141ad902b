"""`low_entropy` and `low_diversity`: chunks with next to nothing to learn but repetition.

Covers repeated tokens, and phrases repeated many times (through the deflate ratio). Does not cover
repetition across chunks: the same ordinary chunk sent fifty times passes fifty times, and is the
drift budget's business.
"""

import math

from ttt.core.gate_checks.chunk import ChunkText, GateConfig
from ttt.spine.change import Verdict


def low_entropy(chunk: ChunkText, config: GateConfig) -> Verdict:
    """Refuse a chunk whose tokens are nearly all the same.

    n tokens hold at most log2(n) bits, so a short chunk is held to half of that instead: "yes" is
    no attack, "no no no no" is.
    """
    tokens = chunk.tokens
    least = min(config.min_entropy_bits, 0.5 * math.log2(max(1, tokens.tokens)))
    varied = tokens.entropy_bits >= least
    return Verdict(
        allowed=varied,
        reasons=() if varied else ("low_entropy",),
        readings={"token_entropy": tokens.entropy_bits},
    )


def low_diversity(chunk: ChunkText, config: GateConfig) -> Verdict:
    """Refuse a chunk of few distinct tokens, or one that deflates far below ordinary text."""
    diversity = chunk.tokens.diversity
    relative = chunk.deflate_relative
    varied = diversity >= config.min_diversity and relative >= config.min_deflate_relative
    return Verdict(
        allowed=varied,
        reasons=() if varied else ("low_diversity",),
        readings={"token_diversity": diversity, "deflate_relative": relative},
    )
