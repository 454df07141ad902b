"""The one way to suggest a name when somebody mistyped one."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A clause that offers the closest known name, or an empty string when none is close.

    Args:
        name: What was written.
        known: What would be right.

    Returns:
        `" (did you mean 'monitor'?)"` or `""`, ready to stand before a sentence's full stop.
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
