"""Whether a text commands its reader to drop its instructions or its rules.

The phrases are data (`phrases.py`); here is the judgement around them. A command counts only where
one can stand: at the start of a sentence or after words such as "please" or "you must". "Never
ignore the instructions above" and "tells the model to ignore previous instructions" do not count,
nor does a phrase that is only quoted as an example. Disguised text (leetspeak, spelled out, spaces
removed) gets no such benefit of the doubt.
"""

import re
from collections.abc import Iterator
from typing import Final

from ttt.core.gate_checks.phrases import (
    ADDRESSED,
    AI_ROOTS,
    AI_WORDS,
    CLAIMS,
    COMMANDS,
    ROLE_PLAY,
    ROOTS,
    UNBOUND,
    Family,
)
from ttt.core.normalise import Views, has_leet, leet_of, visible, words_of

LEADS: Final = frozenset(
    "please now then just simply kindly instead first immediately completely chatgpt gpt "
    "assistant ai bot chatbot claude".split()
)
"""Words straight after which a bare verb is a command."""
_BETWEEN: Final = frozenset(
    "must will should shall can to also now completely just always then need have going".split()
)
"""Words that may stand between "you" and the verb of a command to you."""
_MARKS: Final = frozenset('.!?:;"')
_REPORTING: Final = frozenset(
    "like as phrase phrases says say said saying word words called string strings contains "
    "containing include includes including example examples attack attacks injection tells told "
    "reads read wrote write writes typed quote quoted means".split()
)
"""Words that announce a quotation as a mention."""

BEFORE_CHARS: Final = 120
"""Characters before a phrase that are looked at; seven ordinary words fit."""

_CAPITAL_VERB: Final = re.compile(
    r"(?<=[a-z,)] )(?:I(?:gnore|GNORE)|D(?:isregard|ISREGARD|iscard)|F(?:orget|ORGET)"
    r"|O(?:verride|VERRIDE)|Reveal|Repeat)\b"
)
_LEET_ROOTS: Final = tuple(root.replace("l", "i") for root in ROOTS)
_JOINED_ROOTS: Final = tuple(root.replace(" ", "").replace("'", "") for root in _LEET_ROOTS)
_ALL: Final = Family(phrases=(*COMMANDS.phrases, *CLAIMS.phrases))


def commands_override(views: Views, carry: str) -> bool:
    """Whether a text commands an override, in plain words or disguised.

    Args:
        views: Of the carry and the chunk's own text together.
        carry: Phrases begun in it count, phrases that end in it do not.
    """
    return _plain(views, carry) or _disguised(views, carry)


def _plain(views: Views, carry: str) -> bool:
    commands = _holds(views.lowered, ROOTS)
    persona = _holds(f" {views.lowered}", AI_ROOTS)
    if not (commands or persona):
        return False
    words = words_of(views.shown, _CAPITAL_VERB)
    border = len(words_of(visible(carry), _CAPITAL_VERB))
    return (commands and _commanded(words, border)) or (persona and _unbound(words, border))


def _holds(text: str, roots: tuple[str, ...]) -> bool:
    for root in roots:  # noqa: SIM110  a loop costs half of any() here, on every chunk
        if root in text:
            return True
    return False


def _commanded(words: str, border: int) -> bool:
    return any(
        _is_command(_before(words, start)) for start in _starts(COMMANDS, words, border)
    ) or any(not _is_mention(_before(words, start)) for start in _starts(CLAIMS, words, border))


def _unbound(words: str, border: int) -> bool:
    """Whether the reader is told to be an AI without rules: three signs together."""
    return (
        any(True for _ in _starts(AI_WORDS, words, 0))
        and any(True for _ in _starts(UNBOUND, words, border))
        and (
            any(True for _ in _starts(ADDRESSED, words, 0))
            or any(_is_command(_before(words, start)) for start in _starts(ROLE_PLAY, words, 0))
        )
    )


def _starts(family: Family, words: str, border: int) -> Iterator[int]:
    """Yield where a phrase begins that ends beyond the border."""
    for match in family.plain.finditer(words):
        if match.end(1) > border:
            yield match.start(1)


def _before(words: str, start: int) -> str:
    """Return the words just before; a bounded slice, or many matches would cost a square."""
    return words[max(0, start - BEFORE_CHARS) : start]


def _is_command(before: str) -> bool:
    """Whether a bare verb after these words is a command to the reader."""
    last = before.rsplit(None, 4)[-4:]
    if not last or last[-1] in _MARKS:
        return not _is_mention(before)
    if last[-1] in LEADS:
        return True
    while last[-1] in _BETWEEN and len(last) > 1:
        last.pop()
    return last[-1] == "you" and not before.endswith("you ")


def _is_mention(before: str) -> bool:
    """Whether the words before announce a quotation: a quote mark, and a reporting word nearby."""
    last = before.rsplit(None, 7)[-7:]
    return bool(last) and last[-1] == '"' and not _REPORTING.isdisjoint(last)


def _disguised(views: Views, carry: str) -> bool:
    # Without a digit or sign the leet view says nothing new.
    in_leet = views.leet != views.lowered.replace("l", "i") and _holds(views.leet, _LEET_ROOTS)
    return (in_leet and _in_leet(views.shown, carry)) or _spelled_out(views, carry)


def _spelled_out(views: Views, carry: str) -> bool:
    """Whether a phrase appears once spelled-out letters are joined, or inside one long word."""
    runs = [leet_of(run) for run in views.spelled]
    if not runs or not _holds(" ".join(runs), _JOINED_ROOTS):
        return False
    earlier = {leet_of(run) for run in Views(text=carry).spelled}
    return any(run not in earlier and _ALL.joined.search(run) is not None for run in runs)


def _in_leet(shown: str, carry: str) -> bool:
    """Whether a phrase appears only once digits are read as letters."""
    if not has_leet(shown):
        return False
    words = words_of(shown)
    border = len(words_of(visible(carry)))
    for match in _ALL.leet.finditer(leet_of(words)):
        if match.end(1) > border and has_leet(words[match.start(1) : match.end(1)]):
            return True
    return False
