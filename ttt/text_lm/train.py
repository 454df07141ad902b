"""Train a text model: `python -m ttt.text_lm.train`, `ttt train`, and the same from Python.

Corpus -> tokenizer -> token buffer -> training loop (`fit.py`) -> saved model with its held-out
losses and its Fisher factors. A run is given by its options: the same ones give the same weights on
the same machine, versions and thread count.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ttt.core.tokens import BytePairs
from ttt.errors import ConfigError
from ttt.lib.flags import parse, run_command
from ttt.text_lm.corpus import STDLIB, Corpus, text_of
from ttt.text_lm.tokenizer import read_tokenizer, train_tokenizer
from ttt.text_lm.train_options import Progress, Status, TrainOptions, TrainResult


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Train a model and say what came out."""
    options = parse(TrainOptions, argv, prog="ttt train", description=__doc__ or "")
    from ttt.lib.terminal import log_console, print_line, print_table, progress, result_console

    console = log_console()
    with progress("training", options.steps, console=console) as advance:

        def show(status: Status, done: int, total: int, note: str) -> None:
            if status != "running":
                print_line(console, status.replace("_", " "))
            elif console.is_terminal:
                advance(note=note)
            elif done % options.log_every == 0 or done == total:
                print_line(console, f"step {done} of {total}: {note}")

        result = train(options, root=options.artifacts_root, progress=show)
    plain = asdict(result) | {"folder": str(result.folder)}
    if options.json_output:
        sys.stdout.write(json.dumps(plain) + "\n")
        return 0
    for notice in result.notices:
        print_line(console, f"left out {notice.path}: {notice.reason}")
    rows = [row for row in plain.items() if row[0] not in ("held_out", "notices")]
    print_table(result_console(), ("figure", "value"), [*rows, *result.held_out.items()])
    return 0


def train(config: TrainOptions, *, root: Path, progress: Progress) -> TrainResult:
    """Train a model and save it.

    Args:
        config: Everything that decides what comes out.
        root: The artifact tree; created if missing.
        progress: Told how far the training is; it may raise to stop it.

    Raises:
        ConfigError: The model id is taken, or an option cannot be used here.
        InputError: The corpus cannot be read, or is too small.
        TrainingDivergedError: The loss stopped being finite; weights saved before it remain.
        StorageError: The disk refused.
    """
    _refuse_taken(root, config.model_id)
    names = config.corpus or (() if config.corpus_dir else (STDLIB,))
    corpus = Corpus(names=names, folders=config.corpus_dir)
    progress("tokenizing", 0, config.steps, "")
    encoder = _encoder(config, corpus)
    # Here, because it imports torch and a wrong option should be told at once.
    from ttt.text_lm.training import train_model

    result = train_model(config, corpus, encoder, root=root, progress=progress)
    progress("completed", config.steps, config.steps, "")
    return result


def _refuse_taken(root: Path, model_id: str) -> None:
    from ttt.store import layout

    if layout.text_model(root, model_id).exists():
        raise ConfigError(f"A text model named {model_id!r} exists already; choose another id.")
    if layout.text_training(root, model_id).exists():
        raise ConfigError(
            f"A training named {model_id!r} broke off, and its log and weights are kept; choose "
            "another id."
        )


def _encoder(config: TrainOptions, corpus: Corpus) -> BytePairs:
    if config.tokenizer:
        return read_tokenizer(config.tokenizer)
    return train_tokenizer(
        text_of(corpus.documents()),
        vocab_size=config.vocab_size,
        lines_max=config.tokenizer_max_lines,
    )


if __name__ == "__main__":
    sys.exit(main())
