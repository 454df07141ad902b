"""Every command on sessions as a function: options in, an answer out; nothing is printed here.

The same functions serve a terminal, `--json` and the service. A domain's own commands (making a
base, running a session) are the domain's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from ttt.branching import options as o
from ttt.branching.answers import (
    Answer,
    commit_row,
    diff_rows,
    finite_or_none,
    plain_commit,
    plain_line,
    plain_session,
)
from ttt.branching.bisect import Measure, Question, bisect
from ttt.branching.blame import blame
from ttt.branching.diff import diff
from ttt.branching.fork import checkout_name, fork
from ttt.branching.history import log
from ttt.branching.lineage import (
    Entry,
    entry_at,
    lineage,
    position,
    resolve,
    session_of,
    shown,
)
from ttt.branching.merge import MergeConfig, merge
from ttt.branching.replay import state_at, state_of
from ttt.branching.revert import revert
from ttt.branching.review_commands import outliers_command
from ttt.branching.weights import weights, weights_answer
from ttt.branching.workshop import Workshop
from ttt.errors import ConfigError, NotFoundError
from ttt.spine.change import Outcome
from ttt.store.commits import Place
from ttt.store.domains import sessions_folder
from ttt.store.layout import saved_ids
from ttt.store.session_list import list_sessions
from ttt.store.sessions import Session, open_session
from ttt.store.tags import put_tag, read_tags

Command: TypeAlias = Callable[[Any, Workshop], Answer]


@dataclass(frozen=True, slots=True)
class _Here:
    """A session and its domain, with what most commands need of both."""

    session: Session
    workshop: Workshop

    def state(self, place: Place) -> bytes:
        """The state at a commit; computed again if it was pruned."""
        return state_of(self.session, place, self.workshop.replayer)

    def stretch(self, good: str, bad: str) -> tuple[list[Entry], int, int]:
        """The lineage of the later commit, and where both stand in it."""
        last = resolve(self.session, bad)
        entries = lineage(session_of(self.session, last), last.n)
        first = position(entries, resolve(self.session, good))
        return entries, first, len(entries) - 1


def open_here(root: Path, session_id: str, workshop: Workshop) -> _Here:
    """Open a session of the domain."""
    return _Here(open_session(root, workshop.domain, session_id), workshop)


def list_command(options: o.ListOptions, workshop: Workshop) -> Answer:
    """List the sessions."""
    rows = list_sessions(
        options.artifacts_root, workshop.domain, offset=options.offset, limit=options.limit
    )
    return Answer.of_sessions(rows)


def show_command(options: o.ShowOptions, workshop: Workshop) -> Answer:
    """Show a session or a commit."""
    here = open_here(options.artifacts_root, options.session_id, workshop)
    if options.n:
        entry = entry_at(here.session, resolve(here.session, options.n))
        return Answer.of_fields(plain_commit(entry))
    return Answer.of_fields(plain_session(here.session, read_tags(here.session)))


def log_command(options: o.LogOptions, workshop: Workshop) -> Answer:
    """List commits, newest first."""
    here = open_here(options.artifacts_root, options.session_id, workshop)
    lines = log(here.session, offset=options.offset, limit=options.limit)
    return Answer(
        plain={"commits": [plain_line(line) for line in lines]},
        columns=("commit", "event", "time", "reasons", "tags"),
        rows=tuple(commit_row(line) for line in lines),
    )


def diff_command(options: o.DiffOptions, workshop: Workshop) -> Answer:
    """Compare two commits."""
    here = open_here(options.artifacts_root, options.session_id, workshop)
    a, b = (here.state(resolve(here.session, name)) for name in (options.a, options.b))
    return diff_rows(diff(a, b, everything=options.everything))


def weights_command(options: o.WeightsOptions, workshop: Workshop) -> Answer:
    """Show the weights of a commit."""
    here = open_here(options.artifacts_root, options.session_id, workshop)
    return weights_answer(weights(here.state(resolve(here.session, options.n))))


def fork_command(options: o.ForkOptions, workshop: Workshop) -> Answer:
    """Start a session at a commit of another."""
    if options.copy_optimizer and options.reset_optimizer:
        raise ConfigError("--copy_optimizer and --reset_optimizer exclude each other; give one.")
    here = open_here(options.artifacts_root, options.parent_session_id, workshop)
    place = resolve(here.session, options.n)
    child = fork(
        here.session,
        place,
        options.child_session_id,
        optimizer=options.optimizer,
        lend=workshop.replayer,
    )
    return _made(child, f"forked from {shown(place)}")


def checkout_command(options: o.CheckoutOptions, workshop: Workshop) -> Answer:
    """Start a branch at an earlier commit."""
    here = open_here(options.artifacts_root, options.session_id, workshop)
    place = resolve(here.session, options.n)
    taken = saved_ids(sessions_folder(options.artifacts_root, workshop.domain))
    name = options.child_session_id or checkout_name(place, taken)
    child = fork(here.session, place, name, lend=workshop.replayer)
    return _made(child, f"checked out at {shown(place)}")


def tag_command(options: o.TagOptions, workshop: Workshop) -> Answer:
    """Name a commit, or list the names."""
    here = open_here(options.artifacts_root, options.session_id, workshop)
    if options.name:
        place = resolve(here.session, options.n)
        put_tag(session_of(here.session, place), options.name, place.n)
    tags = read_tags(here.session)
    return Answer(plain={"tags": dict(tags)}, columns=("tag", "commit"), rows=tuple(tags.items()))


def revert_command(options: o.RevertOptions, workshop: Workshop) -> Answer:
    """Take back one input."""
    here = open_here(options.artifacts_root, options.session_id, workshop)
    target = resolve(here.session, options.n)
    replayer = workshop.replayer(here.session)
    done = revert(here.session, target, method=options.method, replayer=replayer)
    plain = {
        "session_id": options.session_id,
        "reverted": shown(target),
        "outcome": str(done.outcome),
        "reasons": list(done.reasons),
        "head": done.session.head.n,
        "method": options.method,
        "exact": done.exact,
        "lessons_replayed": done.lessons_replayed,
        "decided_otherwise": [shown(place) for place in done.decided_otherwise],
        "statement": done.statement,
    }
    return Answer.of_fields(plain, ok=done.outcome is Outcome.COMMITTED)


def bisect_command(options: o.BisectOptions, workshop: Workshop) -> Answer:
    """Find the input after which a reading turned."""
    here = open_here(options.artifacts_root, options.session_id, workshop)
    entries, first, last = here.stretch(options.good, options.bad)
    found = bisect(
        entries,
        first,
        last,
        question=Question(turn=options.turn, threshold=options.threshold),
        measure=_measure(here, options, entries),
    )
    readings = [*found.ends, *found.readings]
    plain = {
        "found": shown(found.entry.place),
        "event": found.entry.kind,
        "threshold": found.threshold,
        "measurements": len(readings),
        "readings": [
            {"commit": shown(r.place), "value": finite_or_none(r.value), "turned": r.turned}
            for r in readings
        ],
    }
    return Answer(
        plain=plain,
        columns=("commit", "reading", "turned"),
        rows=tuple((shown(r.place), f"{r.value:.6g}", r.turned) for r in readings),
        lines=(
            f"The reading turns (threshold {found.threshold:.6g}) with commit "
            f"{shown(found.entry.place)}, found in {len(readings)} measurements.",
        ),
    )


def _measure(here: _Here, options: o.BisectOptions, entries: list[Entry]) -> Measure:
    """A reading of the state itself, or of what was recorded about it."""
    if options.metric:
        return lambda entry, _: recorded(entry, options.metric)
    replayer = here.workshop.replayer(here.session)
    probe, root = here.workshop.probe(here.session, options.probe), here.session.root
    return lambda _, index: probe.loss(state_at(root, entries[: index + 1], replayer))


def recorded(entry: Entry, name: str) -> float:
    """A figure of a commit's event.

    Raises:
        NotFoundError: The event records no such figure.
    """
    value = entry.commit.event.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        numbers = [k for k, v in entry.commit.event.items() if type(v) in (int, float)]
        known = f"Commit {shown(entry.place)} records: {', '.join(numbers) or 'no figure'}."
        raise NotFoundError("figure", name, known)
    return float(value)


def blame_command(options: o.BlameOptions, workshop: Workshop) -> Answer:
    """Rank inputs by how far they moved a prediction."""
    here = open_here(options.artifacts_root, options.session_id, workshop)
    entries, first, last = here.stretch(options.good, options.bad)
    replayer, root = workshop.replayer(here.session), here.session.root
    probe = workshop.probe(here.session, options.probe)
    moved = blame(
        entries,
        first,
        last,
        predict=lambda _, i: probe.predict(state_at(root, entries[: i + 1], replayer)),
        top=options.top,
    )
    return Answer(
        plain={
            "probe": probe.shown,
            "inputs": [
                {"commit": shown(m.entry.place), "distance": m.distance, "along": m.along}
                for m in moved
            ],
        },
        columns=("commit", "event", "moved it by", "of which onwards"),
        rows=tuple(
            (shown(m.entry.place), m.entry.kind, f"{m.distance:.6g}", f"{m.along:+.6g}")
            for m in moved
        ),
        lines=(f"Prediction: {probe.shown}.",),
    )


def merge_command(options: o.MergeOptions, workshop: Workshop) -> Answer:
    """Merge forks of one session."""
    here = open_here(options.artifacts_root, options.session_id, workshop)
    others = [open_here(options.artifacts_root, one, workshop).session for one in options.others]
    config = MergeConfig(
        method=options.method, shares=options.shares, scale=options.scale, keep=options.keep
    )
    done = merge(here.session, others, config=config, replayer=workshop.replayer(here.session))
    plain = {
        "session_id": options.session_id,
        "outcome": str(done.outcome),
        "reasons": list(done.reasons),
        "head": done.session.head.n,
        "ancestor": done.ancestor,
    }
    return Answer.of_fields(plain, ok=done.outcome is Outcome.COMMITTED)


def _made(session: Session, how: str) -> Answer:
    plain = {**plain_session(session, {}), "made": how}
    return Answer.of_fields(plain)


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {
        "fork_session": fork_command,
        "list_sessions": list_command,
        "show_session": show_command,
        "log": log_command,
        "diff": diff_command,
        "weights": weights_command,
        "checkout": checkout_command,
        "tag": tag_command,
        "revert": revert_command,
        "bisect": bisect_command,
        "blame": blame_command,
        "merge": merge_command,
        "outliers": outliers_command,
    }
)
"""What each command on the history does; `options.py` has their options."""
