"""Anything in any order: the store beside a plain model of it in memory.

    python -m tests.crash.machine FOLDER --examples N [--seed S]

The model is a list of states for each session, computed by the toy's own arithmetic and never read
from the disk. Faults are part of the game: kills at any call, rotten commits, views that vanish. A
process of its own, where no type is checked at run time and a step costs a quarter; prints one JSON
object.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.branching.toy import Toy, fresh_state
from tests.crash.oracle import picture
from tests.crash.workloads import INIT, LESSONS, alice
from tests.store.faults import Killed, failing_call
from ttt.branching.fork import fork
from ttt.branching.replay import state_of
from ttt.branching.revert import revert
from ttt.errors import ConfigError, ConflictError, CorruptArtifactError
from ttt.store.blobs import read_blob, ref_of
from ttt.store.commits import Place, commit_path
from ttt.store.domains import NANO, commits_folder, session_folder
from ttt.store.gc import collect
from ttt.store.repair import repair
from ttt.store.sessions import Draft, append_commit, create_session, read_commits
from ttt.store.tags import put_tag, read_tags

STEPS = 40
NAMES = ("a", "b", "c", "d")
VIEWS = (
    "meta.json",
    "metrics.json",
    NANO.weights_view,
    NANO.optimizer_view,
    NANO.events_view,
    "../index.json",
)
CALLS_MAX = 45
"""More than a lesson takes, so that some kills come too late."""


@dataclass
class Entry:
    """A commit of the model."""

    place: Place
    state: bytes
    lesson: bytes | None = None
    learned: bool = False
    takes_back: Place | None = None


@dataclass
class Line:
    """A session of the model."""

    past: list[Entry]
    """Across forks; the session's own commits come last."""
    begin: int = 0
    """Where its own commits begin."""
    tags: dict[str, int] = field(default_factory=dict)
    lost: bool = False
    """Whether a commit was lost: what came before it can no longer be computed with."""

    @property
    def own(self) -> list[Entry]:
        return self.past[self.begin :]

    @property
    def head(self) -> Entry:
        return self.past[-1]

    @property
    def newest(self) -> int:
        return self.head.place.n

    def counting(self) -> list[Entry]:
        """The lessons that were learned and not taken back."""
        gone = {one.takes_back for one in self.past}
        return [one for one in self.past if one.learned and one.place not in gone]


