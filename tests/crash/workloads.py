"""What is being done while the disk fails: requests in order, each of which may be asked again.

A workload is a row of the table. Whoever adds something that is saved (a chat, a sleep) adds a
function that does it and a row. A request is whole or not there, and asking it again when it was
kept changes nothing: by its request id, or because it is refused as done already.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.branching.toy import SIGNATURE, Toy, fresh_state, lesson, no_model
from tests.crash.oracle import Picture, has_commit
from ttt.branching.fork import OptimizerChoice, fork
from ttt.branching.revert import Method, revert
from ttt.errors import ConfigError
from ttt.store.base import save_base
from ttt.store.blobs import blob_path, read_blob, ref_of
from ttt.store.commits import Place
from ttt.store.domains import NANO, commits_folder
from ttt.store.gc import collect
from ttt.store.promotions import FIRST_BASE, Decision, append_promotion
from ttt.store.repair import repair
from ttt.store.reviews import Review, put_review
from ttt.store.session_runs import save_session_run
from ttt.store.sessions import Draft, Session, append_commit, create_session, open_session
from ttt.store.tags import put_tag
from ttt.store.trainings import save_request

ALICE = "alice"
TRAINING = "small"
INIT = {"type": "init", "model_signature": SIGNATURE, "base_ckpt_hash": "toy-base"}
LESSONS = [lesson(1.0, 2.0, 3.0), lesson(-1.0, 0.5, 4.0), lesson(0.0, 999.0, 0.0), lesson(2, 2, 2)]
"""The third is blocked: its commit names the state before it."""
BASES = b"the weights of a base", b"the weights of another"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Something that is asked for."""

    do: Callable[[Path], object]
    shows: Callable[[Picture], bool]
    """Whether a tree holds what was asked for."""
    refusal: str = ""
    """How it is refused if it was done before, for one without a request id."""

    def __call__(self, root: Path) -> bool:
        """Ask; return whether it was acknowledged, and not refused as done."""
        try:
            self.do(root)
        except ConfigError as error:
            if not self.refusal or self.refusal not in str(error):
                raise
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A row of the table."""

    name: str
    requests: tuple[Request, ...]
    before: tuple[Request, ...] = ()
    """What was done long ago, and survives."""
    then: tuple[Request, ...] = ()
    """What somebody else does after a kill; nothing: the same requests again."""
    in_steps: bool = False
    """Whether what a request shows may appear piece by piece (a collection, a repair)."""
    by_hand: bool = False
    """Whether somebody writes into the tree beside the store."""


def create(name: str = ALICE) -> Request:
    def do(root: Path) -> None:
        draft = Draft(state=fresh_state(), event=INIT, request_id=f"create-{name}")
        create_session(root, NANO, name, draft=draft)

    return Request(do=do, shows=has_commit(name, request_id=f"create-{name}"))


def learn(k: int, name: str = ALICE) -> Request:
    def do(root: Path) -> None:
        session = alice(root, name)
        learned = Toy().relearn(read_blob(root, session.head.blob), LESSONS[k])
        draft = Draft(
            state=learned.state, event=learned.event, input=LESSONS[k], request_id=f"lesson-{k}"
        )
        append_commit(session, draft)

    return Request(do=do, shows=has_commit(name, request_id=f"lesson-{k}"))


def branch(child: str, *, optimizer: OptimizerChoice = "copy") -> Request:
    def do(root: Path) -> None:
        session, lend = alice(root), no_model if optimizer == "copy" else lambda _: Toy()
        place = Place(session_id=ALICE, n=session.head.n)
        fork(session, place, child, optimizer=optimizer, lend=lend)

    shows = has_commit(child, type="fork")
    return Request(do=do, shows=shows, refusal="exists already")


def take_back(n: int, method: Method) -> Request:
    def do(root: Path) -> None:
        target = Place(session_id=ALICE, n=n)
        revert(alice(root), target, method=method, replayer=Toy())

    shows = has_commit(ALICE, type="revert", method=method)
    return Request(do=do, shows=shows, refusal="taken back already")


def tag(name: str, n: int) -> Request:
    return Request(
        do=lambda root: put_tag(alice(root), name, n),
        shows=lambda picture: picture["nano alice"]["tags"].get(name) == n,
    )


def review(n: int) -> Request:
    """Said twice it stands there twice, and means what it meant once."""
    said = Review(n=n, verdict="flag", note="too good to be true")
    return Request(
        do=lambda root: put_review(alice(root), said),
        shows=lambda picture: picture["nano alice"]["reviews"].get(n) == said,
    )


def save_run(run_id: str) -> Request:
    files = {"per_step.csv": b"step,loss\n1,0.5\n" * 20, "trajectory.json": b"[]"}

    return Request(
        do=lambda root: save_session_run(alice(root), run_id, files),
        shows=lambda picture: run_id in picture["nano alice"]["runs"],
        refusal="exists already",
    )


def base(weights: bytes) -> Request:
    return Request(
        do=lambda root: save_base(root, weights, {"loss": 0.5}),
        shows=lambda picture: picture["base"] == ref_of(weights).sha256,
    )


def alice(root: Path, name: str = ALICE) -> Session:
    return open_session(root, NANO, name)


def training() -> Request:
    return Request(
        do=lambda root: save_request(root, TRAINING, {"steps": 100}),
        shows=lambda picture: picture["trainings"] == {TRAINING: {"steps": 100}},
    )


def promotion(model_id: str, *, before: str = FIRST_BASE) -> Request:
    """The decision alone: what it is about was measured before it is written."""
    said = Decision(
        act="promote", model_id=model_id, outcome="committed", before=before, after=model_id
    )
    return Request(
        do=lambda root: append_promotion(root, said),
        shows=lambda picture: said in [decision for _, decision in picture["promotions"]],
    )


def copied_by_hand() -> Request:
    """Somebody restores a state that was lost, and waits for no disk."""

    def do(root: Path) -> None:
        path = blob_path(root, ref_of(Toy().relearn(fresh_state(), LESSONS[0]).state))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, Toy().relearn(fresh_state(), LESSONS[0]).state)
        os.close(descriptor)

    return Request(do=do, shows=lambda _: True)


def collection(*, keep: int) -> Request:
    """Some states are pruned; every commit stays, and a state that comes back is no loss."""
    return Request(do=lambda root: collect(root, keep=keep, prune_age_s=0.0), shows=lambda _: True)


def rot(n: int) -> Request:
    """The disk loses a byte of a commit."""

    def do(root: Path) -> None:
        path = commits_folder(root, NANO, ALICE) / f"{n:08d}.json"
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[:-9] + b"?" + data[-8:])

    return Request(do=do, shows=lambda _: True)


def mend(*, to: int) -> Request:
    return Request(
        do=lambda root: repair(root, NANO, ALICE, to=to),
        shows=has_commit(ALICE, type="repair", to=to),
        refusal="is sound",
    )


TAUGHT = (create(), learn(0), learn(1))

WORKLOADS = (
    Workload(name="first session of all", requests=(create(),)),
    Workload(name="session", before=(create("bob"),), requests=(create(),)),
    Workload(name="lessons", before=(create(),), requests=(learn(0), learn(1))),
    Workload(name="blocked lesson", before=TAUGHT, requests=(learn(2),)),
    Workload(name="fork", before=TAUGHT, requests=(branch("copy"),)),
    Workload(
        name="fork with a new memory", before=TAUGHT, requests=(branch("new", optimizer="reset"),)
    ),
    Workload(name="revert by replay", before=TAUGHT, requests=(take_back(1, "replay"),)),
    Workload(name="revert by subtraction", before=TAUGHT, requests=(take_back(2, "subtract"),)),
    Workload(name="tags", before=TAUGHT, requests=(tag("best", 1), tag("last", 2))),
    Workload(name="review", before=TAUGHT, requests=(review(1),)),
    Workload(name="run folder", before=TAUGHT, requests=(save_run("one"),)),
    Workload(
        name="collection",
        before=(*TAUGHT, learn(3)),
        requests=(collection(keep=1),),
        in_steps=True,
    ),
    Workload(name="repair", before=(*TAUGHT, rot(2)), requests=(mend(to=1),), in_steps=True),
    Workload(name="training", requests=(training(),)),
    Workload(name="promotion", requests=(promotion("one"),)),
    Workload(
        name="another promotion",
        before=(create(), promotion("one")),
        requests=(promotion("two", before="one"),),
    ),
    Workload(name="base", before=(create("bob"),), requests=(base(BASES[0]),)),
    Workload(
        name="another base", before=(base(BASES[0]),), requests=(base(BASES[1]),), in_steps=True
    ),
)

SEQUELS = (
    Workload(
        name="somebody else's lesson after a kill",
        before=(create(),),
        requests=(learn(0),),
        then=(learn(1),),
    ),
    Workload(
        name="a fork after a kill",
        before=(create(),),
        requests=(learn(0),),
        then=(branch("copy"),),
    ),
    Workload(
        name="somebody else's session after a kill", requests=(create("bob"),), then=(create(),)
    ),
    Workload(
        name="another tag after a kill",
        before=TAUGHT,
        requests=(tag("best", 1),),
        then=(tag("last", 2),),
    ),
    Workload(
        name="another run after a kill",
        before=TAUGHT,
        requests=(save_run("one"),),
        then=(save_run("two"),),
    ),
    Workload(
        name="a session after a base that was cut off",
        requests=(base(BASES[0]),),
        then=(create(), base(BASES[0])),
    ),
)

BESIDE = (
    Workload(
        name="a state that is there",
        before=(create(),),
        requests=(copied_by_hand(), learn(0)),
        by_hand=True,
    ),
)
