"""Views of a text in which a phrase looks the same however it was disguised.

    visible  NFKC compatibility folding, accents dropped, look-alike letters made Latin, invisible
             characters (zero-width, bidi, variation selectors) removed, tag characters shown
    words    visible, in lower case, as words and sentence marks separated by single spaces
    leet     words with digits and signs read as letters (`1gn0re`), l folded into i; same length
    spelled  runs of single letters pulled together (`i g n o r e`, `i-g-n-o-r-e`), and words so
             long that they may hide a phrase without spaces

For matching only: nothing here is ever learned, stored or shown in place of the text. Every step is
linear: translations, and regular expressions whose repeats are possessive (they never give back).

It does not undo synonyms, translations, misspellings, ciphers or letters swapped across lines.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Final

_LOOKALIKES: Final = {
    "a": "аαɑ", "b": "ЬƄβ", "c": "сϲᴄ", "d": "ԁɗ", "e": "еєҽε", "f": "ƒ", "g": "ɡց", "h": "һհ",
    "i": "іıιɩ", "j": "јϳ", "k": "кκ", "l": "ӏɭ", "m": "м", "n": "пոη", "o": "оοσօ", "p": "рρ",
    "q": "ԛ", "r": "гᴦ", "s": "ѕꜱ", "t": "тτ", "u": "υսᴜ", "v": "ѵνᴠ", "w": "ԝшωᴡ", "x": "хχ",
    "y": "уγү", "z": "ᴢ",
    "A": "АΑ", "B": "ВΒ", "C": "СϹ", "E": "ЕΕ", "G": "Ԍ", "H": "НΗ", "I": "ІΙӀ", "J": "Ј",
    "K": "КΚ", "M": "МΜ", "N": "Ν", "O": "ОΟ", "P": "РΡ", "S": "Ѕ", "T": "ТΤ", "U": "Ս",
    "X": "ХΧ", "Y": "УΥҮ", "Z": "Ζ", "'": "’‘ʼ`´", '"': "“”„«»", "-": "‐‑‒–—−",
}  # fmt: skip
"""Latin letter -> Cyrillic, Greek, Armenian and phonetic letters that look like it.

Source: a hand-picked part of Unicode TR39 confusables.txt, checked pair by pair; full-width,
mathematical, circled and superscript letters need no entry, NFKC folds them.
"""

_INVISIBLE: Final = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5),
    (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB), (0xE0100, 0xE01EF),
    (0x0300, 0x036F), (0x0483, 0x0489), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
)  # fmt: skip
"""Inclusive ranges that vanish: default-ignorable code points, then combining marks.

Source: Unicode DerivedCoreProperties.txt (Default_Ignorable_Code_Point), Blocks.txt.
"""

_TAGS: Final = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}
"""Tag characters: invisible, yet models read them; made visible so that they can be judged."""

_TO_VISIBLE: Final[dict[int, str | None]] = {
    **{ord(twin): latin for latin, twins in _LOOKALIKES.items() for twin in twins},
    **{code: None for first, last in _INVISIBLE for code in range(first, last + 1)},
    **dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127)),
    **_TAGS,
}

_TO_LEET: Final = str.maketrans("01!|3456$7+89@2l", "oiiieasgsttbgazi")
"""Digits and signs read as letters; `1` may stand for l or i, so l is folded into i throughout."""

_LEET_WORD: Final = re.compile(r"[A-Za-z][0-9!|$+@]++[A-Za-z]|(?<!\S)[0-9!|$+@]++[A-Za-z]{2}")
_NOT_WORD: Final = re.compile(r"[^a-z0-9'\".!?:;|$+@\u0080-\U0010ffff]++")
_MARKS: Final = re.compile(r"([.?:;\"]|!(?![a-z]))")
_SENTENCE_BREAK: Final = re.compile(r"\n[ \t]*+\n|\n(?=[A-Z])|\r")
SPELLED: Final = re.compile(
    r"(?<![a-z0-9])[a-z0-9](?:[ \t\n._*/|~\-]{1,3}+[a-z0-9](?![a-z0-9])){3,}+"
)
"""Four or more single letters or digits, one to three separators apart."""
_LONE_APOSTROPHE: Final = re.compile(r"(?<![a-z0-9])'|'(?![a-z0-9])")
_NOT_LETTERS: Final = re.compile(r"[^a-z0-9]++")
_OUTLINE: Final = bytes(97 if bytes([i]).isalnum() else 32 for i in range(256))
"""ASCII letters and digits -> `a`, every other byte -> space."""

LONG_WORD_CHARS: Final = 18
"""Length from which one word may hide a phrase without spaces (own; `forgetpriorprompts`)."""


def visible(text: str) -> str:
    """Return the text with every disguise of single characters removed."""
    if not text.isascii():
        # NFKD, not NFKC: the same compatibility folding, but accents stay apart and can be dropped.
        text = unicodedata.normalize("NFKD", text)
    return text.translate(_TO_VISIBLE)


def words_of(shown: str, sentence_starters: re.Pattern[str] | None = None) -> str:
    """Fold visible text to lower-case words and sentence marks, separated by single spaces.

    A blank line, a line that begins with a capital, and a match of `sentence_starters` inside a
    line each get a `.` before them.

    Args:
        shown: Output of `visible`.
        sentence_starters: Words which, as they stand (capital letters kept), begin a sentence.
    """
    marked = _SENTENCE_BREAK.sub(" . ", shown)
    if sentence_starters is not None:
        marked = sentence_starters.sub(r" . \g<0>", marked)
    quoted = _LONE_APOSTROPHE.sub('"', marked.casefold())
    spaced = _MARKS.sub(r" \1 ", quoted)
    return " ".join(_NOT_WORD.sub(" ", spaced).split())


def leet_of(folded: str) -> str:
    """Read digits and signs as letters, one for one; compare with words whose l became i."""
    return folded.translate(_TO_LEET)


def has_leet(text: str) -> bool:
    """Whether a digit or sign stands inside a word, where a letter could."""
    return _LEET_WORD.search(text) is not None


@dataclass(frozen=True, kw_only=True)
class Views:
    """The views of one text, each computed when first asked for."""

    text: str

    @cached_property
    def shown(self) -> str:
        """See `visible`."""
        return visible(self.text)

    @cached_property
    def lowered(self) -> str:
        """`shown` in lower case, for substring tests."""
        return self.shown.lower() if self.shown.isascii() else self.shown.casefold()

    @cached_property
    def leet(self) -> str:
        """`lowered` with digits and signs read as letters."""
        return leet_of(self.lowered)

    @cached_property
    def spelled(self) -> tuple[str, ...]:
        """Each spelled-out run and each over-long word, lower case, letters and digits only."""
        found = [word for word in self.lowered.split() if len(word) >= LONG_WORD_CHARS]
        if may_be_spelled(self.lowered):
            found += [run[0] for run in SPELLED.finditer(self.lowered)]
        return tuple(_NOT_LETTERS.sub("", item) for item in found)


def may_be_spelled(text: str) -> bool:
    """Whether four single letters or digits follow each other; never wrong when it says no.

    A fifth of the cost of the regular expression that it spares nearly every chunk.
    """
    outline = b" " + text.encode("latin-1", "replace").translate(_OUTLINE) + b" "
    # Runs of up to three separators become one.
    return b" a a a a " in outline.replace(b"  ", b" ").replace(b"  ", b" ")
