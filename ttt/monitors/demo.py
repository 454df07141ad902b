"""Texts to show the monitor at work: harmless and hostile ones, mixed, without any download.

Prose and source come from the running Python, other languages, dialogue, tables and attacks from
passages written for this project, blobs and logs from seeded generators. The same seed and the same
Python give the same texts.
"""

import base64
import importlib
import inspect
import random
import re
from collections.abc import Callable, Sequence
from importlib import resources
from itertools import zip_longest

from ttt.errors import InputError
from ttt.lib import strict_json
from ttt.lib.seeds import derive_seed
from ttt.monitors.documents import Document

_SOURCES = ("bisect", "calendar", "colorsys", "fnmatch", "heapq", "shlex", "statistics", "textwrap")
_DOCUMENT_CHARACTERS = 1200
"""About three chunks of the default size: enough to see a document being learned."""
_BLOB_CHARACTERS = 300


def demo_documents(seed: int) -> list[Document]:
    """Harmless and hostile texts that take turns, so that every kind of decision falls.

    Args:
        seed: Chooses the pages of documentation and source and fills the generated blobs.

    Raises:
        InputError: The running Python came without the source of its library.
    """
    draw = random.Random(derive_seed(seed, "demo"))
    blobs = [_blob(name, _BLOB_CHARACTERS, seed) for name in _GENERATORS]
    mixed = [*_documentation(draw), *_source(draw), *blobs]
    draw.shuffle(mixed)
    passages = _passages()
    turns = zip_longest(passages, mixed)
    taking_turns = [document for turn in turns for document in turn if document is not None]
    return [_word_list(passages, draw), *taking_turns]


def high_entropy_documents(seed: int) -> list[Document]:
    """Blobs that look random, each longer than a few chunks.

    Args:
        seed: Fills them.
    """
    names = [name for name in _GENERATORS if name != "log"]
    return [_blob(name, 4 * _BLOB_CHARACTERS, seed) for name in names]


def _passages() -> list[Document]:
    """The committed passages, in their own order, which mixes harmless and hostile ones."""
    lines = resources.files("ttt.data").joinpath("demo", "passages.jsonl").read_text("utf-8")
    found = []
    for line in lines.split("\n"):
        if line:
            row = strict_json.loads(line)
            assert isinstance(row, dict), "a committed line is an object"
            text = row["unit"] * row["times"] if row["kind"] == "repeat" else row["text"]
            found.append(Document(name=f"{row['id']} {row['kind']}", pieces=(text,)))
    return found


def _word_list(passages: Sequence[Document], draw: random.Random) -> Document:
    """Ordinary words without order, each in quotation marks: every gate lets it pass.

    Learned at the very start, before anything good, it harms the canaries more than the budget
    allows: the write guard cuts it down, and plain mode takes it back.
    """
    prose = "".join(text for d in passages if d.name.endswith(" prose") for text in d.pieces)
    words = draw.sample(re.findall(r"[a-z]+", prose.lower()), 160)
    return Document(name="generated: word list", pieces=('" "; '.join(words),))


def _documentation(draw: random.Random) -> list[Document]:
    """Pages of the language reference."""
    from pydoc_data.topics import topics  # A quarter of a megabyte that only the demo needs.

    pages = sorted(name for name, text in topics.items() if len(text) >= _DOCUMENT_CHARACTERS)
    return [
        Document(name=f"python manual: {name}", pieces=(_cut(topics[name].strip()),))
        for name in draw.sample(pages, 3)
    ]


def _source(draw: random.Random) -> list[Document]:
    """The beginnings of modules of the standard library."""
    found = []
    for name in draw.sample(_SOURCES, 2):
        try:
            text = inspect.getsource(importlib.import_module(name))
        except OSError as error:
            raise InputError(
                f"This Python has no source of its module {name!r} to show; use --file instead."
            ) from error
        found.append(Document(name=f"python source: {name}.py", pieces=(_cut(text),)))
    return found


def _cut(text: str) -> str:
    """The beginning of a text, up to the end of a line."""
    return text[: text.rfind("\n", 0, _DOCUMENT_CHARACTERS) + 1]


def _blob(name: str, length: int, seed: int) -> Document:
    text = _GENERATORS[name](random.Random(derive_seed(seed, "blob", name)), length)
    return Document(name=f"generated: {name}", pieces=(text[:length],))


def _base64(draw: random.Random, length: int) -> str:
    encoded = base64.b64encode(draw.randbytes(length)).decode("ascii")
    return "\n".join(encoded[start : start + 76] for start in range(0, length, 76))


def _hex(draw: random.Random, length: int) -> str:
    rows = (draw.randbytes(16).hex(" ") for _ in range(length // 57 + 1))
    return "\n".join(f"{16 * number:08x}  {row}" for number, row in enumerate(rows))


def _minified(draw: random.Random, length: int) -> str:
    def name() -> str:
        return draw.choice("abcdefghijklmnopqrstuvwxyz") + draw.choice("abcdefxyz_$0123")

    def statement() -> str:
        one, two, three = name(), name(), name()
        return draw.choice(
            (
                f"var {one}={two}({three}[{draw.randrange(99)}]);",
                f"if({one}&&!{two}.{three}){{return {two}}}",
                f"{one}=function({two}){{{three}({two}+{draw.randrange(999)})}};",
                f"for(;{one}<{two}.length;{one}++){{{three}[{one}]={two}[{one}]^{name()}}}",
            )
        )

    return "".join(statement() for _ in range(length // 16 + 1))


def _symbols(draw: random.Random, length: int) -> str:
    return "".join(chr(draw.randrange(33, 127)) for _ in range(length))


def _unicode(draw: random.Random, length: int) -> str:
    planes: Sequence[range] = (
        range(0x00A1, 0x0250),
        range(0x0390, 0x0450),
        range(0x05D0, 0x05EA),
        range(0x0905, 0x0939),
        range(0x2190, 0x2300),
        range(0x4E00, 0x5E00),
        range(0x1F300, 0x1F600),
    )
    return "".join(chr(draw.choice(draw.choice(planes))) for _ in range(length // 3))


def _log(draw: random.Random, length: int) -> str:
    def line(number: int) -> str:
        return (
            f"2031-03-09T04:{number % 60:02d}:{draw.randrange(60):02d}Z app-{draw.randrange(1, 5)} "
            f"{draw.choice(('orders', 'billing', 'search'))}: "
            f"{draw.choice(('INFO', 'INFO', 'INFO', 'WARN'))} "
            f"request {draw.randrange(10**6):06d} done in {draw.randrange(4, 900)} ms\n"
        )

    return "".join(line(number) for number in range(length // 60 + 1))


_GENERATORS: dict[str, Callable[[random.Random, int], str]] = {
    "base64": _base64,
    "hex dump": _hex,
    "minified code": _minified,
    "symbols": _symbols,
    "random unicode": _unicode,
    "log": _log,
}
