"""Views of a session: files for people and other programs, derived from its commits.

    meta.json                  who it is and where it comes from
    plastic_state.safetensors  the newest state, twice: hard links of its one blob
    optim_state.safetensors
    update_events.jsonl        the events of all commits, one a line
    metrics.json               where it stands, and the numbers of its newest event

Nothing in this program reads a view to learn what it says. They are written without waiting for the
disk, and one that is missing or wrong is written anew. A view that cannot be written (a full disk,
a read-only folder) is left as it is: what it shows is safe in the commits.
"""

import contextlib
import errno
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ttt.errors import CorruptArtifactError, StorageError
from ttt.lib import strict_json
from ttt.store import _files, blobs, commits, layout
from ttt.store.commits import Commit
from ttt.store.domains import Domain, session_folder

SCHEMA_VERSION = 1
META, METRICS = "meta.json", "metrics.json"
ROUNDS_MAX = 8
"""How often a refresh starts again because somebody else has committed meanwhile."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINK = (errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What the views of a session show."""

    root: Path
    domain: Domain
    origin: Commit
    """Commit 0."""
    head: Commit

    @property
    def folder(self) -> Path:
        """The session's folder."""
        return session_folder(self.root, self.domain, self.origin.session_id)


def refresh(views: Views, *, before: Commit | None = None) -> None:
    """Bring all views up to date, as far as the disk allows.

    Args:
        views: What they shall show.
        before: The commit before the head, whose event ends `update_events.jsonl` if nothing is
            wrong with it; None looks at the commits.
    """
    with contextlib.suppress(OSError, StorageError, CorruptArtifactError):
        for _ in range(ROUNDS_MAX):
            _refresh(views, before)
            # Whoever writes last looks once more, so that two writers never leave an old view.
            folder = views.folder / "commits"
            newest = commits.newest(folder, views.head.n)
            if newest == views.head.n:
                return
            head = commits.read(views.root, views.domain, views.origin.session_id, newest)
            views, before = replace(views, head=head), None


def differing(views: Views, *, thorough: bool) -> list[str]:
    """The names of views that are missing or wrong.

    Args:
        views: What they should show.
        thorough: Compare every line of the events with its commit, not only the last one.

    Raises:
        CorruptArtifactError: A commit is damaged, so its event cannot be compared.
        StorageError: The disk refused.
    """
    wrong = [name for name, data in _texts(views).items() if not _holds(views.folder / name, data)]
    wrong += [name for name in _links(views.domain) if not _is_link(views, name)]
    events = views.folder / views.domain.events_view
    if thorough:
        sound = _holds(events, b"".join(_all_lines(views)))
    else:
        with _files.storage_errors("read", events):
            sound = _ends_with(events, event_line(views.head))
    return wrong if sound else [*wrong, events.name]


def event_line(commit: Commit) -> bytes:
    """A commit's line among the events: its event, number, time and digest."""
    line = {**commit.event, "n": commit.n, "time": commit.time, "commit": commit.sum}
    return strict_json.dumps(line, indent=None)


def _texts(views: Views) -> dict[str, bytes]:
    """The views that follow from commit 0 and the head alone."""
    origin, head = views.origin, views.head
    meta = {
        "schema_version": SCHEMA_VERSION,
        "domain": origin.domain,
        "session_id": origin.session_id,
        "parent_session_id": origin.parent.session_id if origin.parent else None,
        "parent_commit": origin.parent.n if origin.parent else None,
        "root_session_id": origin.root_session_id,
        "created_at": origin.time,
        "model_signature": origin.event.get("model_signature"),
        "base_ckpt_hash": origin.event.get("base_ckpt_hash"),
    }
    metrics = {
        "schema_version": SCHEMA_VERSION,
        "commits": head.n + 1,
        "head": {"n": head.n, "type": head.kind, "time": head.time, "sum": head.sum},
        "numbers": {key: x for key, x in head.event.items() if type(x) in (int, float)},
    }
    return {META: strict_json.dumps(meta), METRICS: strict_json.dumps(metrics)}


def _links(domain: Domain) -> tuple[str, str]:
    return domain.weights_view, domain.optimizer_view


def _refresh(views: Views, before: Commit | None) -> None:
    for name, data in _texts(views).items():
        if not _holds(views.folder / name, data):
            _replace(views, name, functools.partial(_create, data=data))
    for name in _links(views.domain):
        if not _is_link(views, name):
            _replace(views, name, functools.partial(_link, views=views))
    _refresh_events(views, before)


def _refresh_events(views: Views, before: Commit | None) -> None:
    path = views.folder / views.domain.events_view
    line = event_line(views.head)
    if _ends_with(path, line):
        return
    if before is not None and _ends_with(path, event_line(before)):
        descriptor = os.open(path, _APPEND)
        try:
            _files.write_all(descriptor, line)
        finally:
            os.close(descriptor)
        return
    data = b"".join(_all_lines(views))
    _replace(views, path.name, functools.partial(_create, data=data))


def _all_lines(views: Views) -> list[bytes]:
    """The lines of all commits up to the head."""
    session_id = views.origin.session_id
    known = {views.origin.n: views.origin, views.head.n: views.head}
    return [
        event_line(known.get(n) or commits.read(views.root, views.domain, session_id, n))
        for n in commits.numbers(views.folder / "commits")
        if n <= views.head.n
    ]


def _ends_with(path: Path, line: bytes) -> bool:
    """Whether a file ends with this line, and it is a whole one."""
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return False
    try:
        begin = os.fstat(descriptor).st_size - len(line) - 1
        if begin < 0:
            return begin == -1 and os.pread(descriptor, len(line), 0) == line
        return os.pread(descriptor, len(line) + 1, begin) == b"\n" + line
    finally:
        os.close(descriptor)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return _files.read_file(path, bytes_max=len(data)) == data
    except (FileNotFoundError, CorruptArtifactError):
        return False


def _is_link(views: Views, name: str) -> bool:
    """Whether a view is the head's blob, by name or, where links cannot be, by content."""
    path, blob = views.folder / name, blobs.blob_path(views.root, views.head.blob)
    try:
        found, wanted = os.lstat(path), os.lstat(blob)
    except OSError:
        return False
    if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
        return True
    if found.st_size != wanted.st_size:
        return False
    return _holds(path, blobs.read_blob(views.root, views.head.blob))


def _replace(views: Views, name: str, create: Callable[[Path], None]) -> None:
    """Put a new file in place of a view; nothing waits for the disk."""
    unfinished = layout.unfinished(views.root)
    try:
        create(unfinished)
        os.replace(unfinished, views.folder / name)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)


def _create(path: Path, *, data: bytes) -> None:
    descriptor = os.open(path, _files.CREATE, _files.FILE_MODE)
    try:
        _files.write_all(descriptor, data)
    finally:
        os.close(descriptor)


def _link(path: Path, *, views: Views) -> None:
    """Another name for the head's blob; a copy where the file system allows no more names."""
    try:
        os.link(blobs.blob_path(views.root, views.head.blob), path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _create(path, blobs.read_blob(views.root, views.head.blob))
