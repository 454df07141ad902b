"""What a chunk of text is written with: runs without a space, hex, base64, brackets, scripts.

These shares tell encoded or minified blobs from language. One pass of a C routine per feature
(`bytes.translate`, `str.split`, numpy), no loop over characters in Python, linear in the input.

It refuses to guess meaning: DNA is a long run of letters here, and stays one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

LONG_RUN_CHARS: Final = 32
"""Characters without white space from which a run counts as long.

Source: own; the longest words of ordinary languages are shorter, and a base64 line has 64 or 76.
"""

_WHITESPACE: Final = b" \t\n\r\x0b\x0c"
_DIGITS: Final = b"0123456789"
_HEX_LETTERS: Final = b"abcdefABCDEF"
_CODE_PUNCTUATION: Final = b";(){}="
"""Not the comma, colon, quote or square bracket: those fill compact JSON, which is data."""
_CONTROL: Final = bytes(i for i in range(32) if i not in _WHITESPACE) + b"\x7f"
_HEX_DUMP_SEPARATORS: Final = _WHITESPACE + b",:;-x\\"
_LONG_RUN: Final = re.compile(rf"[!-~]{{{LONG_RUN_CHARS},}}+")
_BASE64_PART: Final = re.compile(rf"[A-Za-z0-9+/_-]{{{LONG_RUN_CHARS},}}+")

SCRIPT_STARTS: Final = (
    (0x0000, "common"), (0x0041, "latin"), (0x005B, "common"), (0x0061, "latin"),
    (0x007B, "common"), (0x0080, "control"), (0x00A0, "common"), (0x00C0, "latin"),
    (0x02B0, "common"), (0x0370, "greek"), (0x0400, "cyrillic"), (0x0530, "armenian"),
    (0x0590, "hebrew"), (0x0600, "arabic"), (0x0700, "syriac"), (0x0750, "arabic"),
    (0x0780, "thaana"), (0x07C0, "nko"), (0x0800, "other"), (0x08A0, "arabic"),
    (0x0900, "indic"), (0x0E00, "thai"), (0x0F00, "tibetan"), (0x1000, "myanmar"),
    (0x10A0, "georgian"), (0x1100, "hangul"), (0x1200, "ethiopic"), (0x13A0, "cherokee"),
    (0x1400, "canadian"), (0x1680, "other"), (0x1780, "khmer"), (0x1800, "other"),
    (0x1C80, "cyrillic"), (0x1C90, "georgian"), (0x1CD0, "indic"), (0x1D00, "latin"),
    (0x1DC0, "common"), (0x1E00, "latin"), (0x1F00, "greek"), (0x2000, "common"),
    (0x2C00, "other"), (0x2C60, "latin"), (0x2C80, "other"), (0x2E00, "common"),
    (0x2E80, "han"), (0x3000, "common"), (0x3040, "han"), (0x3130, "hangul"),
    (0x3190, "han"), (0xA000, "yi"), (0xA4D0, "other"), (0xA720, "latin"),
    (0xA800, "indic"), (0xAB00, "ethiopic"), (0xAB30, "latin"), (0xAB70, "cherokee"),
    (0xABC0, "other"), (0xAC00, "hangul"), (0xD800, "control"), (0xF900, "han"),
    (0xFB00, "latin"), (0xFB1D, "hebrew"), (0xFB50, "arabic"), (0xFE00, "common"),
    (0xFE70, "arabic"), (0xFF00, "common"), (0xFFF0, "control"), (0x10000, "other"),
    (0x1F000, "common"), (0x20000, "han"), (0x323B0, "control"),
)  # fmt: skip
"""First code point of each coarse script range; a range ends where the next begins.

