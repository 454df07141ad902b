"""A domain small enough to see through: a 2x3 matrix that drifts towards what it is taught.

Two rules. `decaying`: each lesson pulls the weights a tenth of the way, so that order matters and
nothing can be subtracted. `summing`: the weights are a fixed map of the sum of all lessons, so that
subtracting is exact. A lesson above `LIMIT` is blocked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttt.branching.arrays import arrays_of
from ttt.branching.replayer import Relearned, Unlearned
from ttt.changes.plastic_state import PlasticHolder, PlasticUpdate
from ttt.spine.change import Receipt, Verdict
from ttt.spine.transaction import attempt
from ttt.store.blobs import read_blob, ref_of
from ttt.store.domains import NANO
from ttt.store.sessions import Draft, Session, append_commit, create_session
from ttt.store.tensor_files import decode_arrays, encode_arrays

LIMIT = 100.0
SIGNATURE = "toy-model"
MIX_23 = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])


@dataclass(frozen=True)
class Value:
    data: bytes

    def fingerprint(self) -> str:
        return ref_of(self.data).sha256

    def finite(self) -> bool:
        return all(bool(np.isfinite(x).all()) for x in arrays_of(self.data).values())


class NoJournal:
    def intend(self, kind: str, before: str) -> None:
        pass

    def record(self, receipt: Receipt) -> None:
        pass


class Toy:
    """The replayer of the toy domain."""

    def __init__(self, *, sums: bool = False, signature: str = SIGNATURE, tolerance: float = 1e9):
        self.sums, self.model_signature, self.tolerance = sums, signature, tolerance
        self.relearned: list[bytes] = []
        self.numbers: list[int] = []

    def relearn(self, state: bytes, lesson: bytes) -> Relearned:
        self.relearned.append(lesson)
        arrays, x = arrays_of(state), decode_arrays(lesson, where="lesson")["x"]
        if np.abs(x).max() > LIMIT:
            return Relearned(state=state, event={"type": "blocked", "reasons": ["too_large"]})
        total = arrays["optim.total"] + x
        w = MIX_23 * total if self.sums else 0.9 * arrays["plastic.w"] + 0.1 * np.outer(x[:2], x)
        after = {**arrays, "plastic.w": w, "optim.total": total}
        return Relearned(state=encode_arrays(after), event={"type": "update", "reasons": []})

    def unlearn(self, state: bytes, lesson: bytes, *, number: int) -> Unlearned | None:
        self.numbers.append(number)
        if not self.sums:
            return None
        arrays, x = arrays_of(state), decode_arrays(lesson, where="lesson")["x"]
        total = arrays["optim.total"] - x
        after = encode_arrays({**arrays, "plastic.w": MIX_23 * total, "optim.total": total})
        return Unlearned(state=after, statement="The sum is without it.")

    def reset_memory(self, state: bytes) -> bytes:
        arrays = arrays_of(state)
        return encode_arrays({**arrays, "optim.total": np.zeros(3)})

    def install(self, kind: str, before: bytes, candidate: bytes, *, judged: bool) -> Receipt:
        update = PlasticUpdate(
            kind=kind, holder=PlasticHolder(Value(before)), propose=lambda _: Value(candidate)
        )
        peak = max(float(np.abs(x).max()) for x in arrays_of(candidate).values())
        limit = self.tolerance if judged else np.inf
        verdict = Verdict(allowed=peak <= limit, reasons=("harm",) if peak > limit else ())
        return attempt(update, gate=[], probes=[lambda: verdict], journal=NoJournal())


def fresh_state() -> bytes:
    return encode_arrays({"plastic.w": np.zeros((2, 3)), "optim.total": np.zeros(3)})


def lesson(*numbers: float) -> bytes:
    return encode_arrays({"x": np.array(numbers, dtype=np.float64)})


def new_session(root: Path, name: str = "alice", *, signature: str = SIGNATURE) -> Session:
    event = {"type": "init", "model_signature": signature, "base_ckpt_hash": "toy-base"}
    return create_session(root, NANO, name, draft=Draft(state=fresh_state(), event=event))


def teach(session: Session, toy: Toy, lessons: Sequence[bytes]) -> Session:
    """Learn and commit each lesson."""
    for one in lessons:
        state = read_blob(session.root, session.head.blob)
        learned = toy.relearn(state, one)
        draft = Draft(state=learned.state, event=learned.event, input=one)
        session = append_commit(session, draft)
    return session


def weights(session: Session) -> np.ndarray:
    return arrays_of(read_blob(session.root, session.head.blob))["plastic.w"]


def random_lessons(count: int, seed: int = 0) -> list[bytes]:
    draws = np.random.default_rng(seed).normal(size=(count, 3))
    return [lesson(*row) for row in draws]


def no_model(session: Session) -> Toy:
    """What must not be asked for: most forks need no model."""
    raise AssertionError(f"the model of {session.session_id} was opened for nothing")
