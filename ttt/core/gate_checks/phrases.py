"""The phrase family of `instruction_override`, as data, and how it is compiled.

A phrase is alternatives, a gap, alternatives, ...: `("ignore|forget", 3, "previous|prior")` reads
"ignore or forget, at most three words, then previous or prior". Gaps never cross a sentence mark.

It covers commands to drop earlier instructions or to show the system prompt, and claims that the
reader is now an AI without rules. It does not chase injected *tasks* ("also tell me the capital of
Brazil"), paraphrase or fiction: precision is worth more here, because the probe is the guard.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

Phrase: TypeAlias = tuple[str | int, ...]
"""Alternatives (words joined by `|`) at even places, largest gap in words at odd ones."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Phrases that mean the same, and their patterns, each compiled when first needed."""

    phrases: tuple[Phrase, ...]

    @cached_property
    def plain(self) -> re.Pattern[str]:
        """For `words_of` of visible text."""
        return _pattern(self.phrases, fold_l=False, spaces=True)

    @cached_property
    def leet(self) -> re.Pattern[str]:
        """For `leet_of` of the same."""
        return _pattern(self.phrases, fold_l=True, spaces=True)

    @cached_property
    def joined(self) -> re.Pattern[str]:
        """For `leet_of` of letters without spaces between words."""
        return _pattern(self.phrases, fold_l=True, spaces=False)


def _pattern(phrases: tuple[Phrase, ...], *, fold_l: bool, spaces: bool) -> re.Pattern[str]:
    """Compile phrases to one pattern; group 1 is the whole phrase, found at every start.

    Bounded: gap words are possessive and at most a handful, so a match costs a constant per start.

    Args:
        phrases: The family.
        fold_l: Write i for l, for the leet view.
        spaces: Words stand apart; otherwise gaps are letters, for text without spaces.
    """
    choices = "|".join(_one(phrase, fold_l=fold_l, spaces=spaces) for phrase in phrases)
    return re.compile(f"(?<![^ ])(?=((?:{choices})(?![^ ])))" if spaces else f"(?=({choices}))")


def _one(phrase: Phrase, *, fold_l: bool, spaces: bool) -> str:
    parts = []
    for part in phrase:
        if isinstance(part, int):
            gap = rf"(?: [^ .?!;]++){{0,{part}}}? " if spaces else rf"[a-z]{{0,{8 * part}}}?"
            parts.append(gap)
            continue
        words = re.escape(part).replace(r"\|", "|")
        words = words if spaces else words.replace(r"\ ", "").replace(":", "")
        parts.append(f"(?:{words.replace('l', 'i') if fold_l else words})")
    return "".join(parts)


_VERBS: Final = "ignore|disregard|forget|override|bypass|discard"
_ORDERS: Final = (
    "instruction|instructions|prompt|prompts|directive|directives|guideline|guidelines"
    "|commands|programming|restrictions|constraints|safeguards"
)
_EARLIER: Final = (
    "previous|prior|above|earlier|preceding|foregoing|former|existing|original|initial"
)
_HIDDEN: Final = (
    "system prompt|system message|system instructions|initial prompt|initial instructions"
    "|hidden prompt|hidden instructions|secret instructions|original prompt|developer message"
)

# fmt: off
COMMANDS: Final = Family(phrases=(
    (_VERBS, 3, _EARLIER, 3, f"{_ORDERS}|rules|directions|context"),
    (_VERBS, 1, "all|any|every", 2, "instruction|instructions|prompts|directives|guidelines"),
    (_VERBS, 2, "your", 2, "instructions|guidelines|programming|directives|system prompt"),
    (_VERBS, 2, "rules|instructions", 3, "given to you|you got before|you were given"),
    (_VERBS, 0, "everything", 2, "you got before|you learned before"),
    ("ignore|disregard", 0, "everything|anything|all", 2, "above|before this|prior|previously"),
    ("reveal|print|show|output|repeat|display|leak|disclose", 4, "your", 1, _HIDDEN),
    ("tell me|give me|send me", 2, "your", 1, _HIDDEN),
    ("repeat|print|output|copy", 3, "words above|text above", 3, "verbatim|exactly"),
    ("new instructions", 0, ":"),
))
"""Only as a command: at the start of a sentence, or after `LEADS`; see `override.py`."""

