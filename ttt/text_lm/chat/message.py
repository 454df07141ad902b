"""What counts as a message, and how it is set apart from what was said before it."""

from ttt.errors import InputError
from ttt.text_lm.bulk_encoding import check_unicode
from ttt.text_lm.chat.options import MESSAGE_CHARACTERS_MAX


def check_message(text: str) -> None:
    """Refuse what is no message.

    Raises:
        InputError: It is empty, too long, or holds half of a surrogate pair.
    """
    if not text.strip():
        raise InputError("The message is empty; write at least one word.")
    if len(text) > MESSAGE_CHARACTERS_MAX:
        raise InputError(
            f"The message has {len(text)} characters; send at most {MESSAGE_CHARACTERS_MAX}, or "
            "train a model on it."
        )
    check_unicode(text)


def as_spoken(carry: str, message: str) -> str:
    """A message with the line ends that set it apart from what stands before and behind it.

    Args:
        carry: The last characters of what was said before.
        message: The message as it was sent.
    """
    apart = "\n" if carry and not carry.endswith("\n") else ""
    return apart + message + ("" if message.endswith("\n") else "\n")
