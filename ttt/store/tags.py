"""Names for commits: `sessions/<id>/tags/<name>.json`, written once like the commits themselves.

A tag keeps the state of its commit from being pruned.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ttt.errors import ConfigError, CorruptArtifactError, StorageError
from ttt.store import _files, layout, locks, signed
from ttt.store.domains import Domain, session_folder
from ttt.store.sessions import Session, read_commit

SCHEMA_VERSION = 1
TAG_BYTES_MAX = 1 << 12
_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.json")


def put_tag(session: Session, name: str, n: int) -> None:
    """Name a commit, for good; giving the same name to the same commit again is no error.

    Args:
        session: The session.
        name: See `layout.check_id`; not `head` and not a number, which name commits already.
        n: The commit's number.

    Raises:
        ConfigError: The name cannot be used, or another commit has it.
        NotFoundError: There is no such commit.
        StorageError: The disk refused.
    """
    if layout.check_id("tag", name) == "head" or name.isdigit():
        raise ConfigError(f"The tag {name!r} would be read as a commit; choose another name.")
    commit = read_commit(session, n)
    root, folder = session.root, _folder(session.root, session.domain, session.session_id)
    path = folder / f"{name}.json"
    tag = {"session": session.session_id, "name": name, "n": n, "commit": commit.sum}
    with locks.shared(root):
        _files.make_folder(folder)
        if not os.path.lexists(path):
            data = signed.seal({"schema_version": SCHEMA_VERSION, **tag})
            try:
                _files.write_atomic(path, data, tmp=layout.prepare(root), once=True)
            except StorageError as error:
                if not isinstance(error.__cause__, FileExistsError):
                    raise  # Somebody who was quicker is the business of the next lines.
        if _read(path, session.session_id) != n:
            raise ConfigError(f"The tag {name!r} is taken, and tags stay; choose another name.")
        with _files.storage_errors("write", path):
            _files.sync_folder(folder)


def read_tags(session: Session) -> Mapping[str, int]:
    """The numbers of a session's tagged commits by name, sorted by name.

    Raises:
        CorruptArtifactError: A tag is damaged.
        StorageError: The disk refused.
    """
    return tags_of(session.root, session.domain, session.session_id)


def tags_of(root: Path, domain: Domain, session_id: str) -> Mapping[str, int]:
    """As `read_tags`, for a session that was not opened.

    Raises:
        CorruptArtifactError: A tag is damaged.
        StorageError: The disk refused.
    """
    folder = _folder(root, domain, session_id)
    names = sorted(one for one in _files.names_in(folder) if _FILE_NAME.fullmatch(one))
    return {name.removesuffix(".json"): _read(folder / name, session_id) for name in names}


def _folder(root: Path, domain: Domain, session_id: str) -> Path:
    return session_folder(root, domain, session_id) / "tags"


def _read(path: Path, session_id: str) -> int:
    """The number that a tag names."""
    try:
        tag = signed.unseal(_files.read_file(path, bytes_max=TAG_BYTES_MAX))
        found = tag["session"], f"{tag['name']}.json", type(tag["n"])
    except (FileNotFoundError, ValueError, KeyError, ConfigError) as error:
        raise CorruptArtifactError(f"{path} is damaged ({error}); move it away.") from error
    if found != (session_id, path.name, int):
        raise CorruptArtifactError(f"{path} is the tag of something else; move it away.")
    return int(tag["n"])
