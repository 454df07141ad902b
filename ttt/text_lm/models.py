"""What text models there are, what they are, how they differ, and which may go.

One list for everything that goes by a model's name: models of the artifact tree, damaged ones too,
trainings that have made none yet, and the models that the program carries. A model that something
stands on is not deleted. Covered: sessions, models made from it, a training at work. Not covered:
what other programs or other artifact trees made of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ttt.core.starter_files import starter_file, starter_record
from ttt.errors import ConfigError, CorruptArtifactError, NotFoundError
from ttt.store import models as saved
from ttt.store.domains import NANO, TEXT, Domain
from ttt.store.promotions import read_promotions, standing
from ttt.store.session_list import LIMIT, SessionSummary, list_sessions
from ttt.store.training_status import TrainingStatus, is_held, list_training_statuses

BUILT_IN, COMPLETED, DAMAGED = "built_in", "completed", "damaged"
STARTER = "starter-"
MODELS_MAX = 20
"""Models that are compared at once at most: a table of more columns is read by nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model as lists and pages show it."""

    model_id: str
    status: str
    """`built_in`, `damaged`, the phase of a training that has made no model yet, or what the model
    says of itself: `completed`, `sleep_candidate`, `promoted`, `rejected`."""
    parents: tuple[str, ...] = ()
    """Models it was made from."""
    config: Mapping[str, object]
    """Its sizes."""
    held_out: Mapping[str, object]
    """Losses on text it was not trained on: nats per token, bits per byte."""
    options: Mapping[str, object]
    """What it was trained with."""
    weights_bytes: int = 0
    weights_sha256: str = ""
    signature: str = ""
    """What sessions are bound to; computed from the weights by `show_model`, empty in lists."""
    created: str = ""
    """ISO 8601 in UTC; empty where nothing says."""
    note: str = ""
    """Why it is damaged, or how far its training is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Models side by side."""

    model_ids: tuple[str, ...]
    fields: Mapping[str, tuple[object, ...]]
    """Each field's values in the order of the models; None where a model has no such field."""
    alike: int
    """How many fields are the same in all and were left out."""


def list_models(root: Path) -> tuple[ModelInfo, ...]:
    """Everything that goes by a model's name: those of the tree by id, then the program's own.

    Args:
        root: The artifact tree; one that does not exist yet holds nothing.

    Raises:
        CorruptArtifactError: The tree has another format.
        StorageError: The disk refused.
    """
    decided = standing(read_promotions(root)).statuses
    found = {one.model_id: _of_summary(one, decided) for one in saved.list_models(root)}
    for training in list_training_statuses(root):
        found.setdefault(training.model_id, _of_training(training))
    return (*(found[name] for name in sorted(found)), *_built_in())


def show_model(root: Path, name: str) -> ModelInfo:
    """One model, every byte of it verified, with its signature.

    Args:
        root: The artifact tree.
        name: Its id, or `starter-gru` or `starter-ssm`.

    Raises:
        NotFoundError: There is no such model.
    """
    info = next((one for one in list_models(root) if one.model_id == name), None)
    if info is None:
        saved.read_model(root, name)  # It knows what to say of a name that is not there.
        raise NotFoundError("text model", name, "It went away a moment ago.")
    if info.status != BUILT_IN and not info.weights_sha256:
        return info
    try:
        return replace(info, signature=_signature(root, name))
    except CorruptArtifactError as error:
        return replace(info, status=DAMAGED, note=str(error))


def compare_models(root: Path, names: Sequence[str], *, everything: bool = False) -> Comparison:
    """Lay models side by side.

    Args:
        root: The artifact tree.
        names: At least two different ones.
        everything: Keep the fields that are the same in all.

    Raises:
        ConfigError: There is nothing to compare, or too much.
        NotFoundError: There is no such model.
    """
    distinct = tuple(dict.fromkeys(names))
    if not 2 <= len(distinct) <= MODELS_MAX:
        raise ConfigError(
            f"A comparison needs 2 to {MODELS_MAX} different models, not {len(distinct)}."
        )
    columns = [dict(flat(asdict(show_model(root, name)))) for name in distinct]
    every = dict.fromkeys(field for column in columns for field in column)
    rows = {field: tuple(column.get(field) for column in columns) for field in every}
    rows.pop("model_id")
    shown = {f: row for f, row in rows.items() if everything or any(one != row[0] for one in row)}
    return Comparison(model_ids=distinct, fields=shown, alike=len(rows) - len(shown))


