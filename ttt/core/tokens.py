"""Text to token ids and back: the interface, byte-pair encoding, and hashed words.

`BytePairs` wraps a trained byte-level BPE: lossless on every string. `HashedWords` belongs to the
random base only; several words may share an id, so it cannot decode.
"""

import hashlib
import re
from functools import lru_cache
from typing import Protocol, runtime_checkable

import tokenizers

from ttt.errors import InputError

SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<mask>")
PAD_ID, BOS_ID, EOS_ID, MASK_ID = range(4)

_WORD = re.compile(r"\w+|[^\w\s]")


@runtime_checkable
class TextEncoder(Protocol):
    """Turns text into ids; `spans` says which characters each id came from."""

    @property
    def vocab_size(self) -> int: ...
    def encode(self, text: str) -> list[int]: ...
    def encode_with_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]: ...
    def decode(self, ids: list[int]) -> str: ...


class BytePairs:
    """A trained byte-level BPE vocabulary.

    Args:
        tokenizer_json: The `tokenizers` file format, as saved beside each text model.
    """

    def __init__(self, tokenizer_json: str) -> None:
        self.json = tokenizer_json
        self._tokenizer = tokenizers.Tokenizer.from_str(tokenizer_json)
        # Text that spells `<pad>` is text; the flag is not part of the file.
        self._tokenizer.encode_special_tokens = True

    @property
    def vocab_size(self) -> int:
        """Number of ids, special ones included."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> list[int]:
        """Ids of `text`; text that spells a special token is encoded as ordinary characters."""
        return self.encode_with_spans(text)[0]

    def encode_with_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids, and for each the (start, end) character range it came from."""
        try:
            encoding = self._tokenizer.encode(text, add_special_tokens=False)
        except TypeError as error:
            raise InputError(
                "The text holds half of a surrogate pair, which is no character; decode as UTF-8."
            ) from error
        return list(encoding.ids), list(encoding.offsets)

    def decode(self, ids: list[int]) -> str:
        """The exact text that `encode` was given; special ids are left out."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))


class HashedWords:
    r"""Words and punctuation marks, each hashed to one of `vocab_size` ids.

    Source: the documented toy tokenizer (regex `\w+|[^\w\s]`, stable 64-bit hash); the hash is
    BLAKE2b, because Python's own differs from process to process. The four special ids are kept
    free.
    """

    def __init__(self, vocab_size: int = 8192) -> None:
        self._vocab_size = vocab_size

    @property
    def vocab_size(self) -> int:
        """Number of ids, special ones included."""
        return self._vocab_size

    def encode(self, text: str) -> list[int]:
        """Ids of the words of `text`, in order."""
        return self.encode_with_spans(text)[0]

    def encode_with_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids, and for each the (start, end) character range it came from."""
        matches = list(_WORD.finditer(text))
        ids = [_hashed_id(match.group(), self._vocab_size) for match in matches]
        return ids, [match.span() for match in matches]

    def decode(self, ids: list[int]) -> str:
        """Placeholders: a hash cannot be turned back into its word."""
        return " ".join(f"#{token_id}" for token_id in ids)


@lru_cache(maxsize=65536)
def _hashed_id(word: str, vocab_size: int) -> int:
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    free = vocab_size - len(SPECIAL_TOKENS)
    return len(SPECIAL_TOKENS) + int.from_bytes(digest, "big") % free
