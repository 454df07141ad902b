"""The list of sessions, and the view that makes it quick: `sessions/index.json`.

A row of the index counts only while its session's folder of commits has the modification time and
the number of entries that it had when the row was made; any other session is looked at again. The
trap is a change in the same tick of the clock: the folder then looks as it did. So a row is kept
only if the folder was last changed in an earlier tick than the one in which looking began, as git
does for its index. An index that is missing, damaged or of another version is made anew.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ttt.errors import ConfigError, CorruptArtifactError, StorageError
from ttt.lib import strict_json
from ttt.store import _files, chain, layout
from ttt.store.commits import Place
from ttt.store.domains import Domain, commits_folder, sessions_folder

SCHEMA_VERSION = 1
INDEX = "index.json"
INDEX_BYTES_MAX = 1 << 28
LIMIT = 500
"""Rows of a page, unless asked otherwise."""
STALE_SHARE = 0.01
"""The index is written again when more than this share of its rows is new. Source: own; writing it
costs as much as looking at about so many sessions."""
_BEGIN, _THEN = b'{"sum":"', b'",'
_END = b"\n}}\n"
_REST = len(_BEGIN) + 64 + len(_THEN)

Row: TypeAlias = tuple[int, int, str | None, int | None, str, str, str, str, str, str, str]
"""Time of the folder of commits (ns), its entries, and the fields of the summary, damage last."""
ROW_FIELDS = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """A line of the list of sessions; the states were not read."""

    session_id: str
    parent: Place | None
    """The commit it was forked from."""
    root_session_id: str
    created_at: str
    commits: int
    """How many it has."""
    head_type: str
    """What happened last."""
    head_time: str
    model_signature: str
    base_ckpt_hash: str
    damage: str
    """Why it can only be read; empty for a sound one."""


def list_sessions(
    root: Path, domain: Domain, *, offset: int = 0, limit: int = LIMIT
) -> list[SessionSummary]:
    """Sessions by id.

    Args:
        root: The artifact tree.
        domain: The family.
        offset: How many to leave out, at least 0.
        limit: How many to return at most, at least 0.

    Raises:
        ConfigError: A number is negative.
        CorruptArtifactError: The tree was written in another format.
        StorageError: The disk refused.
    """
    if not (offset >= 0 and limit >= 0):
        raise ConfigError(f"Cannot list from {offset} up to {limit} sessions; give 0 or more.")
    layout.check_format(root)
    folder = sessions_folder(root, domain)
    ids = layout.saved_ids(folder)
    wanted = ids[offset : offset + limit]
    if not wanted:
        return []
    index = _read_index(folder, domain)
    known = {one: _parsed(index[one]) for one in wanted if one in index}
    rows = {one: row for one, row in known.items() if row and _is_current(folder, one, row)}
    stale = [one for one in wanted if one not in rows]
    if stale:
        kept = {one: index[one] for one in ids if one in index}
        rows |= _look_again(root, domain, stale, index=kept)
    return [_summary(one, rows[one]) for one in wanted if one in rows]


def count_sessions(root: Path, domain: Domain) -> int:
    """How many sessions there are.

    Raises:
        StorageError: The disk refused.
    """
    return len(layout.saved_ids(sessions_folder(root, domain)))


def _look_again(
    root: Path, domain: Domain, stale: Sequence[str], *, index: Mapping[str, bytes]
) -> dict[str, Row]:
    """Make rows anew, and keep those that can be trusted later."""
    unfinished = layout.unfinished(root)
    try:
        tick = _tick(unfinished)
        rows = {one: row for one in stale if (row := _look(root, domain, one))}
        sure = {
            one: json.dumps(row, separators=(",", ":")).encode("ascii")
            for one, row in rows.items()
            if row[0] < tick and not row[-1]
        }
        if len(sure) > STALE_SHARE * len(index):
            with contextlib.suppress(OSError):
                _write_index(sessions_folder(root, domain), domain, {**index, **sure}, unfinished)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
    return rows


def _tick(unfinished: Path) -> int:
    """The present tick of the file system's clock; 0 where nothing can be written."""
    try:
        descriptor = os.open(unfinished, _files.CREATE, _files.FILE_MODE)
    except OSError:
        return 0
    try:
        return os.fstat(descriptor).st_mtime_ns
    finally:
        os.close(descriptor)


