"""Workloads as the disk sees them: run to their end, or killed somewhere and then gone on with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.crash.disk import Operation, Recorder, recorded
from tests.crash.oracle import Picture, picture
from tests.crash.states import everything, tree_of
from tests.crash.workloads import Request, Workload
from tests.store.faults import Killed, failing_call

TREE = "tree"
OBJECTS = f"/{TREE}/objects/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What was asked of the disk."""

    shown: str
    requests: tuple[Request, ...]
    """By the numbers of acknowledgements."""
    pictures: tuple[Picture, ...]
    """What the tree shows after none, one, two of the requests."""
    in_steps: bool
    """Whether it may show something in between."""
    by_hand: bool
    again: tuple[Request, ...]
    """What leads to the last picture from any state."""
    beginning: tuple[Operation, ...]
    operations: tuple[Operation, ...]
    looked_at_from: int
    """The operations before are those of another recording, up to here."""
    fans: frozenset[str]
    """Folders of blobs that ever held one."""


def pictures_of(workload: Workload, root: Path) -> tuple[Picture, ...]:
    """What a tree shows before a workload and after each of its requests."""
    for request in workload.before:
        request(root)
    pictures = [picture(root, fscked=not workload.by_hand)]
    for request in workload.requests:
        request(root)
        pictures.append(picture(root, fscked=not workload.by_hand))
    return tuple(pictures)


def undisturbed(workload: Workload, work: Path, pictures: tuple[Picture, ...]) -> Recording:
    """The workload from its beginning to its end."""
    top = _begun(workload, work / "undisturbed")
    with recorded(top) as recorder:
        _run(recorder, top, workload.requests, 0)
    return _recording(workload, recorder, top, pictures)


def killed(
    workload: Workload, work: Path, pictures: tuple[Picture, ...], *, calls: Sequence[str]
) -> Iterator[Recording]:
    """The workload killed before each of these calls, and then what comes after that."""
    for number in count(1):
        top = _begun(workload, work / f"killed-{number}")
        with recorded(top) as recorder:
            try:
                with failing_call(number, "killed", calls):
                    _run(recorder, top, workload.requests, 0)
            except Killed:
                then = len(recorder.operations)
            else:
                return
            after = workload.then or workload.requests
            _run(recorder, top, after, len(workload.requests))
        yield _recording(workload, recorder, top, pictures, killed=number, then=then)


def _begun(workload: Workload, top: Path) -> Path:
    top.mkdir()
    for request in workload.before:
        request(top / TREE)
    return top


def _run(recorder: Recorder, top: Path, requests: Sequence[Request], first: int) -> None:
    for number, request in enumerate(requests, first):
        if request(top / TREE):
            recorder.acknowledge(number)


def _recording(
    workload: Workload,
    recorder: Recorder,
    top: Path,
    pictures: tuple[Picture, ...],
    *,
    killed: int = 0,
    then: int = 0,
) -> Recording:
    tree = tree_of(recorder.disk, everything(recorder.disk))
    files = {path: what[1] for path, what in tree.items() if what is not None}
    if not killed:
        found = {str(one)[len(str(top)) :]: one for one in top.rglob("*")}
        assert tree.keys() == found.keys(), "the recorder has missed a call"
        assert all(found[path].read_bytes() == content for path, content in files.items())
    return Recording(
        shown=f"{workload.name}, " + (f"killed at call {killed}" if killed else "undisturbed"),
        requests=(*workload.requests, *(workload.then or workload.requests)),
        pictures=pictures,
        in_steps=workload.in_steps,
        by_hand=workload.by_hand,
        again=() if workload.then else workload.requests,
        beginning=recorder.beginning,
        operations=tuple(recorder.operations),
        looked_at_from=then,
        fans=frozenset(str(Path(path).parent) for path in files if path.startswith(OBJECTS)),
    )
