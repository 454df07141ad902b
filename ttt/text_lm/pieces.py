"""From tokens back to text while they arrive: pieces that are safe to print, and where to stop.

A token is a few bytes, and one character may lie in several tokens; a piece holds whole characters
only. Bytes that cannot become a character are shown as U+FFFD, as the tokenizer's own decoding
shows them, so that all pieces together are the text of all tokens.
"""

import codecs
import json
from collections.abc import Sequence

from tokenizers import pre_tokenizers

from ttt.core.tokens import SPECIAL_TOKENS, BytePairs, TextEncoder
from ttt.errors import ConfigError


def token_texts(encoder: TextEncoder) -> list[bytes]:
    """The bytes each id stands for, by id; none for special ones.

    Raises:
        ConfigError: The encoder is no byte-level vocabulary and cannot turn ids into text.
    """
    if not isinstance(encoder, BytePairs):
        raise ConfigError(
            "A base of hashed words cannot write: a hash does not turn back into its word; choose "
            "starter or a trained text model."
        )
    byte_of = byte_alphabet()
    texts = [b""] * encoder.vocab_size
    for token, token_id in json.loads(encoder.json)["model"]["vocab"].items():
        if token not in SPECIAL_TOKENS:
            texts[token_id] = bytes(byte_of[character] for character in token)
    return texts


def byte_alphabet() -> dict[str, int]:
    """Which byte each character of a byte-level vocabulary stands for.

    Source: Radford et al. 2019 (GPT-2), `bytes_to_unicode`: printable Latin-1 characters stand for
    themselves, the other bytes in order for the characters from U+0100.
    """
    alphabet = set(pre_tokenizers.ByteLevel.alphabet())
    themselves = {chr(byte): byte for byte in range(256) if chr(byte) in alphabet}
    others = sorted(alphabet - themselves.keys())
    missing = sorted(set(range(256)) - set(themselves.values()))
    return themselves | dict(zip(others, missing, strict=True))


class Pieces:
    """Turns the tokens of one text into pieces of it.

    Args:
        texts: The bytes of each id (`token_texts`).
        stop: Texts at whose first appearance the text ends; they are not part of it.
    """

    def __init__(self, texts: Sequence[bytes], stop: Sequence[str] = ()) -> None:
        self._texts = texts
        self._stop = tuple(stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.stopped = False

    def take(self, token_id: int) -> str:
        """The text that is certain now; what may turn out the beginning of a stop is held back."""
        return self._release(self._decoder.decode(self._texts[token_id]), last=False)

    def rest(self) -> str:
        """What was held back, once no token follows."""
        return self._release(self._decoder.decode(b"", final=True), last=True)

    def _release(self, text: str, *, last: bool) -> str:
        if not self._stop:
            return text
        if self.stopped:
            return ""
        self._held += text
        places = [place for stop in self._stop if (place := self._held.find(stop)) >= 0]
        if places:
            self.stopped = True
            certain = min(places)
        else:
            certain = len(self._held) - (0 if last else self._doubtful())
        text, self._held = self._held[:certain], self._held[certain:]
        return text

    def _doubtful(self) -> int:
        """How many characters at the end may be the beginning of a stop."""
        longest = max(map(len, self._stop)) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stop):
                return length
        return 0