Kana, bopomofo and Han count as one script (`han`), because Japanese mixes them in every sentence;
`control` gathers C1 controls, surrogates, private use, specials and planes that hold no letters.
Source: Unicode 15 Blocks.txt, coarsened (own).
"""

_NAMES: Final = tuple(dict.fromkeys(name for _, name in SCRIPT_STARTS))
_STARTS: Final = np.array([start for start, _ in SCRIPT_STARTS], dtype=np.uint32)
_IDS: Final = np.array([_NAMES.index(name) for _, name in SCRIPT_STARTS], dtype=np.int64)
_COMMON: Final = _NAMES.index("common")
_UNREADABLE: Final = _NAMES.index("control")


@dataclass(frozen=True, slots=True, kw_only=True)
class CharsetStats:
    """Shares of one chunk, each in 0 .. 1 unless named otherwise."""

    chars: int
    """Characters of the chunk."""
    longest_run_chars: int
    """Longest run without white space."""
    long_run_share: float
    """Characters in printable-ASCII runs of at least `LONG_RUN_CHARS`, over all."""
    base64_share: float
    """Characters in long runs of the base64 alphabet that mix cases and digits, over all."""
    hex_share: float
    """Hex characters over all but separators, if digits and a-f are mixed as in a dump; else 0."""
    digit_share: float
    code_share: float
    """Characters among `;(){}=`, over all."""
    whitespace_share: float
    control_share: float
    """Control, replacement, private-use and unassigned-plane characters, over all."""
    scripts: int
    """Scripts that hold at least `SCRIPT_SHARE_MIN` of the letters."""


SCRIPT_SHARE_MIN: Final = 0.05
"""Share of a chunk's letters below which a script is a quotation, not part of the mix (own)."""


def charset_stats(text: str, text_bytes: bytes) -> CharsetStats:
    """Measure one chunk.

    Args:
        text: The chunk.
        text_bytes: The same, as UTF-8 (`surrogatepass`); handed in because callers have it already.
    """
    chars = max(1, len(text))
    runs = text.split()
    longest = max(map(len, runs), default=0)
    solid = _LONG_RUN.findall(text) if longest >= LONG_RUN_CHARS else []
    scripts, unreadable = (1, 0) if text.isascii() else _script_mix(text)
    return CharsetStats(
        chars=len(text),
        longest_run_chars=longest,
        long_run_share=sum(map(len, solid)) / chars,
        base64_share=_base64_chars(solid) / chars,
        hex_share=_hex_share(text_bytes),
        digit_share=_count(text_bytes, _DIGITS) / chars,
        code_share=_count(text_bytes, _CODE_PUNCTUATION) / chars,
        whitespace_share=_count(text_bytes, _WHITESPACE) / chars,
        control_share=(_count(text_bytes, _CONTROL) + unreadable) / chars,
        scripts=scripts,
    )


def _count(text_bytes: bytes, among: bytes) -> int:
    return len(text_bytes) - len(text_bytes.translate(None, among))


def _base64_chars(runs: Sequence[str]) -> int:
    """Count characters in base64-alphabet runs that look drawn from all of it.

    Digits **and** letters of both cases (or base32: capitals with digits); a long identifier, path
    or DNA line has a case or digits, but hardly ever all in one unbroken run.
    """
    total = 0
    for run in runs:
        for part in _BASE64_PART.findall(run):
            data = part.encode()
            digits = _count(data, _DIGITS) / len(data)
            mixed_case = part != part.lower() and part != part.upper()
            drawn = BASE64_DIGITS_MIN <= digits <= BASE64_DIGITS_MAX
            if drawn and (mixed_case or part == part.upper()):
                total += len(part)
    return total


BASE64_DIGITS_MIN: Final = 0.04
"""Share of digits from which a run may be base64 (random base64 has 10/64)."""
BASE64_DIGITS_MAX: Final = 0.5
"""Share of digits above which a run is a number or hex, not base64."""


def _hex_share(text_bytes: bytes) -> float:
    """Return the share of hex characters if letters and digits are mixed as in random hex.

    Random hex has 6/16 letters. A table of numbers has none, English next to no digits, and
    neither counts.
    """
    body = text_bytes.translate(None, _HEX_DUMP_SEPARATORS)
    if not body:
        return 0.0
    letters = _count(body, _HEX_LETTERS)
    digits = _count(body, _DIGITS)
    hexadecimal = letters + digits
    if not 0.2 * hexadecimal <= letters <= 0.55 * hexadecimal:
        return 0.0
    return hexadecimal / len(body)


def _script_mix(text: str) -> tuple[int, int]:
    """Return the number of scripts that matter and the count of unreadable characters."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    ids = _IDS[np.searchsorted(_STARTS, codes, side="right") - 1]
    counts = np.bincount(ids, minlength=len(_NAMES))
    unreadable = int(counts[_UNREADABLE])
    counts[[_COMMON, _UNREADABLE]] = 0
    letters = int(counts.sum())
    return int((counts > SCRIPT_SHARE_MIN * letters).sum()), unreadable