class StoreMachine(RuleBasedStateMachine):
    """The store and the model, side by side."""

    folder: Path
    """Where trees are made."""
    counts: Counter[str]
    """Examples, and steps that were taken."""

    def __init__(self) -> None:
        super().__init__()
        self.work = Path(tempfile.mkdtemp(dir=self.folder))
        self.root = self.work / "tree"
        self.lines: dict[str, Line] = {}
        self.asked = 0
        self.last: dict[str, Draft] = {}
        self.counts["examples"] += 1

    def teardown(self) -> None:
        if self.lines:
            picture(self.root)
            for name, line in self.lines.items():
                self.compare(name, line)
        shutil.rmtree(self.work)

    def compare(self, name: str, line: Line) -> None:
        """Every commit that the model has, and no other."""
        session = alice(self.root, name)
        assert not session.damage
        found = read_commits(session, 0, session.head.n + 1, without_lost=True)
        named = [(one.n, one.blob) for one in found]
        assert named == [(one.place.n, ref_of(one.state)) for one in line.own]
        assert dict(read_tags(session)) == line.tags

    def look(self, name: str) -> None:
        """The newest state is the model's."""
        self.counts["looks"] += 1
        line = self.lines[name]
        head = alice(self.root, name).head
        assert (head.n, head.blob) == (line.newest, ref_of(line.head.state))

    def draft(self, name: str, lesson: bytes) -> tuple[Draft, Entry]:
        """The next commit, computed from what the model holds."""
        line, self.asked = self.lines[name], self.asked + 1
        learned = Toy().relearn(line.head.state, lesson)
        place = Place(session_id=name, n=line.newest + 1)
        learns = learned.event["type"] == "update"
        draft = Draft(
            state=learned.state, event=learned.event, input=lesson, request_id=f"r{self.asked}"
        )
        return draft, Entry(place=place, state=learned.state, lesson=lesson, learned=learns)

    @precondition(lambda self: len(self.lines) < len(NAMES))
    @rule()
    def create(self) -> None:
        name = NAMES[len(self.lines)]
        create_session(self.root, NANO, name, draft=Draft(state=fresh_state(), event=INIT))
        first = Entry(place=Place(session_id=name, n=0), state=fresh_state())
        self.lines[name] = Line(past=[first])

    @precondition(lambda self: self.lines)
    @rule(data=st.data(), lesson=st.sampled_from(LESSONS))
    def learn(self, data, lesson) -> None:
        name = data.draw(st.sampled_from(sorted(self.lines)))
        draft, entry = self.draft(name, lesson)
        append_commit(alice(self.root, name), draft)
        self.lines[name].past.append(entry)
        self.last[name] = draft
        self.look(name)

    @precondition(lambda self: self.last)
    @rule(data=st.data())
    def ask_again(self, data) -> None:
        name = data.draw(st.sampled_from(sorted(self.last)))
        answer = append_commit(alice(self.root, name), self.last[name])
        assert answer.head.request_id == self.last[name].request_id
        self.look(name)

    @precondition(lambda self: self.lines)
    @rule(data=st.data(), lesson=st.sampled_from(LESSONS))
    def come_second(self, data, lesson) -> None:
        name = data.draw(st.sampled_from(sorted(self.lines)))
        early = alice(self.root, name)
        first, entry = self.draft(name, lesson)
        second, _ = self.draft(name, lesson)
        append_commit(alice(self.root, name), first)
        self.lines[name].past.append(entry)
        self.last[name] = first
        with pytest.raises(ConflictError):
            append_commit(early, second)
        self.look(name)

    @precondition(lambda self: self.lines)
    @rule(data=st.data(), lesson=st.sampled_from(LESSONS), call=st.integers(1, CALLS_MAX))
    def be_killed(self, data, lesson, call) -> None:
        name = data.draw(st.sampled_from(sorted(self.lines)))
        draft, entry = self.draft(name, lesson)
        acknowledged = False
        with failing_call(call, "killed"), suppress(Killed):
            append_commit(alice(self.root, name), draft)
            acknowledged = True
        kept = alice(self.root, name).head.request_id == draft.request_id
        assert kept or not acknowledged
        if kept:
            self.lines[name].past.append(entry)
            self.last[name] = draft
        self.look(name)

    @precondition(lambda self: 0 < len(self.lines) < len(NAMES))
    @rule(data=st.data())
    def branch(self, data) -> None:
        whole = sorted(name for name, line in self.lines.items() if not line.lost)
        if not whole:
            return
        name, child = data.draw(st.sampled_from(whole)), NAMES[len(self.lines)]
        line = self.lines[name]
        entry = data.draw(st.sampled_from(line.own))
        fork(alice(self.root, name), entry.place, child, lend=lambda _: Toy())
        past = line.past[: line.past.index(entry) + 1]
        past.append(Entry(place=Place(session_id=child, n=0), state=entry.state))
        self.lines[child] = Line(past=past, begin=len(past) - 1)
        self.look(child)

    @precondition(lambda self: self.lines)
    @rule(data=st.data())
    def take_back(self, data) -> None:
        taught = {n: one.counting() for n, one in self.lines.items() if not one.lost}
        names = sorted(name for name, some in taught.items() if some)
        if not names:
            return
        name = data.draw(st.sampled_from(names))
        line, gone = self.lines[name], data.draw(st.sampled_from(taught[name]))
        revert(alice(self.root, name), gone.place, method="replay", replayer=Toy())
        place = Place(session_id=name, n=line.newest + 1)
        line.past.append(Entry(place=place, state=b"", takes_back=gone.place))
        state = fresh_state()
        for entry in line.counting():
            assert entry.lesson is not None
            state = Toy().relearn(state, entry.lesson).state
        line.head.state = state
        self.look(name)

    @precondition(lambda self: self.lines)
    @rule(data=st.data(), tag=st.sampled_from(("best", "last")))
    def name_a_commit(self, data, tag) -> None:
        name = data.draw(st.sampled_from(sorted(self.lines)))
        line = self.lines[name]
        n = data.draw(st.sampled_from(line.own)).place.n
        if line.tags.get(tag, n) != n:
            with pytest.raises(ConfigError, match="taken"):
                put_tag(alice(self.root, name), tag, n)
        else:
            put_tag(alice(self.root, name), tag, n)
            line.tags[tag] = n

    @precondition(lambda self: self.lines)
    @rule(keep=st.integers(1, 3))
    def collect(self, keep) -> None:
        collect(self.root, keep=keep, prune_age_s=0.0)

    @precondition(lambda self: self.lines)
    @rule(data=st.data())
    def compute_a_state(self, data) -> None:
        whole = sorted(name for name, line in self.lines.items() if not line.lost)
        if not whole:
            return
        name = data.draw(st.sampled_from(whole))
        entry = data.draw(st.sampled_from(self.lines[name].past))
        session = alice(self.root, name)
        assert state_of(session, entry.place, lambda _: Toy()) == entry.state

    @precondition(lambda self: self.lines)
    @rule(data=st.data(), view=st.sampled_from(VIEWS))
    def lose_a_view(self, data, view) -> None:
        name = data.draw(st.sampled_from(sorted(self.lines)))
        with suppress(FileNotFoundError):
            os.unlink(session_folder(self.root, NANO, name) / view)
        self.look(name)

    @rule(data=st.data())
    def lose_and_mend_a_commit(self, data) -> None:
        """The newest commit rots; the session says so, and goes on from the one before."""
        names = sorted(name for name, line in self.lines.items() if self.can_lose(name, line))
        if not names:
            return
        name = data.draw(st.sampled_from(names))
        line = self.lines[name]
        path = commit_path(commits_folder(self.root, NANO, name), line.newest)
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(CorruptArtifactError):
            append_commit(alice(self.root, name), Draft(state=b"", event={"type": "update"}))
        lost, line.lost = line.past.pop(), True
        self.last.pop(name, None)
        repair(self.root, NANO, name, to=line.newest)
        place = Place(session_id=name, n=lost.place.n + 1)
        line.past.append(Entry(place=place, state=line.head.state))
        self.look(name)

    def can_lose(self, name: str, line: Line) -> bool:
        """Nobody names its newest commit, and the state before was not pruned."""
        if len(line.own) < 2 or line.newest in line.tags.values():
            return False
        others = [one for key, one in self.lines.items() if key != name]
        if any(line.head.place in [e.place for e in one.past] for one in others):
            return False
        with suppress(Exception):
            read_blob(self.root, ref_of(line.own[-2].state))
            return True
        return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Play; print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--examples", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    machine = type("Machine", (StoreMachine,), {"folder": options.folder, "counts": Counter()})
    failure = ""
    try:
        run_state_machine_as_test(
            seed(options.seed)(machine),
            settings=settings(
                max_examples=options.examples,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                # Making an example smaller takes minutes, and the steps of any tell enough.
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            ),
        )
    except Exception:
        failure = traceback.format_exc()
    sys.stdout.write(json.dumps({**machine.counts, "failure": failure}))
    return int(bool(failure))


if __name__ == "__main__":
    sys.exit(main())