def _look(root: Path, domain: Domain, session_id: str) -> Row | None:
    """The row of a session; None if it went away meanwhile."""
    try:
        changed_ns = os.stat(commits_folder(root, domain, session_id)).st_mtime_ns
        found = chain.examine(root, domain, session_id)
    except FileNotFoundError:
        return None
    except (CorruptArtifactError, StorageError) as error:
        return 0, 0, None, None, session_id, "", "", "", "", "", str(error)
    origin, head, parent = found.origin, found.head, found.origin.parent
    return (
        changed_ns,
        head.n + 1,
        parent.session_id if parent else None,
        parent.n if parent else None,
        origin.root_session_id,
        origin.time,
        head.kind,
        head.time,
        str(origin.event.get("model_signature", "")),
        str(origin.event.get("base_ckpt_hash", "")),
        found.damage,
    )


def _summary(session_id: str, row: Row) -> SessionSummary:
    _, count, parent_id, parent_n, family, created_at, kind, time, signature, base, damage = row
    parent = None
    if parent_id is not None and parent_n is not None:
        parent = Place(session_id=parent_id, n=parent_n)
    return SessionSummary(
        session_id=session_id,
        parent=parent,
        root_session_id=family,
        created_at=created_at,
        commits=count,
        head_type=kind,
        head_time=time,
        model_signature=signature,
        base_ckpt_hash=base,
        damage=damage,
    )


def _is_current(folder: Path, session_id: str, row: Row) -> bool:
    """Whether a session's folder of commits is as it was: its time, and no entry more."""
    path = f"{folder}/{session_id}/commits"
    try:
        same = os.stat(path).st_mtime_ns == row[0]
    except OSError:
        return False
    return same and not os.path.lexists(f"{path}/{row[1]:08d}.json")


def _read_index(folder: Path, domain: Domain) -> dict[str, bytes]:
    """The rows of the index, not parsed; none where it cannot be trusted.

    A digest over the bytes as they stand, and a row is a line: parsing 10,000 of them for a page of
    500 would take longer than everything else.
    """
    try:
        raw = _files.read_file(folder / INDEX, bytes_max=INDEX_BYTES_MAX)
    except (FileNotFoundError, CorruptArtifactError, StorageError):
        return {}
    title, rest = _title(domain), raw[_REST:]
    if raw[:_REST] != _head(rest) or not rest.startswith(title):
        return {}
    lines = rest[len(title) : -len(_END)].split(b",\n")
    pairs = (line.split(b":", 1) for line in lines if line)
    return {session_id[1:-1].decode(): row for session_id, row in pairs}


def _parsed(line: bytes) -> Row | None:
    """A row of the index; None where the line is no row, which only a forger can bring about."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return tuple(row) if isinstance(row, list) and len(row) == ROW_FIELDS else None


def _write_index(folder: Path, domain: Domain, rows: Mapping[str, bytes], unfinished: Path) -> None:
    lines = (b'"%b":%b' % (one.encode(), rows[one]) for one in sorted(rows))
    rest = _title(domain) + b",\n".join(lines) + _END
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _files.write_all(descriptor, _head(rest) + rest)
    finally:
        os.close(descriptor)
    os.replace(unfinished, folder / INDEX)


def _head(rest: bytes) -> bytes:
    """How an index begins whose other bytes are these."""
    return _BEGIN + hashlib.sha256(rest).hexdigest().encode() + _THEN


def _title(domain: Domain) -> bytes:
    """What stands before the first row."""
    about = {"domain": domain.name, "schema_version": SCHEMA_VERSION}
    return strict_json.dumps(about, indent=None)[1:-2] + b',"rows":{\n'
