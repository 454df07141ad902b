"""`blob`: encoded, minified or random data, which a language model can only memorise or be hurt by.

Covers base64 and base32, hex strings and dumps, minified code, solid runs of random characters,
control and unassigned characters, and mixtures of many scripts. Does not cover random letters set
in words (they look like a foreign language to every cheap statistic), compact JSON (data), or a
blob that fills a small part of a chunk. DNA, real or random, passes: the two cannot be told apart
without a model of it.
"""

from typing import Final

from ttt.core.gate_checks.chunk import ChunkText, GateConfig
from ttt.spine.change import Verdict


def oversized(chunk: ChunkText, config: GateConfig) -> Verdict:
    """Refuse, unread, a chunk longer than any text of a few hundred tokens."""
    fits = len(chunk.text) <= config.text_chars_max
    return Verdict(
        allowed=fits,
        reasons=() if fits else ("oversized",),
        readings={"chars": float(len(chunk.text))},
    )


def blob(chunk: ChunkText, config: GateConfig) -> Verdict:
    """Refuse a chunk that is mostly not language; each kind has a reading, 1 if it was seen."""
    chars = chunk.charset
    judged = len(chunk.text_bytes) >= BLOB_BYTES_MIN
    kinds = {
        "base64": judged and chars.base64_share >= config.blob_share,
        "hex": judged and chars.hex_share >= config.hex_share,
        "minified": judged
        and chars.code_share >= config.minified_code_share
        and chars.whitespace_share < config.minified_whitespace_share,
        "random": judged and _looks_random(chunk, config),
    }
    readings = {f"blob_{kind}": float(seen) for kind, seen in kinds.items()}
    readings["longest_run_chars"] = float(chars.longest_run_chars)
    clean = not any(kinds.values())
    return Verdict(allowed=clean, reasons=() if clean else ("blob",), readings=readings)


BLOB_BYTES_MIN: Final = 64
"""Bytes below which nothing is a blob: a digest, an identifier, the `314}` at a document's end."""


def _looks_random(chunk: ChunkText, config: GateConfig) -> bool:
    chars = chunk.charset
    if chars.control_share >= config.control_share:
        return True
    # Chinese deflates as badly as noise, so the ratio alone decides nothing.
    strange = chars.long_run_share >= config.blob_share or chars.scripts > config.scripts_max
    return strange and chunk.deflate_relative >= config.random_deflate_relative
