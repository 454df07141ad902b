"""What people said of single commits: `sessions/<id>/reviews/00000012-0001.json`, each for good.

A later word on the same commit is a new file; the last one counts and the earlier ones stay.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from ttt.errors import ConfigError, CorruptArtifactError, StorageError
from ttt.store import _files, layout, locks, signed
from ttt.store.domains import Domain, session_folder
from ttt.store.sessions import Session, read_commit

Verdict: TypeAlias = Literal["confirm", "dismiss", "flag"]
"""It is what it looks like; it is harmless; it is a case for the red team."""

SCHEMA_VERSION: Final = 1
REVIEW_BYTES_MAX: Final = 1 << 14
NOTE_CHARACTERS_MAX: Final = 2000
REVIEWS_MAX: Final = 9999
"""Of one commit."""
_FILE_NAME = re.compile(r"([0-9]{8})-([0-9]{4})\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What somebody said of a commit."""

    n: int
    verdict: Verdict
    note: str


def put_review(session: Session, review: Review) -> None:
    """Say something of a commit.

    Raises:
        ConfigError: The verdict is none, or the note is too long.
        NotFoundError: There is no such commit.
        StorageError: The disk refused, or somebody else said something at this moment.
    """
    if review.verdict not in get_args(Verdict):
        known = ", ".join(get_args(Verdict))
        raise ConfigError(f"A verdict is one of {known}, not {review.verdict!r}.")
    if len(review.note) > NOTE_CHARACTERS_MAX:
        raise ConfigError(f"A note has at most {NOTE_CHARACTERS_MAX} characters.")
    commit = read_commit(session, review.n)
    folder = _folder(session.root, session.domain, session.session_id)
    said = {
        "schema_version": SCHEMA_VERSION,
        "session": session.session_id,
        "n": review.n,
        "commit": commit.sum,
        "verdict": review.verdict,
        "note": review.note,
    }
    with locks.shared(session.root):
        _files.make_folder(folder)
        number = 1 + max((k for n, k in _names(folder) if n == review.n), default=0)
        if number > REVIEWS_MAX:
            raise ConfigError(f"Commit {review.n} has {REVIEWS_MAX} reviews; that must do.")
        path = folder / f"{review.n:08d}-{number:04d}.json"
        data = signed.seal(said)
        _files.write_atomic(path, data, tmp=layout.prepare(session.root), once=True)


def read_reviews(root: Path, domain: Domain, session_id: str) -> Mapping[int, Review]:
    """The last word on each commit of a session that has one, by its number.

    Raises:
        CorruptArtifactError: A review is damaged.
        StorageError: The disk refused.
    """
    folder = _folder(root, domain, session_id)
    last = dict(sorted(_names(folder)))
    return {n: _read(folder / f"{n:08d}-{k:04d}.json", session_id) for n, k in last.items()}


def _names(folder: Path) -> list[tuple[int, int]]:
    """The commits and numbers of all reviews."""
    matches = (_FILE_NAME.fullmatch(name) for name in _files.names_in(folder))
    return [(int(match[1]), int(match[2])) for match in matches if match]


def _folder(root: Path, domain: Domain, session_id: str) -> Path:
    return session_folder(root, domain, session_id) / "reviews"


def _read(path: Path, session_id: str) -> Review:
    try:
        said = signed.unseal(_files.read_file(path, bytes_max=REVIEW_BYTES_MAX))
        review = Review(n=said["n"], verdict=said["verdict"], note=said["note"])
    except FileNotFoundError as error:
        raise StorageError(f"{path} vanished while it was read; try again.") from error
    except (ValueError, KeyError) as error:
        raise CorruptArtifactError(f"{path} is damaged ({error}); move it away.") from error
    if said.get("session") != session_id or not path.name.startswith(f"{review.n:08d}-"):
        raise CorruptArtifactError(f"{path} is the review of another commit; move it away.")
    return review
