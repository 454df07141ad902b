"""Train a text model: `python -m ttt.text_lm.train`, `ttt train`, and the same from Python.

Corpus -> tokenizer -> token buffer -> training loop (`fit.py`) -> saved model with its held-out
losses and its Fisher factors. A run is given by its options: the same ones give the same weights on
the same machine, versions and thread count, whether or not it was interrupted and resumed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ttt.errors import TrainingStoppedError
from ttt.lib.entry import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_OK
from ttt.lib.flags import parse, run_command
from ttt.store.training_status import claim_training, request_cancel
from ttt.store.trainings import read_request, read_sources
from ttt.text_lm.resuming import check_name, settled_options
from ttt.text_lm.train_options import Progress, TrainOptions, TrainResult
from ttt.text_lm.training_phases import told_phases


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Train a model and say what came out."""
    options = parse(TrainOptions, argv, prog="ttt train", description=__doc__ or "")
    from ttt.store.exports import check_output
    from ttt.text_lm.train_report import Watcher, draw_curve, show_result, tell

    root = options.artifacts_root
    if options.cancel:
        request_cancel(root, options.cancel)
        tell(f"asked the training {options.cancel!r} to stop; it saves its state first")
        return EXIT_OK
    if options.plot is not None:
        check_output(options.plot)
    try:
        with Watcher(options) as watcher:
            result = train(options, root=root, progress=watcher.show)
    except TrainingStoppedError as stop:
        draw_curve(options)
        tell(str(stop))
        return EXIT_INTERRUPTED if stop.status == "interrupted" else EXIT_FAILURE
    if result is not None:  # None in all processes of a group but the first.
        draw_curve(options)
        show_result(result, as_json=options.json_output)
    return EXIT_OK


def train(config: TrainOptions, *, root: Path, progress: Progress) -> TrainResult | None:
    """Train a model and save it, alone or as one of the processes that `torchrun` started.

    Args:
        config: Everything that decides what comes out.
        root: The artifact tree; created if missing.
        progress: Told how far the training is; it may raise to stop it.

    Returns:
        What was made; None in all processes of a group but the first.

    Raises:
        ConfigError: The model id is taken, or an option cannot be used here.
        InputError: The corpus cannot be read, or is too small.
        TrainingDivergedError: The loss stopped being finite; states saved before it remain.
        TrainingStoppedError: Somebody asked to stop; what was saved can be resumed.
        StorageError: The disk refused; what was saved can be resumed.
    """
    check_name(config, root)
    # Here, because it imports torch and a name that is taken should be told at once.
    from ttt.text_lm.parallel import Group, joined
    from ttt.text_lm.sources import prepared_sources
    from ttt.text_lm.training import check_options, train_model

    def lead(group: Group) -> TrainResult | None:
        with (
            claim_training(root, config.model_id),
            told_phases(config, root=root, progress=progress) as tell,
        ):
            settled = settled_options(config, root)
            check_options(settled, group)
            sources = prepared_sources(settled, root=root, progress=tell)
            group.wait()
            result = train_model(settled, sources, root=root, progress=tell, group=group)
            tell("completed", settled.steps, settled.steps, "")
            return result

    def follow(group: Group) -> None:
        group.wait()
        settled = TrainOptions.model_validate(read_request(root, config.model_id))
        sources = read_sources(root, config.model_id)
        assert sources is not None, "the first process saved them before it waited"
        train_model(settled, sources, root=root, progress=progress, group=group)

    with joined(sharded=config.fsdp) as group:
        if group.first:
            return lead(group)
        follow(group)
        return None


if __name__ == "__main__":
    sys.exit(main())
