"""Whether a text holds what one person would not want a shared model to repeat.

Covered: e-mail addresses, numbers of payment cards (their check digit is right), IBANs, common
forms of access keys. Not covered: names, addresses, telephone numbers, and secrets in words.
"""

import re
from typing import Final

_FORMS: Final = (
    re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.[A-Za-z]{2,24}"),
    re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    re.compile(r"\b(?:sk|pk|ghp|gho|xox[abp]|AKIA)[-_]?[A-Za-z0-9]{16,}"),
)
_CARD: Final = re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-])")


def holds_private(text: str) -> bool:
    """Whether one of the forms stands in a text."""
    if any(form.search(text) for form in _FORMS):
        return True
    return any(_checks(re.sub(r"\D", "", one)) for one in _CARD.findall(text))


def _checks(digits: str) -> bool:
    """The check of payment cards. Source: ISO/IEC 7812-1, annex B (Luhn)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and len(set(digits)) > 1
