"""Taking lessons back: replay is exact, subtraction says what it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.branching.toy import Toy, lesson, new_session, no_model, random_lessons, teach, weights
from ttt.branching.fork import fork
from ttt.branching.lineage import left_out, lineage
from ttt.branching.merge import MergeConfig, merge
from ttt.branching.revert import FIRST_ORDER, revert
from ttt.errors import ConfigError, NotFoundError, SignatureMismatchError
from ttt.spine.change import Outcome
from ttt.store.blobs import read_blob
from ttt.store.commits import Place


def at(session, n):
    return Place(session_id=session.session_id, n=n)


def test_replay_gives_the_bytes_of_the_run_that_never_saw_the_lesson(tmp_path):
    toy, lessons = Toy(), random_lessons(8)
    seen = teach(new_session(tmp_path, "seen"), toy, lessons)
    never = teach(new_session(tmp_path, "never"), toy, lessons[:3] + lessons[4:])

    done = revert(seen, at(seen, 4), method="replay", replayer=toy)

    assert done.outcome is Outcome.COMMITTED
    assert done.exact
    assert done.lessons_replayed == 4
    assert done.session.head.blob == never.head.blob
    assert done.session.head.n == 9
    assert done.session.head.event["target"] == {"session_id": "seen", "n": 4}


def test_a_lesson_before_a_fork_can_be_taken_back_in_the_child_alone(tmp_path):
    toy, lessons = Toy(), random_lessons(6)
    parent = teach(new_session(tmp_path, "parent"), toy, lessons[:4])
    child = teach(fork(parent, at(parent, 3), "child", lend=no_model), toy, lessons[4:])
    never = teach(new_session(tmp_path, "never"), toy, [lessons[0], lessons[2], *lessons[4:]])

    done = revert(child, at(parent, 2), method="replay", replayer=toy)

    assert done.session.head.blob == never.head.blob
    assert parent.head.n == 4


def test_a_reset_of_the_memory_at_a_fork_is_replayed_too(tmp_path):
    toy, lessons = Toy(), random_lessons(5)
    parent = teach(new_session(tmp_path, "parent"), toy, lessons[:3])
    child = fork(parent, at(parent, 3), "child", optimizer="reset", lend=lambda _: toy)
    child = teach(child, toy, lessons[3:])

    short = teach(new_session(tmp_path, "short"), toy, lessons[1:3])
    never = fork(short, at(short, 2), "never", optimizer="reset", lend=lambda _: toy)
    never = teach(never, toy, lessons[3:])

    done = revert(child, at(parent, 1), method="replay", replayer=toy)
    assert done.session.head.blob == never.head.blob


def test_a_lesson_that_was_blocked_may_be_learned_after_an_earlier_one_is_gone(tmp_path):
    class Crowded(Toy):
        """Blocks a lesson while the sum of the first numbers learned exceeds 5."""

        def relearn(self, state, one):
            from ttt.branching.arrays import arrays_of

            if arrays_of(state)["optim.total"][0] > 5.0:
                return type(super().relearn(state, one))(state=state, event={"type": "blocked"})
            return super().relearn(state, one)

    toy = Crowded()
    session = teach(new_session(tmp_path), toy, [lesson(9, 0, 0), lesson(1, 2, 3)])
    assert session.head.kind == "blocked"

    done = revert(session, at(session, 1), method="replay", replayer=toy)

    assert done.decided_otherwise == (at(session, 2),)
    never = teach(new_session(tmp_path, "never"), toy, [lesson(1, 2, 3)])
    assert done.session.head.blob == never.head.blob


def test_a_revert_can_be_reverted(tmp_path):
    toy = Toy()
    session = teach(new_session(tmp_path), toy, random_lessons(5))
    whole = session.head.blob
    once = revert(session, at(session, 2), method="replay", replayer=toy).session
    again = revert(once, at(once, once.head.n), method="replay", replayer=toy).session

    assert once.head.blob != whole
    assert again.head.blob == whole
    assert left_out(lineage(again)) == set()


@settings(max_examples=12)
@given(
    acts=st.lists(st.tuples(st.sampled_from(["teach", "revert"]), st.integers(0, 30)), max_size=9)
)
def test_any_mixture_of_lessons_and_reverts_equals_the_run_of_what_is_left(tmp_path_factory, acts):
    root, toy = tmp_path_factory.mktemp("tree"), Toy()
    session = teach(new_session(root), toy, random_lessons(3))
    for k, (act, number) in enumerate(acts):
        if act == "teach":
            session = teach(session, toy, random_lessons(1, seed=k + 1))
            continue
        target = at(session, 1 + number % session.head.n)
        try:
            session = revert(session, target, method="replay", replayer=toy).session
        except ConfigError:
            continue
    entries = lineage(session)
    gone = left_out(entries)
    kept = [read_blob(root, e.commit.input) for e in entries if e.is_lesson and e.place not in gone]
    never = teach(new_session(root, "never"), toy, kept)
    assert session.head.blob == never.head.blob


def test_subtracting_from_sums_equals_never_having_seen_it(tmp_path):
    toy, lessons = Toy(sums=True), random_lessons(6)
    session = teach(new_session(tmp_path), toy, lessons)
    never = teach(new_session(tmp_path, "never"), toy, lessons[:1] + lessons[2:])
    toy.relearned.clear()

    done = revert(session, at(session, 2), method="subtract", replayer=toy)

    assert done.exact
    assert toy.relearned == []
    np.testing.assert_allclose(weights(done.session), weights(never), atol=1e-12)


def test_a_lesson_is_subtracted_by_its_place_among_those_that_the_state_has_read(tmp_path):
    toy = Toy(sums=True)
    session = teach(new_session(tmp_path), toy, random_lessons(6))
    for target, method in ((2, "subtract"), (4, "subtract"), (1, "replay"), (6, "subtract")):
        session = revert(session, at(session, target), method=method, replayer=toy).session
    session = teach(session, toy, random_lessons(2, seed=3))
    session = revert(session, at(session, session.head.n), method="subtract", replayer=toy).session
    # Lessons 1, 2 and 4 are gone from the replayed state, so 6 is the third it read; the two that
    # came later are its fourth and fifth.
    assert toy.numbers == [1, 3, 2, 4]


def test_subtracting_without_sums_says_that_it_is_a_first_order_guess(tmp_path):
    toy, lessons = Toy(), random_lessons(6)
    session = teach(new_session(tmp_path), toy, lessons)
    never = teach(new_session(tmp_path, "never"), toy, lessons[:5])

    last = revert(session, at(session, 6), method="subtract", replayer=toy)
    assert not last.exact
    assert last.statement == FIRST_ORDER
    # Nothing came after the last lesson, so here the guess is right.
    np.testing.assert_allclose(weights(last.session), weights(never), atol=1e-12)


def test_what_cannot_be_taken_back_is_refused_and_nothing_is_committed(tmp_path):
    toy = Toy(sums=True)
    session = teach(new_session(tmp_path), toy, [lesson(1, 2, 3), lesson(999, 0, 0)])
    once = revert(session, at(session, 1), method="replay", replayer=toy).session
    for target, method, what in (
        (at(once, 0), "replay", "records no input"),
        (at(once, 1), "replay", "taken back already"),
        (at(once, 2), "subtract", "changed no weight"),
        (at(once, 3), "subtract", "--method replay"),
    ):
        with pytest.raises(ConfigError, match=what):
            revert(once, target, method=method, replayer=toy)
    with pytest.raises(NotFoundError, match="not in this session's past"):
        revert(once, at(once, 77), method="replay", replayer=toy)
    with pytest.raises(SignatureMismatchError, match="belongs to the model"):
        revert(once, at(once, 2), method="replay", replayer=Toy(signature="other"))


def test_a_replay_across_a_merge_is_refused(tmp_path):
    toy = Toy()
    parent = teach(new_session(tmp_path, "parent"), toy, random_lessons(2))
    child = teach(
        fork(parent, at(parent, 2), "child", lend=no_model), toy, random_lessons(2, seed=5)
    )
    merged = merge(parent, [child], config=MergeConfig(), replayer=toy).session
    with pytest.raises(ConfigError, match="does not follow from an input"):
        revert(merged, at(parent, 1), method="replay", replayer=toy)
