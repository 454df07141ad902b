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
from collections.abc import Callable, Iterator, Mapping
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
_APPEND = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINK = (errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What the views of a session show."""

    root: Path
    domain: Domain
    folder: Path
    """The session's."""
    origin: Commit
    """Commit 0."""
    head: Commit


def views_of(root: Path, domain: Domain, origin: Commit, head: Commit) -> Views:
    """The views of a session.

    Args:
        root: The artifact tree.
        domain: The session's domain.
        origin: Its commit 0.
        head: Its newest commit.
    """
    folder = session_folder(root, domain, origin.session_id)
    return Views(root=root, domain=domain, folder=folder, origin=origin, head=head)


def refresh(views: Views, *, before: Commit | None = None) -> None:
    """Bring all views up to date, as far as the disk allows.

    Args:
        views: What they shall show.
        before: The commit that they are known to show, or None to look at each of them.
    """
    folder = views.folder / "commits"
    with contextlib.suppress(OSError, StorageError, CorruptArtifactError):
        for _ in range(ROUNDS_MAX):
            if before is None:
                _rewrite(views)
            else:
                _follow(views, before)
            # Whoever writes last looks once more, so that two writers never leave an old view.
            newest = commits.newest(folder, views.head.n)
            if newest == views.head.n:
                return
            head = commits.read(views.root, views.domain, views.origin.session_id, newest)
            views, before = replace(views, head=head), None


def differing(views: Views, *, known: Mapping[int, Commit] | None = None) -> list[str]:
    """The names of views that are missing or wrong.

    Args:
        views: What they should show.
        known: All commits by number, to compare every line of the events; None compares the last
            line only.

    Raises:
        CorruptArtifactError: A commit is damaged, so its event cannot be compared.
        StorageError: The disk refused.
    """
    with _files.storage_errors("list", views.folder):
        there = set(os.listdir(views.folder))
    events, links = views.domain.events_view, _links(views.domain)
    wrong = [name for name in (META, METRICS, *links, events) if name not in there]
    for name, text in ((META, _meta), (METRICS, _metrics)):
        if name in there and not _holds(f"{views.folder}/{name}", text(views)):
            wrong.append(name)
    if not there.isdisjoint(links):
        blob = blobs.blob_path(views.root, views.head.blob)
        wrong += [name for name in links if name in there and not _is_link(views, name, blob)]
    if events in there and not _are_current(views, f"{views.folder}/{events}", known):
        wrong.append(events)
    return wrong


def _are_current(views: Views, path: str, known: Mapping[int, Commit] | None) -> bool:
    """Whether the events are those of the commits, or at least end like them."""
    if known is not None:
        return _holds(path, _all_lines(views, known))
    with _files.storage_errors("read", path):
        return _ends_with(path, event_line(views.head))


def event_line(commit: Commit) -> bytes:
    """A commit's line among the events: its event, number, time and digest."""
    line = {**commit.event, "n": commit.n, "time": commit.time, "commit": commit.sum}
    return strict_json.dumps(line, indent=None)


def _meta(views: Views) -> bytes:
    origin, parent = views.origin, views.origin.parent
    return strict_json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "domain": origin.domain,
            "session_id": origin.session_id,
            "parent_session_id": parent.session_id if parent else None,
            "parent_commit": parent.n if parent else None,
            "root_session_id": origin.root_session_id,
            "created_at": origin.time,
            "model_signature": origin.event.get("model_signature"),
            "base_ckpt_hash": origin.event.get("base_ckpt_hash"),
        },
        indent=None,
    )


def _metrics(views: Views) -> bytes:
    head = views.head
    return strict_json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "commits": head.n + 1,
            "head": {"n": head.n, "type": head.kind, "time": head.time, "sum": head.sum},
            "numbers": dict(_numbers(head.event)),
        },
        indent=None,
    )


