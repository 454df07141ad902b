"""A chain from elsewhere becomes a session at one moment, or not at all."""

import contextlib
from dataclasses import replace

import pytest

from tests.store.faults import Killed, failing_call
from ttt.errors import ConfigError, CorruptArtifactError, StorageError
from ttt.store import blobs
from ttt.store.adoption import adopt_session, check_free
from ttt.store.blobs import has_blob, ref_of
from ttt.store.domains import NANO
from ttt.store.publishing import Draft
from ttt.store.sessions import open_session, read_commits

STATES = [b"state %d" % n for n in range(4)]
LESSON = b"lesson"
BYTES = {ref_of(data): data for data in [*STATES, LESSON]}
INIT = {"type": "init", "model_signature": "m", "base_ckpt_hash": "b"}
DRAFTS = [
    Draft(state=ref_of(STATES[0]), event=INIT),
    *(
        Draft(state=ref_of(state), input=ref_of(LESSON), event={"type": "update"})
        for state in STATES[1:]
    ),
]


def adopt(root, fetch=BYTES.get, drafts=DRAFTS):
    return adopt_session(root, NANO, "carol", drafts=drafts, fetch=fetch)


def test_every_commit_and_blob_is_there(tmp_path):
    session = adopt(tmp_path)
    found = read_commits(session, 0, 4)
    assert [commit.blob for commit in found] == [ref_of(state) for state in STATES]
    assert [commit.input for commit in found] == [None, *[ref_of(LESSON)] * 3]
    assert all(has_blob(tmp_path, ref) for ref in BYTES)
    assert (session.damage, session.parent, session.origin.root_session_id) == ("", None, "carol")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_state_that_was_pruned_elsewhere_is_pruned_here(tmp_path):
    pruned = ref_of(STATES[1])
    session = adopt(tmp_path, lambda ref: None if ref == pruned else BYTES[ref])
    assert not has_blob(tmp_path, pruned)
    assert session.damage == ""


def test_bytes_that_are_not_what_was_named_are_not_kept(tmp_path):
    with pytest.raises(CorruptArtifactError, match="changed while it was read"):
        adopt(tmp_path, lambda ref: b"other")
    assert not (tmp_path / "sessions" / "carol").exists()


def test_a_blob_that_a_collection_takes_meanwhile_is_put_back(tmp_path, monkeypatch):
    """It was there before, and nobody named it until the commits do."""
    taken = ref_of(STATES[2])

    def fetch(ref):
        if ref == ref_of(STATES[3]) and has_blob(tmp_path, taken):
            blobs.blob_path(tmp_path, taken).unlink()
        return BYTES[ref]

    assert adopt(tmp_path, fetch).damage == ""
    assert has_blob(tmp_path, taken)


@pytest.mark.parametrize("name", ["Carol", "../carol"])
def test_a_name_that_cannot_be_one_is_refused(name, tmp_path):
    with pytest.raises(ConfigError, match="session id"):
        check_free(tmp_path, NANO, name)


def test_a_taken_name_is_refused_even_if_taken_at_the_last_moment(tmp_path):
    def fetch(ref):
        (tmp_path / "sessions" / "carol").mkdir(parents=True, exist_ok=True)
        return BYTES[ref]

    with pytest.raises(ConfigError, match="'carol' exists already"):
        adopt(tmp_path, fetch)
    with pytest.raises(ConfigError, match="'carol' exists already"):
        adopt(tmp_path)
    assert list((tmp_path / "sessions" / "carol").iterdir()) == []


@pytest.mark.parametrize(
    "drafts",
    [
        [Draft(state=ref_of(STATES[0]), event={"type": "init"})],
        [DRAFTS[0], Draft(state=ref_of(STATES[1]), event={})],
        [DRAFTS[0], Draft(state=ref_of(STATES[1]), event={"type": "update", "x": float("nan")})],
    ],
    ids=["no model", "no type", "no JSON"],
)
def test_a_chain_that_cannot_be_committed_writes_nothing(drafts, tmp_path):
    with pytest.raises(ConfigError):
        adopt(tmp_path / "tree", drafts=drafts)
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", ["EIO", "killed"])
def test_at_a_failing_call_there_is_the_whole_session_or_none(mode, step, tmp_path):
    def adopt_new(number):
        """A session of its own, with bytes that no other one has."""
        fresh = {data: data + b" of %d" % number for data in BYTES.values()}
        names = {ref_of(data): ref_of(fresh[data]) for data in fresh}
        drafts = [
            replace(one, state=names[one.state], input=one.input and names[one.input])
            for one in DRAFTS
        ]
        fetch = {ref_of(data): data for data in fresh.values()}.get
        return adopt_session(tmp_path, NANO, f"carol{number}", drafts=drafts, fetch=fetch)

    adopt_new(0)  # The folders of blobs are made once, which is the business of another test.
    with failing_call(10**9, mode) as calls:
        adopt_new(10**9)
    for number in range(1, len(calls) + 1, step):
        with failing_call(number, mode), contextlib.suppress(StorageError, Killed):
            adopt_new(number)
        if (tmp_path / "sessions" / f"carol{number}").exists():
            session = open_session(tmp_path, NANO, f"carol{number}")
            assert (session.damage, session.head.n) == ("", 3)
        else:
            assert adopt_new(number).head.n == 3
