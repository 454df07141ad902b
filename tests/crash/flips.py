"""Every byte of a tree is flipped, one at a time: is wrong ever handed out as right?

    python -m tests.crash.flips FOLDER [--rounds N] [--seed S]

A process of its own, without a tensor library; prints one JSON object. After a flip, what depends
on that file is read through the public functions. Three ends are possible, and one is forbidden:

    detected   reading raises, or a session says that it is damaged, or `fsck` counts the file
    harmless   the file is a view: the right answer is given, and the view is made anew
    silent     wrong bytes are handed out, or damage of what counts goes unnoticed
"""

import argparse
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.crash.oracle import RUN_FILES
from tests.crash.workloads import (
    ALICE,
    BASES,
    TRAINING,
    alice,
    base,
    branch,
    create,
    learn,
    promotion,
    review,
    save_run,
    tag,
    training,
)
from ttt.errors import TTTError
from ttt.store import layout, models, records, views
from ttt.store.base import read_base
from ttt.store.blobs import BlobRef, read_blob
from ttt.store.domains import NANO
from ttt.store.fsck import fsck
from ttt.store.promotions import read_promotions
from ttt.store.reviews import read_reviews
from ttt.store.session_list import list_sessions
from ttt.store.session_runs import read_session_run_file
from ttt.store.sessions import read_commits
from ttt.store.tags import read_tags
from ttt.store.trainings import read_request

MODEL = "tiny"
FSCK_EVERY = 40
"""Every so many flips of what counts, `fsck` has to find it as well."""

SILENT_MAX = 5
"""So many are enough to tell."""

Look = Callable[[], object]


class DamageError(TTTError):
    """A session says that it is damaged, or a view is counted as old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A file, and how what depends on it is read."""

    kind: str
    path: Path
    look: Look
    is_view: bool = False


def build(root: Path) -> None:
    """A small tree with a file of every kind."""
    assert promotion("one")(root)
    requests = (create(), learn(0), learn(1), learn(2), branch("copy"), tag("best", 1))
    for request in (*requests, save_run("one"), review(1), training(), base(BASES[0])):
        assert request(root)
    files = {"model.safetensors": bytes(range(256)), "config.json": b"{}", "tokenizer.json": b"{}"}
    folder = layout.text_model(root, MODEL)
    records.save_folder(
        root, folder, kind=models.KIND, files=files, body={"loss": 1.5}, record_name=models.META
    )
    list_sessions(root, NANO)


def subjects(root: Path) -> Iterator[Subject]:
    """Every file of a tree, once by whatever name."""
    seen = set[int]()
    for path in sorted(root.rglob("*")):
        status = path.stat()
        if path.is_file() and status.st_size and status.st_ino not in seen:
            seen.add(status.st_ino)
            yield _subject(root, path)


def _subject(root: Path, path: Path) -> Subject:
    parts = path.relative_to(root).parts
    if parts[0] == NANO.folder and len(parts) > 2:
        return _subject_of_session(root, path, parts)
    match parts:
        case ("FORMAT.json",):
            return Subject(kind="format", path=path, look=lambda: alice(root).head.digest)
        case ("objects", _, name):
            ref = BlobRef(sha256=name.partition(".")[0], size=path.stat().st_size)
            return Subject(kind="blob", path=path, look=lambda: read_blob(root, ref))
        case (folder, *_) if folder in LOOKS:
            kind, look_at = LOOKS[folder]
            return Subject(kind=kind, path=path, look=partial(look_at, root))
        case (_, "index.json"):
            look = partial(list_sessions, root, NANO)
            return Subject(kind="index", path=path, look=look, is_view=True)
    raise AssertionError(f"nobody knows what {path} is")


def _subject_of_session(root: Path, path: Path, parts: Sequence[str]) -> Subject:
    _, session_id, *below = parts
    match below:
        case ("commits", _):
            return Subject(kind="commit", path=path, look=lambda: _history(root, session_id))
        case ("tags", _):
            return Subject(kind="tag", path=path, look=lambda: dict(read_tags(alice(root))))
        case ("reviews", _):
            return Subject(kind="review", path=path, look=partial(read_reviews, root, NANO, ALICE))
        case ("runs", run, file):
            return Subject(kind="run", path=path, look=lambda: _run(root, run, file))
        case (_,):
            look = partial(_view, root, session_id, path)
            return Subject(kind="view", path=path, look=look, is_view=True)
    raise AssertionError(f"nobody knows what {path} is")


