"""Weights as `.pt` files: out for other programs, in as the first commit of a new session.

    plastic_state.pt   the weights that learn, by name without `plastic.`
    optim_state.pt     the update rule's memory, by name without `optim.`
    meta.json          which commit of which session they were, and of which model

Weights are not a session: its past, its inputs and what the next step depends on besides are not in
these files, and an import takes the last of them from a state that the caller names.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ttt.branching.arrays import PLASTIC
from ttt.branching.fork import inherited
from ttt.errors import InputError, NotFoundError, SignatureMismatchError
from ttt.lib import strict_json
from ttt.sandbox.pt_reading import read_pt
from ttt.store import tensor_files
from ttt.store.blobs import read_blob
from ttt.store.domains import Domain
from ttt.store.exports import write_output_folder
from ttt.store.pt_files import FILE_BYTES_MAX, encode_pt
from ttt.store.sessions import Draft, Session, create_session
from ttt.store.tensor_files import TensorSpec

OPTIM: Final = "optim."
META: Final = "meta.json"
META_BYTES_MAX: Final = 1 << 16
FORMAT: Final = "ttt-weights"
VERSION: Final = 1
ZIP: Final = b"PK\x03\x04"


@dataclass(frozen=True, slots=True, kw_only=True)
class Like:
    """What weights alone do not say: a state of the same model, and what its session records."""

    state: bytes
    """Its `plastic.*` say which weights there must be; the rest of it the new session begins with,
    unless the memory was exported too and is of the same shapes."""
    event: Mapping[str, object]
    """`model_signature`, `base_ckpt_hash` and the domain's settings, as commit 0 holds them."""


def like_session(session: Session) -> Like:
    """Take all but the weights from a session's first commit, where the rule's memory is fresh.

    Raises:
        MissingBlobError: That state was pruned.
        CorruptArtifactError: It is damaged.
    """
    state = read_blob(session.root, session.origin.blob)
    return Like(state=state, event=inherited(session))


def is_pt(path: Path) -> bool:
    """Whether a path names weights rather than a bundle: a folder, a `.pt` file or a zip.

    Raises:
        InputError: It cannot be read.
    """
    return path.is_dir() or (
        path.is_file() and (path.suffix == ".pt" or _head(path, len(ZIP)) == ZIP)
    )


def export_pt(session: Session, out: Path) -> None:
    """Write the newest weights and the rule's memory to a new folder.

    Raises:
        ConfigError: Something stands there already, or its folder is missing.
        StorageError: The disk refused; nothing was written.
    """
    where = f"the newest state of {session.session_id}"
    tensors = tensor_files.decode(read_blob(session.root, session.head.blob), where=where)
    weights, memory = _file_names(session.domain)
    meta = {
        "format": FORMAT,
        "version": VERSION,
        "domain": session.domain.name,
        "session_id": session.session_id,
        "n": session.head.n,
        "commit": session.head.sum,
        "model_signature": session.model_signature,
        "base_ckpt_hash": session.base_ckpt_hash,
    }
    files = {META: strict_json.dumps(meta)}
    for name, prefix in ((weights, PLASTIC), (memory, OPTIM)):
        files[name] = encode_pt(
            {k.removeprefix(prefix): x for k, x in tensors.items() if k.startswith(prefix)}
        )
    write_output_folder(out, files)


def import_pt(root: Path, domain: Domain, path: Path, session_id: str, *, like: Like) -> Session:
    """Start a session with the weights of a `.pt` file.

    Args:
        root: The artifact tree.
        domain: The session's family.
        path: The file of the weights, or a folder that `export_pt` wrote.
        session_id: The new session's name.
        like: Everything else.

    Raises:
        As `transfer.import_session`.
    """
    weights_name, memory_name = _file_names(domain)
    weights_path = path / weights_name if path.is_dir() else path
    if not weights_path.is_file():
        raise NotFoundError("file", str(weights_path), "Give weights that export --pt wrote.")
    if path.is_dir():
        _check_meta(path / META, domain, like)
    wanted = tensor_files.read_header(like.state, where="the state to go by")
    tensors = tensor_files.decode(like.state, where="the state to go by")
    weights = _opened(weights_path)
    found = tensor_files.decode(weights, where=str(weights_path), expected=_part(wanted, PLASTIC))
    tensors.update({PLASTIC + name: tensor for name, tensor in found.items()})
    memory_path = path / memory_name
    memory = _opened(memory_path) if memory_path.is_file() else b""
    fits = bool(memory) and (
        tensor_files.read_header(memory, where=str(memory_path)) == _part(wanted, OPTIM)
    )
    if fits:
        found = tensor_files.decode(memory, where=str(memory_path))
        tensors.update({OPTIM + name: tensor for name, tensor in found.items()})
    event = {
        **like.event,
        "type": "import",
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "optimizer": "imported" if fits else "reset",
    }
    draft = Draft(state=tensor_files.encode(tensors), event=event)
    return create_session(root, domain, session_id, draft=draft)


def _file_names(domain: Domain) -> tuple[str, str]:
    """The names of the views that hold the same, as `.pt`."""
    weights, memory = (Path(name) for name in (domain.weights_view, domain.optimizer_view))
    return weights.with_suffix(".pt").name, memory.with_suffix(".pt").name


def _part(specs: Mapping[str, TensorSpec], prefix: str) -> dict[str, TensorSpec]:
    return {k.removeprefix(prefix): x for k, x in specs.items() if k.startswith(prefix)}


def _check_meta(path: Path, domain: Domain, like: Like) -> None:
    """Refuse weights that say they are another model's; a folder need not say anything."""
    if not path.is_file():
        return
    try:
        meta = strict_json.loads(_read(path, META_BYTES_MAX))
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}; remove it to import regardless.") from error
    if not isinstance(meta, dict) or meta.get("domain") != domain.name:
        raise InputError(f"{path} does not say that this is a {domain.name} session's.")
    wanted = like.event.get("model_signature")
    if meta.get("model_signature") != wanted:
        raise SignatureMismatchError(
            f"{path}: these weights belong to the model {str(meta.get('model_signature'))[:12]}, "
            f"not to {str(wanted)[:12]}."
        )


def _opened(path: Path) -> bytes:
    """A `.pt` file as safetensors."""
    return read_pt(_read(path, FILE_BYTES_MAX), where=str(path))


def _read(path: Path, bytes_max: int) -> bytes:
    data = _head(path, bytes_max + 1)
    if len(data) > bytes_max:
        raise InputError(f"{path} is larger than the {bytes_max} bytes it may have.")
    return data


def _head(path: Path, count: int) -> bytes:
    """The first bytes of a file, at most `count`."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
