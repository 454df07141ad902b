"""What a page of the docs says, in parts: fenced blocks, code spans, links, commands."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("python ", "ttt ", "make ", "./")
_FENCE = re.compile(r"^```(.*)$")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block."""

    tag: str
    """What stands behind the opening fence: `bash tested`."""
    text: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page."""

    path: Path
    text: str
    blocks: tuple[Block, ...]
    prose: str
    """The text without its blocks."""

    @property
    def name(self) -> str:
        """Its path from the root of the project."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def spans(self) -> list[str]:
        """Every code span outside of blocks; `\\|` of tables is a plain bar."""
        return [span.replace(r"\|", "|") for span in _SPAN.findall(self.prose)]

    @property
    def links(self) -> list[str]:
        """The target of every link and picture."""
        return _LINK.findall(_SPAN.sub("", self.prose))

    @property
    def anchors(self) -> set[str]:
        """What a link can name behind `#`, as the usual renderers make it from headings."""
        titles = _HEADING.findall(self.prose)
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}

    def commands(self) -> Iterator[list[str]]:
        """Every command that is named, in words, without variables, comments and redirections."""
        lines = [line for block in self.blocks for line in _joined(block)]
        for line in [*lines, *self.spans]:
            for part in line.removeprefix("$ ").split(" | "):
                command = re.sub(r"^(?:[A-Z_]+=\S* )+", "", part.strip())
                if command.startswith(PROGRAMS) and "…" not in command:
                    yield _words(command)


def read_page(path: Path) -> Page:
    """Take a page apart."""
    blocks, prose, tag = [], [], None
    inside: list[str] = []
    text = path.read_text("utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and tag is None:
            tag, inside = fence.group(1).strip(), []
        elif fence and tag is not None:
            where = f"{path.name}:{number - len(inside) - 1}"
            blocks.append(Block(tag=tag, text="\n".join(inside) + "\n", where=where))
            tag = None
        else:
            (prose if tag is None else inside).append(line)
    assert tag is None, f"{path} has a block that is never closed"
    return Page(path=path, text=text, blocks=tuple(blocks), prose="\n".join(prose))


def all_pages() -> list[Page]:
    """README and everything below docs/."""
    return [read_page(p) for p in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))]


def _joined(block: Block) -> list[str]:
    if block.tag.startswith("python"):
        return []
    return block.text.replace("\\\n", " ").splitlines()


def _words(command: str) -> list[str]:
    words = shlex.split(command, comments=True)
    ends = [i for i, word in enumerate(words) if word in (">", "<", "&&", "||", "2>")]
    return words[: min(ends, default=len(words))]