def _model(root: Path) -> object:
    folder = layout.text_model(root, MODEL)
    record = records.read_record(folder, kind=models.KIND, record_name=models.META)
    return record, records.read_files(folder, record)


def _run(root: Path, run: str, file: str) -> object:
    names = RUN_FILES if file == "manifest.json" else (file,)
    return [read_session_run_file(alice(root), run, name) for name in names]


def _history(root: Path, session_id: str) -> object:
    session = alice(root, session_id)
    if session.damage:
        raise DamageError(session.damage)
    return [one.digest for one in read_commits(session, 0, session.head.n + 1)]


def _view(root: Path, session_id: str, path: Path) -> object:
    """A session's history, and the view as people see it once the session was opened."""
    history = _history(root, session_id)
    session = alice(root, session_id)
    known = {one.n: one for one in read_commits(session, 0, session.head.n + 1)}
    shown = views.views_of(root, session.domain, session.origin, session.head)
    if path.name in views.differing(shown, known=known):  # What fsck counts.
        raise DamageError(f"{path} is old")
    return history, path.read_bytes()


LOOKS: Mapping[str, tuple[str, Callable[[Path], object]]] = {
    "base": ("base", read_base),
    "text_models": ("model", _model),
    "text_training": ("training", lambda root: read_request(root, TRAINING)),
    "promotions": ("promotion", read_promotions),
}
"""By folder: what its files are, and how what depends on any of them is read."""


def flip(
    root: Path,
    *,
    rounds: int = 1,
    step: int = 1,
    seed: int = 0,
    only: Sequence[Subject] | None = None,
) -> Mapping[str, object]:
    """Flip bytes, each `rounds` times and each time another way.

    Args:
        root: The tree.
        rounds: How often.
        step: Every so many bytes.
        seed: Of the ways.
        only: Which files; None takes all.
    """
    draw, counts, silent = random.Random(seed), Counter[str](), []
    flips = 0
    for subject in list(subjects(root)) if only is None else only:
        right = subject.look()
        for _ in range(rounds):
            for place in range(0, subject.path.stat().st_size, step):
                flips += 1
                change = draw.randrange(1, 256)
                end = _end(root, subject, right, (place, change), fscked=flips % FSCK_EVERY == 0)
                counts[f"{subject.kind} {end}"] += 1
                if end == "silent":
                    silent.append(f"{subject.path} at {place} by {change}")
                    if len(silent) == SILENT_MAX:
                        return {"flips": flips, "counts": counts, "silent": silent}
    return {"flips": flips, "counts": counts, "silent": silent}


def _end(
    root: Path, subject: Subject, right: object, flipped: tuple[int, int], *, fscked: bool
) -> str:
    """Flip a byte, read, put the byte back."""
    old = _change(subject.path, *flipped)
    try:
        if fscked and not subject.is_view and not _is_found(root):
            return "silent"
        try:
            found = subject.look()
        except TTTError:
            return "detected"
        # A record with a flipped byte that reads as before would be one too many.
        return "harmless" if found == right and subject.is_view else "silent"
    finally:
        if subject.path.read_bytes() != old:
            subject.path.write_bytes(old)


def _change(path: Path, place: int, change: int) -> bytes:
    """Flip bits of a byte, whatever the permissions; return what the file held."""
    old = path.read_bytes()
    os.chmod(path, 0o644)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(bytes([old[place] ^ change]))
    return old


def _is_found(root: Path) -> bool:
    try:
        return not fsck(root).ok
    except TTTError:
        return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Flip; print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    root = options.folder / "tree"
    build(root)
    came = flip(root, rounds=options.rounds, seed=options.seed)
    sys.stdout.write(json.dumps(came))
    return int(bool(came["silent"]))


if __name__ == "__main__":
    sys.exit(main())
