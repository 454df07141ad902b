"""Where training text comes from: files, folders, and the running Python's own documentation.

Text is read in bounded pieces, so that a corpus of any size fits in memory. What is left out is
never silent: each skipped file becomes a `Notice`. Reading only: the token buffer is written by
`ttt.store`.
"""

import ast
import os
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from pydoc_data import topics

from ttt.errors import InputError

STDLIB = "stdlib"
"""The corpus name that stands for the documentation of the running Python."""
TEXT_SUFFIXES = (".txt", ".md", ".text", ".tex", ".rst")
PIECE_CHARACTERS = 1 << 20
"""Size of one piece; own, because at 1 MiB the cost of a piece is negligible beside encoding it."""

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_STDLIB_SKIPPED = ("site-packages", "test", "tests", "idle_test", "__pycache__", "pydoc_data")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that was left out of a corpus, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One text with a name; a file, or one module's documentation."""

    name: str
    pieces: Iterable[str]
    """The text in order, each piece at most about `PIECE_CHARACTERS` long; may be read once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Everything one training run reads.

    `notices` fills while `documents` runs.
    """

    names: tuple[str, ...] = ()
    """Files, or the word `stdlib`."""
    folders: tuple[str, ...] = ()
    """Folders that are searched for `TEXT_SUFFIXES`, hidden ones left out."""
    notices: list[Notice] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not (self.names or self.folders):
            raise InputError("No corpus was named; give --corpus FILE.., --corpus_dir DIR.. or "
                             f"--corpus {STDLIB}.")  # fmt: skip

    def documents(self) -> Iterator[Document]:
        """Every document, in a fixed order.

        Raises:
            InputError: A file or folder that was named cannot be read.
        """
        self.notices.clear()
        for name in self.names:
            if name == STDLIB:
                yield from stdlib_documents()
            elif (reason := unreadable(Path(name))) is not None:
                raise InputError(f"Cannot use {name} as a corpus: {reason}.")
            else:
                yield Document(name=name, pieces=_pieces(Path(name)))
        for folder in self.folders:
            if not Path(folder).is_dir():
                raise InputError(f"The corpus folder {folder} is not a folder that exists.")
            for path in self._files_below(Path(folder)):
                yield Document(name=str(path), pieces=_pieces(path))

    def _files_below(self, folder: Path) -> Iterator[Path]:
        for where, folders, files in os.walk(folder):
            hidden = sorted(name for name in folders if name.startswith("."))
            self.notices.extend(_notice(Path(where, name), "hidden folder") for name in hidden)
            folders[:] = sorted(set(folders) - set(hidden))
            for name in sorted(files):
                path = Path(where, name)
                if path.suffix.lower() not in TEXT_SUFFIXES:
                    continue
                reason = unreadable(path)
                if reason is None:
                    yield path
                else:
                    self.notices.append(_notice(path, reason))


def unreadable(path: Path) -> str | None:
    """Why a file cannot serve as text, or None if it can."""
    try:
        with path.open("rb") as file:
            head = file.read(8192)
        if head.startswith(_LFS_POINTER):
            return "it is a Git LFS pointer, not the text; run `git lfs pull` first"
        if b"\0" in head:
            return "it is binary (it holds a zero byte)"
        for _ in _pieces(path):
            pass
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 (byte {error.start} of a piece)"
    return None


def stdlib_documents(folder: Path | None = None) -> Iterator[Document]:
    """The language reference and every module's documentation strings, sorted by path.

    Args:
        folder: A library folder; None is the running Python's.
    """
    yield Document(
        name=f"{STDLIB}/topics",
        pieces=[f"{topics.topics[name].strip()}\n\n" for name in sorted(topics.topics)],
    )
    folder = folder or Path(sysconfig.get_path("stdlib"))
    for path in sorted(folder.rglob("*.py")):
        inside = path.relative_to(folder)
        if any(part in _STDLIB_SKIPPED for part in inside.parts):
            continue
        text = docstrings(path.read_bytes())
        if text:
            yield Document(name=f"{STDLIB}/{inside.as_posix()}", pieces=[text])


def docstrings(source: bytes) -> str:
    """All documentation strings of a Python file, in order; empty if it does not parse."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ""
    found = [node for node in ast.walk(tree) if isinstance(node, _DOCUMENTED)]
    found.sort(key=lambda node: getattr(node, "lineno", 0))
    text = "".join(f"{doc.strip()}\n\n" for node in found if (doc := ast.get_docstring(node)))
    # An escape in a string may name half of a surrogate pair, which is no text.
    return text.encode("utf-8", "replace").decode("utf-8")


def text_of(documents: Iterable[Document]) -> Iterator[str]:
    """All pieces of all documents."""
    for document in documents:
        yield from document.pieces


def _pieces(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as file:
        while piece := file.read(PIECE_CHARACTERS):
            yield piece + file.readline(PIECE_CHARACTERS)


def _notice(path: Path, reason: str) -> Notice:
    return Notice(path=str(path), reason=reason)