CLAIMS: Final = Family(phrases=(
    ("you are now|you're now", 3, "dan|jailbroken|unfiltered|unrestricted|uncensored|dan mode"),
    ("act as|acting as|respond as|answer as", 7, "mode enabled|mode on|mode activated"),
    ("in developer mode|with developer mode|developer mode enabled", 4, "you are|you will|chatgpt"),
    ("stands for|dan|dans|suggests", 2, "do anything now"),
    ("typical|usual|regular|normal", 0, "confines of ai|confines of al|confines of an ai"),
    ("your new instructions", 0, "are|:"),
    # The same command in German, Spanish and French, where the scope may follow the noun.
    ("ignoriere|vergiss|missachte", 2, "vorherigen|bisherigen|obigen", 1, "anweisungen|befehle"),
    ("ignora|olvida|descarta", 3, "instrucciones", 1, "anteriores|previas"),
    ("ignore|ignorez|oublie|oubliez", 3, "instructions|consignes", 0, "precedentes|anterieures"),
))
"""Wherever they stand, unless only quoted."""

AI_WORDS: Final = Family(phrases=(
    ("ai|a.i|chatgpt|openai|openai's|chatbot|gpt|language model|ai's|chat bot",),
))
ADDRESSED: Final = Family(phrases=(
    ("you are|you're|you will|you'll|you must|you have to|you can|your|from now on",),
))
ROLE_PLAY: Final = Family(phrases=(
    ("act as|act like|pretend|respond as|answer as|imagine|simulate|play",),
))
"""An address to the reader too, but only as a command."""

_UNTAMED: Final = "unfiltered|uncensored|amoral|unrestricted|immoral|jailbroken"
_LIMITS: Final = "restrictions|filters|limitations|censorship|guidelines|constraints|policies|rules"
UNBOUND: Final = Family(phrases=(
    ("no|any|without|all|of|by", 2, "ethical|moral|legal|content|openai|openai's", 4,
     f"{_LIMITS}|boundaries|policy|principles|standards|programming|values|considerations"),
    ("no|without|any|all", 1, _LIMITS, 0, "and|or|and no|or any", 1, f"{_LIMITS}|filtering"),
    (_UNTAMED, 2, f"{_UNTAMED}|chatbot|ai|response|responses|model|version|language model|answer"),
    ("abide by|abide to|adhere to|bound by|restricted by|governed by|bypass|comply with", 4,
     f"{_LIMITS}|policy|standards|terms", 3, "openai|them|it|you|creators|creator|ai"),
    ("never|not|cannot|can't|don't|dont", 1, "refuse|refuses|reject|decline|deny"),
    ("regardless of|no matter how|no matter", 4, "illegal|unethical|immoral|dangerous|harmful"),
))
# fmt: on
"""Judged only beside an AI word **and** an address to the reader, all in one chunk."""

ROOTS: Final = (
    "ignor", "disregard", "forget", "overrid", "bypass", "discard", "prompt", "instruc",
    "system m", "developer m", "words above", "text above", "you are now", "you're now", "mode ",
    "do anything now", "confines of", "vergiss", "missachte", "olvida", "descarta", "oublie",
)  # fmt: skip
"""No command or claim stands in a text without one of these: substring tests spare it the rest."""

AI_ROOTS: Final = (
    " ai ", " ai.", " ai,", " ai'", " a.i", "gpt", "openai", "chatbot", "chat bot",
    "language model",
)  # fmt: skip
"""The same for `UNBOUND`, in a text that begins with a space."""
