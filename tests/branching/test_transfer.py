"""Sessions on their way: what arrives is what left, and nothing arrives in part."""

from pathlib import Path

import numpy as np
import pytest

from tests.branching.bundle_forgery import FORGED, build, members, remanifested
from tests.branching.toy import Toy, lesson, new_session, no_model, random_lessons, teach, weights
from tests.store.faults import failing_call
from ttt.branching.fork import fork
from ttt.branching.lineage import left_out, lineage
from ttt.branching.replay import state_at
from ttt.branching.revert import revert
from ttt.branching.transfer import export_session, import_session
from ttt.errors import (
    ConfigError,
    CorruptArtifactError,
    InputError,
    NotFoundError,
    StorageError,
)
from ttt.store.blobs import BlobRef, blob_path, put_blob, read_blob, ref_of
from ttt.store.commits import Place
from ttt.store.domains import NANO, TEXT
from ttt.store.fsck import fsck
from ttt.store.repair import repair
from ttt.store.sessions import Session, open_session
from ttt.store.tags import put_tag


def family(root: Path) -> Session:
    """Lessons, one blocked and two taken back, one of these before a fork and one after it."""
    toy = Toy()
    lessons = [*random_lessons(3), lesson(1e6, 0.0, 0.0), *random_lessons(2, seed=1)]
    alice = teach(new_session(root), toy, lessons)
    at = Place(session_id="alice", n=2)
    alice = revert(alice, at, method="replay", replayer=toy).session
    put_tag(alice, "good", alice.head.n)
    forked = Place(session_id="alice", n=alice.head.n)
    teach(alice, toy, random_lessons(1, seed=2))
    bob = fork(alice, forked, "bob", optimizer="reset", lend=lambda _: toy)
    bob = teach(bob, toy, random_lessons(3, seed=3))
    at = Place(session_id="bob", n=1)
    return revert(bob, at, method="replay", replayer=toy).session


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Session:
    return family(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def exported(source, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "bob.tar"
    export_session(source, path)
    return path


def files(root: Path) -> dict[str, bytes]:
    """Everything in a tree."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


# --- what arrives ---------------------------------------------------------------------------------


def test_the_whole_past_arrives_in_one_row(source, exported, tmp_path):
    carol = import_session(tmp_path, NANO, exported, "carol")
    before, after = lineage(source), lineage(carol)
    assert [entry.place.n for entry in after] == list(range(len(before)))
    assert {entry.place.session_id for entry in after} == {"carol"}
    assert [entry.kind for entry in after] == [entry.kind for entry in before]
    for old, new in zip(before, after, strict=True):
        assert (new.commit.blob, new.commit.input) == (old.commit.blob, old.commit.input)
        assert read_blob(tmp_path, new.commit.blob) == read_blob(source.root, old.commit.blob)
        assert new.commit.event["imported"] == {
            "session_id": old.place.session_id,
            "n": old.place.n,
            "time": old.commit.time,
            "sum": old.commit.sum,
        }
    assert carol.parent is None
    assert carol.damage == ""
    assert carol.model_signature == source.model_signature
    assert carol.base_ckpt_hash == source.base_ckpt_hash
    assert np.array_equal(weights(carol), weights(source))
    assert fsck(tmp_path).problems == ()


def test_what_was_taken_back_is_still_taken_back(source, exported, tmp_path):
    carol = import_session(tmp_path, NANO, exported, "carol")
    order = [entry.place for entry in lineage(source)]
    assert left_out(lineage(carol)) == {
        Place(session_id="carol", n=order.index(place)) for place in left_out(lineage(source))
    }
    assert len(left_out(lineage(carol))) == 2


def test_the_new_session_can_be_taught_forked_and_taken_back_from(exported, tmp_path):
    toy = Toy()
    carol = teach(import_session(tmp_path, NANO, exported, "carol"), toy, random_lessons(1, 9))
    at = Place(session_id="carol", n=3)
    undone = revert(carol, at, method="replay", replayer=toy)
    assert undone.exact
    dave = fork(undone.session, Place(session_id="carol", n=4), "dave", lend=no_model)
    assert dave.origin.root_session_id == "carol"
    assert dave.model_signature == carol.model_signature
    assert "imported" not in dave.origin.event


def test_an_export_of_what_was_imported_keeps_each_stage_of_the_way(exported, tmp_path):
    carol = import_session(tmp_path / "a", NANO, exported, "carol")
    export_session(carol, tmp_path / "carol.tar")
    dave = import_session(tmp_path / "b", NANO, tmp_path / "carol.tar", "dave")
    stages = dave.head.event["imported"]
    assert (stages["session_id"], stages["earlier"]["session_id"]) == ("carol", "bob")
    assert np.array_equal(weights(dave), weights(carol))


def test_one_past_is_one_file_byte_for_byte(source, exported, tmp_path):
    export_session(source, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == exported.read_bytes()


def test_exporting_changes_nothing_in_the_tree(tmp_path):
    session = family(tmp_path / "tree")
    before = files(tmp_path / "tree")
    export_session(session, tmp_path / "out.tar")
    assert files(tmp_path / "tree") == before


def test_two_imports_share_their_blobs(exported, tmp_path):
    import_session(tmp_path, NANO, exported, "carol")
    before = sorted((tmp_path / "objects").rglob("*.safetensors"))
    import_session(tmp_path, NANO, exported, "dave")
    assert sorted((tmp_path / "objects").rglob("*.safetensors")) == before


def test_an_old_export_is_replaced_only_by_a_whole_one(source, tmp_path):
    out = tmp_path / "out.tar"
    out.write_bytes(b"old")
    with failing_call(10, "ENOSPC for ever"), pytest.raises(StorageError):
        export_session(source, out)
    assert files(tmp_path) == {"out.tar": b"old"}


# --- pruned states --------------------------------------------------------------------------------


def prune(session: Session, n: int) -> BlobRef:
    ref = lineage(session)[n].commit.blob
    blob_path(session.root, ref).unlink()
    return ref


def test_pruned_states_stay_pruned_and_can_be_computed_again(tmp_path):
    session = teach(new_session(tmp_path / "a"), Toy(), random_lessons(5))
    lost = [prune(session, 2), prune(session, 3)]
    export_session(session, tmp_path / "out.tar")
    carol = import_session(tmp_path / "b", NANO, tmp_path / "out.tar", "carol")
    assert not any(blob_path(tmp_path / "b", ref).exists() for ref in lost)
    state = state_at(tmp_path / "b", lineage(carol, 3), Toy())
    assert ref_of(state) == lost[1]
    assert fsck(tmp_path / "b").problems == ()


def test_a_pruned_state_that_is_there_already_is_kept(tmp_path):
    session = teach(new_session(tmp_path / "a"), Toy(), random_lessons(5))
    state = read_blob(session.root, lineage(session)[2].commit.blob)
    ref = prune(session, 2)
    export_session(session, tmp_path / "out.tar")
    put_blob(tmp_path / "b", state)
    import_session(tmp_path / "b", NANO, tmp_path / "out.tar", "carol")
    assert read_blob(tmp_path / "b", ref) == state


def revert_at_3(root: Path) -> Session:
    toy = Toy()
    session = teach(new_session(root), toy, random_lessons(2))
    at = Place(session_id="alice", n=1)
    session = revert(session, at, method="replay", replayer=toy).session
    return teach(session, toy, random_lessons(2, seed=1))


CANNOT_BE_COMPUTED = {"the first state": 0, "a state of no input": 3, "the newest state": 5}


@pytest.mark.parametrize("which", [*CANNOT_BE_COMPUTED, "an input"])
def test_what_cannot_be_computed_again_may_not_be_missing(which, tmp_path):
    session = revert_at_3(tmp_path)
    commit = lineage(session)[CANNOT_BE_COMPUTED.get(which, 4)].commit
    gone = commit.input if which == "an input" else commit.blob
    blob_path(tmp_path, gone).unlink()
    with pytest.raises(CorruptArtifactError, match=r"is missing; run fsck"):
        export_session(session, tmp_path / "out.tar")
    assert not (tmp_path / "out.tar").exists()


def test_what_a_repair_gave_up_stays_given_up(tmp_path):
    """The numbers that a repair lists are others where forks are laid out in one row."""
    session, toy = revert_at_3(tmp_path / "a"), Toy()
    child = fork(session, Place(session_id="alice", n=5), "bob", lend=no_model)
    child = teach(child, toy, random_lessons(3, seed=2))
    lost = lineage(child)[7].commit
    assert lost.input is not None
    blob_path(child.root, lost.input).unlink()
    blob_path(child.root, lost.blob).unlink()
    child = repair(child.root, NANO, "bob", to=3)
    export_session(child, tmp_path / "out.tar")
    carol = import_session(tmp_path / "b", NANO, tmp_path / "out.tar", "carol")
    assert child.head.event["lost_states"] == [1]
    assert carol.head.event["lost_states"] == [7]
    assert fsck(tmp_path / "b").problems == ()


def test_a_damaged_session_is_not_exported(tmp_path):
    session = teach(new_session(tmp_path), Toy(), random_lessons(3))
    blob_path(tmp_path, session.head.blob).unlink()
    damaged = open_session(tmp_path, NANO, "alice")
    for pt in (False, True):
        with pytest.raises(CorruptArtifactError, match="'alice' is damaged and is not exported"):
            export_session(damaged, tmp_path / "out", pt=pt)
    assert not (tmp_path / "out").exists()


# --- what is refused ------------------------------------------------------------------------------


def assert_refused(path: Path, root: Path, error: type[Exception], why: str) -> None:
    """Refused with one reason, and the tree is as it was: not there."""
    with pytest.raises(error, match=why) as caught:
        import_session(root, NANO, path, "carol")
    assert len(str(caught.value)) < 500
    assert not root.exists()


def test_the_forger_can_build_a_good_bundle_so_that_its_bad_ones_mean_something(exported, tmp_path):
    built = build(tmp_path / "f.tar", members(exported.read_bytes()))
    assert built.read_bytes() == exported.read_bytes()


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_bundle_is_refused_and_nothing_is_written(name, exported, tmp_path):
    forge, why = FORGED[name]
    path = build(tmp_path / "f.tar", forge(members(exported.read_bytes())))
    assert_refused(path, tmp_path / "tree", CorruptArtifactError, why)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"domain": "text"}, r"holds a text session, not a nano one"),
        ({"version": 2}, r"is of version 2 of 'ttt-session'; this program reads version 1"),
        ({"format": "zip"}, r"of 'zip'; this program"),
    ],
)
def test_a_bundle_of_something_else_is_refused(changes, why, exported, tmp_path):
    path = build(tmp_path / "f.tar", remanifested(members(exported.read_bytes()), **changes))
    assert_refused(path, tmp_path / "tree", InputError, why)


@pytest.mark.parametrize("content", [b"", b"text", b"{}", bytes(1024), b"x" * 4096])
def test_what_is_no_bundle_is_refused(content, tmp_path):
    path = tmp_path / "f.tar"
    path.write_bytes(content)
    assert_refused(path, tmp_path / "tree", InputError, "is no exported session")


def test_what_is_not_there_or_no_file_is_refused(tmp_path):
    assert_refused(tmp_path / "none", tmp_path / "tree", NotFoundError, "No file named")


def test_a_bundle_for_the_other_domain_says_so(exported, tmp_path):
    with pytest.raises(InputError, match="holds a nano session, not a text one"):
        import_session(tmp_path / "tree", TEXT, exported, "carol")


def test_a_bundle_that_is_cut_off_is_refused_wherever_it_ends(exported, tmp_path):
    data = exported.read_bytes()
    path = tmp_path / "f.tar"
    for length in range(0, len(data), 1021):
        path.write_bytes(data[:length])
        assert_refused(path, tmp_path / "tree", (InputError, CorruptArtifactError), "f.tar")


@pytest.mark.parametrize("step", [397, pytest.param(41, marks=pytest.mark.slow)])
def test_a_flipped_byte_is_seen_wherever_it_is(step, exported, tmp_path):
    data = exported.read_bytes()
    path = tmp_path / "f.tar"
    for at in range(0, len(data), step):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        assert_refused(path, tmp_path / "tree", (InputError, CorruptArtifactError), "f.tar")


@pytest.mark.parametrize("name", ["Alice", "../x", "", "a" * 65])
def test_a_name_that_cannot_be_one_is_refused_before_anything_is_read(name, tmp_path):
    with pytest.raises(ConfigError, match="session id"):
        import_session(tmp_path / "tree", NANO, tmp_path / "none", name)
    assert not (tmp_path / "tree").exists()


def test_a_taken_name_is_refused_and_its_session_untouched(exported, tmp_path):
    new_session(tmp_path, "carol")
    before = files(tmp_path)
    with pytest.raises(ConfigError, match="'carol' exists already"):
        import_session(tmp_path, NANO, exported, "carol")
    assert files(tmp_path) == before


def test_a_disk_that_refuses_anywhere_leaves_no_session(exported, tmp_path):
    """Every call fails once; whatever was left behind, a second attempt succeeds."""
    with failing_call(10**9, "EIO") as calls:
        import_session(tmp_path / "all", NANO, exported, "carol")
    for number in range(1, len(calls), 97):
        root = tmp_path / str(number)
        try:
            with failing_call(number, "EIO"):
                import_session(root, NANO, exported, "carol")
        except (StorageError, InputError):
            if (root / "sessions" / "carol").exists():
                assert open_session(root, NANO, "carol").head.n == 12
                continue
            import_session(root, NANO, exported, "carol")
        carol = open_session(root, NANO, "carol")
        assert (carol.damage, carol.head.n) == ("", 12)
