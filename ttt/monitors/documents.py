"""Text into chunks: documents are read piece by piece and cut every so many tokens.

Memory does not grow with the length of the text. What is tokenised at once ends right before a
whitespace run that follows something else, where no token of a byte-level vocabulary (or of the
regex one) crosses, so the ids are those of the whole text. Text without such a place, one endless
line say, is cut at `SEGMENT_CHARACTERS_MAX`; where such a cut falls depends on the text alone and
never on the pieces it came in.

Refuses: a document of fewer than two tokens, from which nothing can be learned.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from ttt.core.gate import CARRY_CHARS, ChunkText
from ttt.core.tokens import BOS_ID, TextEncoder
from ttt.errors import ConfigError, InputError

SEGMENT_CHARACTERS_MAX = 1 << 16
"""Most characters tokenised at once; own: ten thousand words, and ten megabytes at the worst."""
GROUP_CHUNKS = 16
"""Most chunks of a group; own: what a group saves hardly grows from here on."""
TOKENS_MIN = 2
"""Fewest tokens of a document: one to read and one to predict."""

Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One text with a name."""

    name: str
    pieces: Iterable[str]
    """The text in order, in pieces of any size, read lazily and once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The piece of a document that makes one update.

    The texts of a document's chunks follow one another without gap or overlap.
    """

    document: str
    """Name of the document."""
    text: str
    """Its characters; one that is spread over tokens of two chunks belongs to the first."""
    carry: str
    """The last characters of the document before it, at most `CARRY_CHARS`."""
    token_ids: list[int]
    """Its ids, at least one."""
    previous_id: int
    """The id before it in the document; `BOS_ID` at the start."""
    spans: list[Span]
    """For each id, the range in `text` that it came from; empty where that lies in the chunk
    before."""
    token_start: int
    """Ids of the document before it."""
    starts_document: bool
    """Whether it is the document's first."""

    def for_gate(self) -> ChunkText:
        """What the gate reads of it."""
        return ChunkText(text=self.text, carry=self.carry, token_ids=self.token_ids)


def chunks(
    documents: Iterable[Document], *, encoder: TextEncoder, chunk_tokens: int
) -> Iterator[Chunk]:
    """Cut documents into chunks, one after the other; arguments and errors of `chunk_groups`."""
    for group in chunk_groups(documents, encoder=encoder, chunk_tokens=chunk_tokens):
        yield from group


def chunk_groups(
    documents: Iterable[Document], *, encoder: TextEncoder, chunk_tokens: int
) -> Iterator[list[Chunk]]:
    """Cut documents into chunks of `chunk_tokens` ids; the last of each may be shorter.

    Args:
        documents: What to read, in order.
        encoder: Tokenizer of the model that will read the chunks.
        chunk_tokens: Ids of a chunk, at least 1.

    Yields:
        At most `GROUP_CHUNKS` chunks: those that are known together, so that none of them waits
        for text which has not come yet.

    Raises:
        ConfigError: `chunk_tokens` is below 1.
        InputError: A document has fewer than two tokens, or cannot be read.
    """
    if not chunk_tokens >= 1:
        raise ConfigError(f"chunk_tokens must be at least 1, not {chunk_tokens!r}.")
    for document in documents:
        cutter = _Cutter(document.name, chunk_tokens)
        for segment in segments(document.pieces):
            ids, spans = encoder.encode_with_spans(segment)
            yield from _groups(cutter.feed(segment, ids, spans))
        yield from _groups(cutter.finish())


def _groups(found: Iterator[Chunk]) -> Iterator[list[Chunk]]:
    while group := list(islice(found, GROUP_CHUNKS)):
        yield group


def segments(pieces: Iterable[str]) -> Iterator[str]:
    """Put pieces together again so that no token crosses from one to the next.

    Args:
        pieces: Text in any cut.

    Yields:
        The same text in parts of at most `SEGMENT_CHARACTERS_MAX` characters, each but the last
        followed by whitespace and ending in none, except where there is no such place.
    """
    text = ""
    for piece in pieces:
        text += piece
        while len(text) > SEGMENT_CHARACTERS_MAX:
            end = _border(text, SEGMENT_CHARACTERS_MAX) or SEGMENT_CHARACTERS_MAX
            yield text[:end]
            text = text[end:]
        if end := _border(text, len(text) - 1):
            yield text[:end]
            text = text[end:]
    if text:
        yield text


def _border(text: str, last: int) -> int:
    """The last place up to `last` where ASCII whitespace follows a visible character; 0 if none.

    Only ASCII whitespace counts, because Python and the tokenizer's regex engine disagree about a
    few other characters.
    """
    head = text[: last + 1]
    while head:
        at = max(head.rfind(blank) for blank in " \n\t\r")
        start = len(head[: at + 1].rstrip())
        if start == 0 or text[start] in " \n\t\r":
            return start
        head = head[:start]
    return 0


@dataclass(slots=True)
class _Cutter:
    """Collects the ids of one document until a chunk is full."""

    document: str
    chunk_tokens: int
    text: str = ""
    """Text since the last chunk, as far as it was tokenised."""
    ids: list[int] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    carry: str = ""
    previous_id: int = BOS_ID
    token_start: int = 0

    def feed(self, segment: str, ids: list[int], spans: list[Span]) -> Iterator[Chunk]:
        """Take the next segment; yield every chunk that is full."""
        if not ids:  # Whitespace to an encoder that knows words only; it must not pile up.
            return
        offset = len(self.text)
        self.text += segment
        self.ids += ids
        self.spans += _shifted(spans, -offset)
        full = len(self.ids) - len(self.ids) % self.chunk_tokens
        done = 0
        for first in range(0, full, self.chunk_tokens):
            end = self.spans[first + self.chunk_tokens - 1][1]
            yield self._chunk(first, first + self.chunk_tokens, done, end)
            done = end
        self.text = self.text[done:]
        self.spans = _shifted(self.spans[full:], done)
        self.ids = self.ids[full:]

    def finish(self) -> Iterator[Chunk]:
        """Yield what is left.

        Raises:
            InputError: The whole document has fewer than two tokens.
        """
        tokens = self.token_start + len(self.ids)
        if not tokens >= TOKENS_MIN:
            raise InputError(
                f"{self.document} holds too little text to learn from "
                f"({tokens} of at least {TOKENS_MIN} tokens)."
            )
        if self.ids:
            yield self._chunk(0, len(self.ids), 0, len(self.text))

    def _chunk(self, first: int, last: int, start: int, end: int) -> Chunk:
        """The chunk of ids `first` to `last` and of the characters `start` to `end`."""
        text, ids = self.text[start:end], self.ids[first:last]
        chunk = Chunk(
            document=self.document,
            text=text,
            carry=self.carry,
            token_ids=ids,
            previous_id=self.previous_id,
            spans=_shifted(self.spans[first:last], start),
            token_start=self.token_start,
            starts_document=self.token_start == 0,
        )
        self.carry = (self.carry + text)[-CARRY_CHARS:]
        self.previous_id = ids[-1]
        self.token_start += len(ids)
        return chunk


def _shifted(spans: list[Span], start: int) -> list[Span]:
    """Spans counted from `start`; empty at 0 where they lie before."""
    if start == 0:
        return spans
    return [(max(0, first - start), max(0, last - start)) for first, last in spans]
