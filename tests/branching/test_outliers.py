"""What stands out is found whatever it is mixed with, and leaves the queue when looked at."""

import math

import numpy as np
import pytest

from tests.branching.test_commands import ToyWorkshop, call
from tests.branching.toy import Toy, fresh_state, new_session
from ttt.branching.lineage import Entry
from ttt.branching.outliers import outliers, scores
from ttt.errors import ConfigError, CorruptArtifactError, NotFoundError
from ttt.store.commits import Place
from ttt.store.domains import NANO
from ttt.store.reviews import Review, put_review, read_reviews
from ttt.store.sessions import Draft, append_commit, open_session, read_commits


def recorded(root, name, sizes):
    session = new_session(root, name)
    for size in sizes:
        event = {"type": "update", "size": size}
        session = append_commit(session, Draft(state=fresh_state(), event=event))
    return session


@pytest.fixture
def workshop(tmp_path):
    draws = np.random.default_rng(0).lognormal(size=(2, 20))
    sizes = [row.tolist() for row in draws]
    sizes[1][7] = 1e6
    recorded(tmp_path, "alice", sizes[0])
    recorded(tmp_path, "bob", sizes[1])
    return ToyWorkshop(tmp_path, Toy())


def test_the_one_that_stands_out_is_found_over_all_sessions(workshop):
    (one,) = call(workshop, "outliers").plain["outliers"]
    assert (one["commit"], one["figure"], one["value"]) == ("bob:8", "size", 1e6)
    assert one["z"] > 6.0


def test_what_was_reviewed_leaves_the_queue_and_the_last_word_counts(workshop):
    for verdict in ("dismiss", "flag"):
        call(workshop, "outliers", review="bob:8", verdict=verdict, note="made up")
    queue = call(workshop, "outliers")
    said = {"verdict": "flag", "note": "made up"}
    assert queue.plain == {"found": 0, "outliers": [], "reviews": [{"commit": "bob:8", **said}]}
    assert queue.lines[1] == "bob:8 is flagged: made up"
    log = call(workshop, "log", session_id="bob")
    assert [line["review"] for line in log.plain["commits"] if line["n"] in (7, 8)] == [said, None]
    assert next(row for row in log.rows if row[0] == "bob:8")[1].endswith("(flagged)")
    (one,) = call(workshop, "outliers", everything=True).plain["outliers"]
    assert (one["verdict"], one["note"]) == ("flag", "made up")
    folder = workshop.root / "sessions/bob/reviews"
    assert sorted(path.name for path in folder.iterdir()) == [
        "00000008-0001.json", "00000008-0002.json",
    ]  # fmt: skip


def test_a_review_that_was_changed_is_damage(workshop):
    call(workshop, "outliers", review="bob:8", verdict="dismiss")
    (path,) = (workshop.root / "sessions/bob/reviews").iterdir()
    path.write_bytes(path.read_bytes().replace(b"dismiss", b"confirm"))
    with pytest.raises(CorruptArtifactError, match="damaged"):
        read_reviews(workshop.root, NANO, "bob")


@pytest.mark.parametrize(
    ("review", "error"),
    [("bob", ConfigError), ("bob:99", NotFoundError), ("nobody:1", NotFoundError)],
)
def test_only_a_commit_that_is_there_can_be_reviewed(workshop, review, error):
    with pytest.raises(error):
        call(workshop, "outliers", review=review)


def test_a_verdict_and_a_note_have_limits(workshop):
    session = open_session(workshop.root, NANO, "bob")
    for review in (
        Review(n=1, verdict="confirm", note="x" * 2001),
        Review(n=99, verdict="confirm", note=""),
    ):
        with pytest.raises((ConfigError, NotFoundError)):
            put_review(session, review)


def test_half_of_the_values_may_lie_before_the_score_gives_way():
    rng = np.random.default_rng(1)
    values = [*rng.lognormal(size=60).tolist(), *[1e9] * 40]
    found = scores(values)
    assert all(abs(z) < 6.0 for z in found[:60])
    assert all(z > 6.0 for z in found[60:])


def test_few_values_have_no_scale_and_equal_ones_do_not_stand_out():
    assert scores([1.0, 1e9]) == [0.0, 0.0]
    assert max(map(abs, scores([1.0, 1.01] * 10))) < 1.0
    assert scores([0.0] + [1.0] * 20)[0] < -6.0


def test_a_figure_that_an_event_does_not_hold_is_not_scored(tmp_path):
    session = recorded(tmp_path, "alice", [1.0] * 10 + [None, "big", True, -1.0])
    entries = [
        Entry(place=Place(session_id="alice", n=c.n), commit=c)
        for c in read_commits(session, 1, session.head.n + 1)
    ]
    assert outliers(entries, ["size", "weight"], z_min=1.0) == []


@pytest.mark.parametrize("z", [0.0, -1.0, math.nan, math.inf])
def test_a_limit_that_is_none_is_refused(z):
    with pytest.raises(ConfigError):
        outliers([], [], z_min=z)
