"""Forks share everything and copy nothing."""

import pytest

from tests.branching.toy import Toy, fresh_state, new_session, no_model, random_lessons, teach
from ttt.branching.arrays import arrays_of
from ttt.branching.fork import fork
from ttt.errors import ConfigError, NotFoundError, SignatureMismatchError
from ttt.store.blobs import read_blob
from ttt.store.commits import Place


def objects(root):
    return sorted(p.name for p in (root / "objects").rglob("*.safetensors"))


def test_a_fork_starts_at_the_commit_and_adds_no_blob(tmp_path):
    parent = teach(new_session(tmp_path, "parent"), Toy(), random_lessons(3))
    before = objects(tmp_path)
    child = fork(parent, Place(session_id="parent", n=2), "child", lend=no_model)
    assert objects(tmp_path) == before
    assert child.parent == Place(session_id="parent", n=2)
    assert child.model_signature == parent.model_signature
    assert child.origin.root_session_id == "parent"
    assert child.head.event["optimizer"] == "copy"


def test_what_the_child_learns_leaves_the_parent_alone(tmp_path):
    toy = Toy()
    parent = teach(new_session(tmp_path, "parent"), toy, random_lessons(2))
    child = teach(
        fork(parent, Place(session_id="parent", n=2), "child", lend=no_model),
        toy,
        random_lessons(1, 9),
    )
    assert child.head.blob != parent.head.blob
    assert parent.head.n == 2


def test_the_memory_can_start_afresh_and_the_weights_stay(tmp_path):
    toy = Toy()
    parent = teach(new_session(tmp_path, "parent"), toy, random_lessons(3))
    child = fork(
        parent, Place(session_id="parent", n=3), "child", optimizer="reset", lend=lambda _: toy
    )
    old, new = (arrays_of(read_blob(tmp_path, s.head.blob)) for s in (parent, child))
    assert (new["plastic.w"] == old["plastic.w"]).all()
    assert (new["optim.total"] == arrays_of(fresh_state())["optim.total"]).all()


def test_resetting_on_another_model_is_refused(tmp_path):
    parent, other = new_session(tmp_path, "parent"), Toy(signature="other")
    place = Place(session_id="parent", n=0)
    with pytest.raises(SignatureMismatchError):
        fork(parent, place, "child", optimizer="reset", lend=lambda _: other)


def test_a_name_that_is_taken_or_a_commit_that_is_not_there_is_refused(tmp_path):
    parent = new_session(tmp_path, "parent")
    with pytest.raises(ConfigError, match="exists already"):
        fork(parent, Place(session_id="parent", n=0), "parent", lend=no_model)
    with pytest.raises(NotFoundError):
        fork(parent, Place(session_id="parent", n=5), "child", lend=no_model)
    with pytest.raises(ConfigError):
        fork(parent, Place(session_id="parent", n=0), "../child", lend=no_model)
