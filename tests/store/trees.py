"""Small sessions for tests of the store."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from ttt.store.domains import NANO, Domain, commits_folder
from ttt.store.sessions import Draft, Session, append_commit, create_session

INIT = {"type": "init", "model_signature": "model-1", "base_ckpt_hash": "base-1"}
FORK = {**INIT, "type": "fork"}


def draft(n: int, *, request_id: str = "", **event: object) -> Draft:
    """The n-th lesson."""
    return Draft(
        state=f"state {n}".encode(),
        input=f"input {n}".encode(),
        event={"type": "update", "loss": n / 8, **event},
        request_id=request_id,
    )


def started(root: Path, session_id: str = "alice", domain: Domain = NANO) -> Session:
    """A session of one commit."""
    return create_session(root, domain, session_id, draft=Draft(state=b"state 0", event=INIT))


def grown(root: Path, updates: int, session_id: str = "alice", domain: Domain = NANO) -> Session:
    """A session of `updates + 1` commits."""
    session = started(root, session_id, domain)
    for n in range(1, updates + 1):
        session = append_commit(session, draft(n))
    return session


def commit_file(session: Session, n: int) -> Path:
    """Where a commit stands."""
    return commits_folder(session.root, session.domain, session.session_id) / f"{n:08d}.json"


def flip(path: Path, place: int, bit: int = 1) -> bytes:
    """Flip a bit of a file, whatever its permissions, and return what it held."""
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
    return data


class Ticks:
    """A clock of its own: a second later whenever it is asked."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now
