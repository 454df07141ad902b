"""Commits: numbered JSON files that are written once, each naming the digest of the one before.

`commits/00000012.json` says which blob was the state after what event. It holds the digest of
itself, and it belongs to one session: under another name or number it is damage. Nothing here
writes; `sessions.py` does.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ttt.errors import ConfigError, CorruptArtifactError
from ttt.lib import strict_json
from ttt.store import _files, layout, signed
from ttt.store.blobs import BlobRef
from ttt.store.domains import Domain, commits_folder

SCHEMA_VERSION = 1
COMMIT_BYTES_MAX = 1 << 20
NUMBER_MAX = 10**8 - 1
FIELDS = 16
"""Keys of a commit's file: none is left out, none may be added."""
_FILE_NAME = re.compile(r"[0-9]{8}\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which commit of which session."""

    session_id: str
    n: int
    """Its number, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit."""

    domain: str
    """Name of the domain of its session."""
    session_id: str
    n: int
    """Its number in its session, from 0."""
    prev: str
    """SHA-256 of the file of the commit before, hexadecimal; empty in commit 0."""
    blob: BlobRef
    """The whole state after it: weights, the rule's memory, and all else the next step needs."""
    input: BlobRef | None
    """What was learned from, or tried to; None where there was no input."""
    parent: Place | None
    """Where a fork's state comes from; in commit 0 only."""
    root_session_id: str
    """The session at the root of the family."""
    event: Mapping[str, object]
    """What happened; its `type` is text, all else is the domain's."""
    time: str
    """When, in UTC, as ISO 8601."""
    writer: str
    """Which program and process wrote it."""
    request_id: str
    """Who asks again with the same one is answered with this commit; may be empty."""
    sum: str = ""
    """SHA-256 of all of the above, hexadecimal."""
    digest: str = ""
    """SHA-256 of its file, hexadecimal: the `prev` of the next commit."""

    @property
    def kind(self) -> str:
        """What happened, in a word: the event's `type`."""
        return str(self.event["type"])


def utc_now() -> datetime:
    """The time of day that commits are stamped with."""
    return datetime.now(UTC)


def commit_path(folder: Path, n: int) -> Path:
    """Where commit `n` of a folder of commits stands."""
    return folder / _name(n)


def seal(commit: Commit) -> tuple[Commit, bytes]:
    """The commit with its digests, and the bytes of its file.

    Raises:
        ConfigError: Its event is no JSON, or too long.
    """
    plain = _plain(commit)
    total = signed.digest_of(plain)
    data = strict_json.dumps({**plain, signed.SUM: total}, indent=None)
    if len(data) > COMMIT_BYTES_MAX:
        raise ConfigError(
            f"A commit of {len(data)} bytes is too long; {COMMIT_BYTES_MAX} is the most. Keep "
            "long things in the state or in a run."
        )
    digest = hashlib.sha256(data).hexdigest()
    return replace(commit, sum=total, digest=digest), data


def numbers(folder: Path) -> list[int]:
    """The numbers of all commits in a folder of commits, ascending.

    Raises:
        FileNotFoundError: There is no such folder.
        StorageError: The disk refused.
    """
    return entries(folder)[0]


def entries(folder: Path) -> tuple[list[int], list[str]]:
    """The numbers of all commits in a folder of commits, and the names that no commit has.

    Raises:
        FileNotFoundError: There is no such folder.
        StorageError: The disk refused.
    """
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _files.refusal("list", folder, error) from error
    strangers = [name for name in names if not _FILE_NAME.fullmatch(name)]
    found = sorted(int(name[:8]) for name in set(names).difference(strangers))
    return found, sorted(strangers)


def newest(folder: Path, known: int) -> int:
    """The number of the newest commit, looked for upwards from one that is there."""
    n = known
    while os.path.lexists(f"{folder}/{_name(n + 1)}"):
        n += 1
    return n


def is_newest(folder: Path, commit: Commit) -> bool:
    """Whether a commit still stands in its folder, byte for byte, and none behind it.

    Raises:
        StorageError: The disk refused.
    """
    try:
        data = _files.read_file(commit_path(folder, commit.n), bytes_max=COMMIT_BYTES_MAX)
    except (FileNotFoundError, CorruptArtifactError):
        return False
    return (
        hashlib.sha256(data).hexdigest() == commit.digest and newest(folder, commit.n) == commit.n
    )


def read(root: Path, domain: Domain, session_id: str, n: int) -> Commit:
    """Read one commit, verified.

    Raises:
        FileNotFoundError: There is none of that number.
        CorruptArtifactError: It is damaged, or belongs to another session or number.
        StorageError: The disk refused.
    """
    return read_in(commits_folder(root, domain, session_id), domain, session_id, n)


def read_in(folder: Path, domain: Domain, session_id: str, n: int) -> Commit:
    """As `read`, for whoever reads many: `folder` is the session's folder of commits."""
    path = f"{folder}/{_name(n)}"  # A string, since many are read in a row.
    raw = _files.read_file(path, bytes_max=COMMIT_BYTES_MAX)
    try:
        commit = decode(raw)
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise CorruptArtifactError(f"{path} is damaged ({error}).") from error
    found = (commit.domain, commit.session_id, commit.n)
    if found != (domain.name, session_id, n):
        raise CorruptArtifactError(
            f"{path} was saved as commit {found[2]} of {found[0]} session "
            f"{found[1]!r}; put it back there."
        )
    return commit


def _name(n: int) -> str:
    return f"{n:08d}.json"


def _plain(commit: Commit) -> dict[str, object]:
    parent = commit.parent
    return {
        "schema_version": SCHEMA_VERSION,
        "domain": commit.domain,
        "session": commit.session_id,
        "n": commit.n,
        "prev": commit.prev,
        "blob": commit.blob.sha256,
        "size": commit.blob.size,
        "input": commit.input.sha256 if commit.input else None,
        "input_size": commit.input.size if commit.input else None,
        "parent": {"session": parent.session_id, "n": parent.n} if parent else None,
        "root": commit.root_session_id,
        "event": commit.event,
        "time": commit.time,
        "writer": commit.writer,
        "request_id": commit.request_id,
    }


def decode(raw: bytes) -> Commit:
    """Parse the bytes of a commit's file; where it stands is not asked.

    Raises:
        ValueError: They are not as they were written.
        KeyError, TypeError, AttributeError, ConfigError: They are another kind of JSON.
    """
    plain = signed.unseal(raw)
    if plain["schema_version"] != SCHEMA_VERSION or len(plain) != FIELDS:
        raise ValueError(f"its schema_version is not {SCHEMA_VERSION}")
    event, n, parent = plain["event"], plain["n"], plain["parent"]
    if type(event) is not dict or type(event["type"]) is not str:
        raise ValueError("its event has no type")
    if type(n) is not int or not 0 <= n <= NUMBER_MAX:
        raise ValueError("its number is none")
    return Commit(
        domain=str(plain["domain"]),
        session_id=str(plain["session"]),
        n=n,
        prev=str(plain["prev"]),
        blob=BlobRef(sha256=plain["blob"], size=plain["size"]),
        input=_input(plain),
        parent=None if parent is None else _place(parent),
        root_session_id=layout.check_id("session id", plain["root"]),
        event=event,
        time=str(plain["time"]),
        writer=str(plain["writer"]),
        request_id=str(plain["request_id"]),
        sum=plain[signed.SUM],
        digest=hashlib.sha256(raw).hexdigest(),
    )


def _input(plain: Mapping[str, Any]) -> BlobRef | None:
    sha256, size = plain["input"], plain["input_size"]
    return None if sha256 is None else BlobRef(sha256=sha256, size=size)


def _place(plain: Mapping[str, Any]) -> Place:
    session_id, n = layout.check_id("session id", plain["session"]), plain["n"]
    if type(n) is not int or not 0 <= n <= NUMBER_MAX:
        raise ValueError("its parent is no commit")
    return Place(session_id=session_id, n=n)
