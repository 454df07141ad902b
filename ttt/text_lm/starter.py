"""Train the starter models that the project carries: `make starter`.

One tokenizer and one model for each backbone, from the documentation of the running Python and
public-domain books. The books are read from the folder that `TTT_DATA_DIR` names and are never part
of the project: only weights, digests and figures are written.
"""

import dataclasses
import hashlib
import math
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pydantic import Field

from ttt.errors import InputError
from ttt.lib import strict_json
from ttt.lib.flags import CommandOptions, parse, run_command
from ttt.lib.terminal import log_console, print_line
from ttt.text_lm.starter_report import starter_report

BOOKS: Mapping[str, float] = {
    "prose/War-and-Peace.txt": 1.0,
    "prose/Middlemarch.txt": 1.0,
    "prose/A-Tale-of-Two-Cities.txt": 1.0,
    "prose/tinyshakespeare.txt": 0.9,
    "prose/us_inaugural.txt": 0.7,
    "multilingual/es_don_quijote_part1.txt": 0.5,
}
"""Each book and the share of it, from its start, that is read. The rest, and every other text of
the folder, stays unseen: defaults are tuned and figures are measured there."""
VOCAB_SIZE = 4096


class StarterOptions(CommandOptions):
    """Train the starter models that ship as package data."""

    data_dir: Path
    """Folder of public-domain books; TTT_DATA_DIR names it too."""
    out: Path = Path("ttt/data/starter")
    """Where the models are written; the folder must exist."""
    report: Path = Path("docs/starter-models.md")
    """Where the page about them is written."""
    steps_scale: float = Field(default=1.0, gt=0, le=100)
    """Multiplies the steps of each recipe, for a quick trial."""
    workers: int = Field(default=2, ge=1, le=2)
    """Models trained at the same time, one thread each."""


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Train both models and write them with their record."""
    options = parse(
        StarterOptions, argv, prog="python -m ttt.text_lm.starter", description=__doc__ or ""
    )
    from ttt.store.exports import check_output, write_output

    check_output(options.out / "starter.json")
    check_output(options.report)
    texts = read_texts(options.data_dir)
    contents, models = train_all(texts, steps_scale=options.steps_scale, workers=options.workers)
    record = make_record(texts, contents, models)
    contents["starter.json"] = strict_json.dumps(record)
    for name, data in contents.items():
        write_output(options.out / name, data)
    write_output(options.report, starter_report(record).encode())
    print_line(log_console(), f"wrote {', '.join(contents)} to {options.out}")
    return 0


def read_texts(data_dir: Path) -> dict[str, str]:
    """Every text that the models are trained on, by name; the documentation is called `stdlib`.

    Raises:
        InputError: A book is missing.
    """
    from ttt.text_lm.corpus import STDLIB, stdlib_documents, text_of

    texts = {}
    for name, share in BOOKS.items():
        try:
            book = (data_dir / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"Cannot read the book {data_dir / name}: {error}.") from error
        texts[name] = book[: int(share * len(book))]
    texts[STDLIB] = "".join(text_of(stdlib_documents()))
    return texts


def train_all(
    texts: Mapping[str, str], *, steps_scale: float = 1.0, workers: int = 1
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Train the tokenizer and every model, each in a process of its own.

    Args:
        texts: As `read_texts` gives them.
        steps_scale: Multiplies the steps of each recipe.
        workers: Processes at the same time.

    Returns:
        File contents by name, and each model's figures by backbone.
    """
    from ttt.text_lm.fit import FitConfig
    from ttt.text_lm.starter_training import Job, Recipe, train_starter
    from ttt.text_lm.tokenizer import train_tokenizer

    recipes = (
        Recipe(backbone="gru", layers=1, fit=FitConfig(steps=2400, lr=0.03)),
        Recipe(backbone="ssm", layers=4, fit=FitConfig(steps=1800, lr=0.03)),
    )
    tokenizer_json = train_tokenizer(texts.values(), vocab_size=VOCAB_SIZE).json
    jobs = []
    for recipe in recipes:
        steps = math.ceil(steps_scale * recipe.fit.steps)
        scaled = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, steps=steps))
        jobs.append(Job(recipe=scaled, texts=texts, tokenizer_json=tokenizer_json))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        trained = list(pool.map(train_starter, jobs))
    contents = {"tokenizer.json": tokenizer_json.encode()}
    contents |= {f"{one.backbone}.safetensors": one.weights for one in trained}
    return contents, {one.backbone: one.figures for one in trained}


def make_record(
    texts: Mapping[str, str], contents: Mapping[str, bytes], models: Mapping[str, Any]
) -> dict[str, Any]:
    """What `starter.json` says: digests of every file and text, and each model's figures."""
    from ttt.text_lm.batches import CARRIED_WINDOWS
    from ttt.text_lm.starter_training import STDLIB_SHARE

    return {
        "schema_version": 1,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
        "corpus": {
            name: {
                "bytes": len(text.encode()),
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
                "share_of_text": BOOKS.get(name, 1.0),
            }
            for name, text in texts.items()
        },
        "stdlib_share": STDLIB_SHARE,
        "carried_windows": CARRIED_WINDOWS,
        "models": dict(models),
    }


if __name__ == "__main__":
    sys.exit(main())