def delete_model(root: Path, name: str) -> tuple[Path, ...]:
    """Remove a model, and what its training left, unless something depends on it.

    Returns:
        The folders that were removed.

    Raises:
        ConfigError: Something depends on it (the message says what), or it is the program's own.
        NotFoundError: There is no such model.
        StorageError: The disk refused.
    """
    if name in {one.model_id for one in _built_in()}:
        raise ConfigError(f"{name} belongs to the program and cannot be deleted.")
    return saved.remove_model(root, name, needed_by=lambda: dependents(root, name))


def dependents(root: Path, name: str) -> tuple[str, ...]:
    """What stands on a model, each as a clause; what cannot be told counts as standing on it.

    Args:
        root: The artifact tree.
        name: Its id.
    """
    models = saved.list_models(root)
    found = [f"the model {one.model_id} was made from it"
             for one in models if name in _parents(one.meta)]  # fmt: skip
    stands = standing(read_promotions(root))
    if name == stands.current:
        found.append("it is the current base")
    elif name in stands.earlier:
        found.append("a rollback of the current base would go back to it")
    if is_held(root, name):
        found.append("a training of that name is at work")
    own = next((one for one in models if one.model_id == name), None)
    if own is None:
        return tuple(found)
    identity = _identity(root, own)
    for domain in (TEXT, NANO):
        found += [
            f"the {domain.name} session {one.session_id} {why}"
            for one in _every_session(root, domain)
            if (why := _stands_on(one, identity(), certain=domain is NANO))
        ]
    return tuple(found)


def _identity(root: Path, own: saved.ModelSummary) -> Callable[[], frozenset[str]]:
    """What a session may call the model it stands on; computed at most once, and only if asked."""
    known: list[frozenset[str]] = []

    def names() -> frozenset[str]:
        if not known:
            try:
                found = {own.weights_sha256, _signature(root, own.model_id)}
            except CorruptArtifactError:
                found = set()
            known.append(frozenset(found))
        return known[0]

    return names


def _stands_on(session: SessionSummary, identity: frozenset[str], *, certain: bool) -> str:
    """Why a session counts as standing on a model of these names; empty if it does not."""
    if identity & {session.model_signature, session.base_ckpt_hash}:
        return "stands on it"
    if certain:
        return ""
    if not identity:
        return "may stand on it: the model is damaged, so nobody can tell"
    return "" if session.model_signature else "may stand on it: the session cannot be read"


def _every_session(root: Path, domain: Domain) -> Iterator[SessionSummary]:
    offset = 0
    while page := list_sessions(root, domain, offset=offset):
        yield from page
        offset += LIMIT


def _signature(root: Path, name: str) -> str:
    """Read the whole model, and sign it."""
    # Here, because they import torch, and most of what is done with models does not need it.
    from ttt.core.model import signature
    from ttt.monitors.setup import named_base

    return signature(named_base(root, name).model)


def _of_summary(one: saved.ModelSummary, decided: Mapping[str, str]) -> ModelInfo:
    status = decided.get(one.model_id) or str(one.meta.get("status", COMPLETED))
    return ModelInfo(
        model_id=one.model_id,
        status=DAMAGED if one.damage else status,
        parents=_parents(one.meta),
        config=one.config,
        held_out=_mapping(one.meta.get("held_out")),
        options=_mapping(one.meta.get("options")),
        weights_bytes=one.weights_bytes,
        weights_sha256=one.weights_sha256,
        created=one.created,
        note=one.damage,
    )


def _of_training(one: TrainingStatus) -> ModelInfo:
    far = f"step {one.step} of {one.steps}"
    return ModelInfo(
        model_id=one.model_id,
        status=one.status,
        config={},
        held_out={},
        options={},
        note=f"{far}; {one.message}" if one.message else far,
    )


def _built_in() -> tuple[ModelInfo, ...]:
    """The models of the package; none where it was installed without them."""
    try:
        record = starter_record()
    except NotFoundError:
        return ()
    return tuple(
        ModelInfo(
            model_id=f"{STARTER}{backbone}",
            status=BUILT_IN,
            config=_mapping(model.get("config")),
            held_out=_mapping(model.get("held_out")),
            options={},
            weights_bytes=len(starter_file(f"{backbone}.safetensors")),
            weights_sha256=record["files"][f"{backbone}.safetensors"],
        )
        for backbone, model in record["models"].items()
    )


def _parents(meta: Mapping[str, object]) -> tuple[str, ...]:
    given = meta.get("parents")
    return tuple(str(one) for one in given) if isinstance(given, list) else ()


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def flat(value: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The fields of a `ModelInfo` as a mapping; those within others are named with dots."""
    for name, one in value.items():
        if isinstance(one, Mapping):
            yield from flat(one, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", one