def _numbers(event: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of an event and of the mappings in it, such as `losses.pre_loss`."""
    for key, value in event.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield prefix + key, value
        elif isinstance(value, Mapping) and not prefix:
            yield from _numbers(value, f"{key}.")


def _links(domain: Domain) -> tuple[str, str]:
    return domain.weights_view, domain.optimizer_view


def _rewrite(views: Views) -> None:
    """Write every view anew that is missing or wrong."""
    for name in differing(views):
        if name == META:
            _replace(views, name, functools.partial(_create, data=_meta(views)))
        elif name == METRICS:
            _replace(views, name, functools.partial(_create, data=_metrics(views)))
        elif name == views.domain.events_view:
            _replace(views, name, functools.partial(_create, data=_all_lines(views, {})))
        else:
            _replace(views, name, functools.partial(_link, views=views))


def _follow(views: Views, before: Commit) -> None:
    """Write what the head changes in views that showed the commit before it."""
    if views.head.blob != before.blob:
        for name in _links(views.domain):
            _replace(views, name, functools.partial(_link, views=views))
    _replace(views, METRICS, functools.partial(_create, data=_metrics(views)))
    path = f"{views.folder}/{views.domain.events_view}"
    if not _append_behind(path, event_line(before), event_line(views.head)):
        _rewrite(views)


def _all_lines(views: Views, known: Mapping[int, Commit]) -> bytes:
    """The lines of all commits up to the head; those that are not known are read."""
    return b"".join(
        event_line(known.get(n) or commits.read(views.root, views.domain, views.head.session_id, n))
        for n in commits.numbers(views.folder / "commits")
        if n <= views.head.n
    )


def _append_behind(path: str, last: bytes, line: bytes) -> bool:
    """Add a line to a file that ends with `last`; False if it does not."""
    try:
        descriptor = os.open(path, _APPEND)
    except FileNotFoundError:
        return False
    try:
        if not _is_last(descriptor, last):
            return False
        _files.write_all(descriptor, line)
        return True
    finally:
        os.close(descriptor)


def _ends_with(path: str, line: bytes) -> bool:
    """Whether a file ends with this line, and it is a whole one."""
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return False
    try:
        return _is_last(descriptor, line)
    finally:
        os.close(descriptor)


def _is_last(descriptor: int, line: bytes) -> bool:
    begin = os.fstat(descriptor).st_size - len(line) - 1
    if begin < 0:
        return begin == -1 and os.pread(descriptor, len(line), 0) == line
    return os.pread(descriptor, len(line) + 1, begin) == b"\n" + line


def _holds(path: str, data: bytes) -> bool:
    try:
        return _files.read_file(path, bytes_max=len(data)) == data
    except (FileNotFoundError, CorruptArtifactError):
        return False


def _is_link(views: Views, name: str, blob: Path) -> bool:
    """Whether a view is the head's blob, by name or, where links cannot be, by content."""
    path = f"{views.folder}/{name}"
    try:
        found, wanted = os.lstat(path), os.lstat(blob)
    except OSError:
        return False
    if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
        return True
    if found.st_size != wanted.st_size:
        return False
    return _holds(path, blobs.read_blob(views.root, views.head.blob))


def _replace(views: Views, name: str, create: Callable[[str], None]) -> None:
    """Put a new file in place of a view; nothing waits for the disk."""
    unfinished = str(layout.unfinished(views.root))
    try:
        create(unfinished)
        os.replace(unfinished, f"{views.folder}/{name}")
    finally:
        # Still there after an error, and where both names were the same file: rename(2) then does
        # nothing and calls it a success.
        with contextlib.suppress(OSError):
            os.unlink(unfinished)


def _create(path: str, *, data: bytes) -> None:
    descriptor = os.open(path, _files.CREATE, _files.FILE_MODE)
    try:
        _files.write_all(descriptor, data)
    finally:
        os.close(descriptor)


def _link(path: str, *, views: Views) -> None:
    """Another name for the head's blob; a copy where the file system allows no more names."""
    try:
        os.link(blobs.blob_path(views.root, views.head.blob), path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _create(path, data=blobs.read_blob(views.root, views.head.blob))
