"""`ttt tokenizer train | encode | decode`: a byte-level vocabulary from the command line."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import Field

from ttt.errors import ConfigError
from ttt.lib.flags import CommandOptions, Options, parse_command, run_command
from ttt.text_lm.corpus import STDLIB, Corpus, text_of
from ttt.text_lm.given_text import read_text
from ttt.text_lm.tokenizer import STARTER, read_tokenizer, train_tokenizer

TEXT_BYTES_MAX = 1 << 26
"""What `encode` reads at most; a corpus is encoded by `ttt train`."""


class TokenizerTrainOptions(CommandOptions):
    """Train a tokenizer on a corpus and write it to a file."""

    out: Path = Path("tokenizer.json")
    """File to write; one that is there is replaced."""
    corpus: tuple[str, ...] = ()
    """Text files, or `stdlib`: the documentation of the running Python, which is also what is read
    when no corpus is named at all."""
    corpus_dir: tuple[str, ...] = ()
    """Folders; their .txt .md .text .tex .rst files are read, hidden folders are not."""
    vocab_size: int = Field(default=4096, ge=260, le=1 << 20)
    """Number of ids wanted, special ones and bytes included."""
    tokenizer_max_lines: int | None = Field(default=None, ge=1)
    """Read so many lines of the corpus at most."""


class TokenizerEncodeOptions(CommandOptions):
    """Print the ids of a text, of a file or of what stands on stdin."""

    tokenizer: str = STARTER
    """A tokenizer.json, or `starter`."""
    text: str | None = None
    """The text itself."""
    file: Path | None = None
    """A UTF-8 file to read instead; without either, stdin is read."""


class TokenizerDecodeOptions(CommandOptions):
    """Print the text of ids."""

    tokenizer: str = STARTER
    """A tokenizer.json, or `starter`."""
    ids: tuple[int, ...]
    """Token ids; special ones are left out of the text."""


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the three sub-commands."""
    name, options = parse_command(
        {name: model for name, (model, _) in COMMANDS.items()},
        argv,
        prog="ttt tokenizer",
        description=__doc__ or "",
    )
    COMMANDS[name][1](options)
    return 0


def _train(options: TokenizerTrainOptions) -> None:
    from ttt.lib.terminal import log_console, print_line
    from ttt.store.exports import check_output, write_output

    check_output(options.out)
    names = options.corpus or (() if options.corpus_dir else (STDLIB,))
    corpus = Corpus(names=names, folders=options.corpus_dir)
    encoder = train_tokenizer(
        text_of(corpus.documents()),
        vocab_size=options.vocab_size,
        lines_max=options.tokenizer_max_lines,
    )
    write_output(options.out, encoder.json.encode())
    for notice in corpus.notices:
        print_line(log_console(), f"left out {notice.path}: {notice.reason}")
    if options.json_output:
        result = {"path": str(options.out), "vocab_size": encoder.vocab_size}
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        print_line(log_console(), f"wrote {encoder.vocab_size} ids to {options.out}")


def _encode(options: TokenizerEncodeOptions) -> None:
    encoder = read_tokenizer(options.tokenizer)
    ids = encoder.encode(_text(options))
    if options.json_output:
        sys.stdout.write(json.dumps({"ids": ids}) + "\n")
    else:
        sys.stdout.write(" ".join(map(str, ids)) + "\n")


def _decode(options: TokenizerDecodeOptions) -> None:
    encoder = read_tokenizer(options.tokenizer)
    wrong = [i for i in options.ids if not 0 <= i < encoder.vocab_size]
    if wrong:
        raise ConfigError(f"--ids must lie in 0..{encoder.vocab_size - 1}, not {wrong[0]}.")
    text = encoder.decode(list(options.ids))
    sys.stdout.write(json.dumps({"text": text}) + "\n" if options.json_output else text)


def _text(options: TokenizerEncodeOptions) -> str:
    if options.text is not None:
        return options.text
    return read_text(options.file, bytes_max=TEXT_BYTES_MAX, remedy="use ttt train")


COMMANDS: Mapping[str, tuple[type[Options], Callable[[Any], None]]] = MappingProxyType(
    {
        "train": (TokenizerTrainOptions, _train),
        "encode": (TokenizerEncodeOptions, _encode),
        "decode": (TokenizerDecodeOptions, _decode),
    }
)
"""Each sub-command's options and what it does."""


if __name__ == "__main__":
    sys.exit(main())
