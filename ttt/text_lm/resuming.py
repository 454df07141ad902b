"""Which options a training runs with: those of this call, or those it was begun with.

A training that goes on is the same training. What decides its weights stands in its request and may
not be given otherwise; `lr` may, because a lower one is the remedy for a loss that exploded, and so
may what decides nothing but intervals and place. Whether a name is free is decided here too.
"""

from pathlib import Path

from ttt.errors import ConfigError
from ttt.store import layout
from ttt.store.models import RESERVED
from ttt.store.trainings import read_request, read_sources, save_request
from ttt.text_lm.train_options import TrainOptions

MAY_CHANGE = frozenset(
    "lr device log_every val_every save_every compile".split()
    + [name for name, field in TrainOptions.model_fields.items() if field.exclude]
)
"""Options of a resumed training that may differ from what it was begun with."""


def check_name(config: TrainOptions, root: Path) -> None:
    """Refuse a name that this call may not use; nothing is written.

    Raises:
        ConfigError: The name is taken, or no name.
        CorruptArtifactError: What a training of that name reads is damaged.
    """
    if config.model_id in RESERVED:
        raise ConfigError(f"{config.model_id!r} always means a certain base; choose another id.")
    folder = layout.text_model(root, config.model_id)
    if folder.exists():
        raise ConfigError(
            f"The training {config.model_id!r} is finished; its model is in {folder}."
            if config.resume
            else f"A text model named {config.model_id!r} exists already; choose another id."
        )
    if not config.resume and read_sources(root, config.model_id) is not None:
        raise ConfigError(
            f"A training named {config.model_id!r} broke off, and its state is kept; go on with "
            f"--resume --model_id {config.model_id}, or choose another id."
        )


def settled_options(config: TrainOptions, root: Path) -> TrainOptions:
    """The options to train with, saved as the training's request.

    Raises:
        ConfigError: The name is taken, or an option differs from that of the training to go on
            with.
        CorruptArtifactError: Its request is damaged.
        StorageError: The disk refused.
    """
    check_name(config, root)
    begun = read_request(root, config.model_id) if config.resume else None
    settled = config if begun is None else _resumed(TrainOptions.model_validate(begun), config)
    save_request(root, config.model_id, settled.model_dump(mode="json"))
    return settled


def _resumed(begun: TrainOptions, config: TrainOptions) -> TrainOptions:
    """The options that the training was begun with, changed where this call may change them."""
    given = {name: getattr(config, name) for name in config.model_fields_set}
    wrong = [
        f"--{name} {_shown(value)} instead of {_shown(getattr(begun, name))}"
        for name, value in sorted(given.items())
        if name not in MAY_CHANGE and value != getattr(begun, name)
    ]
    if wrong:
        raise ConfigError(
            f"The training {config.model_id!r} was begun otherwise ({'; '.join(wrong)}); leave "
            "these out, or choose another --model_id."
        )
    changed = {name: value for name, value in given.items() if name in MAY_CHANGE}
    return begun.model_copy(update=changed)


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
