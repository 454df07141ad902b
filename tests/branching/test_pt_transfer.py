"""Weights out as `.pt` files and in again, as the beginning of a new session."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.branching.toy import Toy, fresh_state, new_session, random_lessons, teach, weights
from tests.sandbox.pt_forgery import saved
from ttt.branching.arrays import arrays_of
from ttt.branching.pt_transfer import Like, like_session
from ttt.branching.transfer import export_session, import_session
from ttt.errors import ConfigError, InputError, NotFoundError, SignatureMismatchError
from ttt.store.blobs import read_blob
from ttt.store.domains import NANO
from ttt.store.sessions import Session
from ttt.store.tensor_files import decode_arrays, encode_arrays

EVENT = {"type": "init", "model_signature": "toy-model", "base_ckpt_hash": "toy-base"}
LIKE = Like(state=fresh_state(), event=EVENT)


@pytest.fixture(scope="module")
def alice(tmp_path_factory) -> Session:
    return teach(new_session(tmp_path_factory.mktemp("source")), Toy(), random_lessons(3))


@pytest.fixture(scope="module")
def folder(alice, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "alice"
    export_session(alice, path, pt=True)
    return path


@pytest.fixture
def read_directly(monkeypatch):
    """Skip the child, which `tests/sandbox` is about, where a test asks what comes after it."""
    from ttt.branching import pt_transfer
    from ttt.store.pt_files import convert

    monkeypatch.setattr(pt_transfer, "read_pt", lambda data, *, where: convert(data))


def state_of(session: Session) -> dict[str, np.ndarray]:
    return arrays_of(read_blob(session.root, session.head.blob))


def test_other_programs_find_plain_tensors_under_plain_names(alice, folder):
    assert sorted(p.name for p in folder.iterdir()) == [
        "meta.json",
        "optim_state.pt",
        "plastic_state.pt",
    ]
    found = torch.load(folder / "plastic_state.pt", weights_only=True)
    assert found.keys() == {"w"}
    assert np.array_equal(found["w"].numpy(), weights(alice))
    assert torch.load(folder / "optim_state.pt", weights_only=True).keys() == {"total"}
    meta = json.loads((folder / "meta.json").read_text())
    assert (meta["session_id"], meta["n"], meta["model_signature"]) == ("alice", 3, "toy-model")


@pytest.mark.usefixtures("read_directly")
def test_a_folder_comes_back_as_the_same_state(alice, folder, tmp_path):
    carol = import_session(tmp_path, NANO, folder, "carol", like=like_session(alice))
    assert read_blob(tmp_path, carol.head.blob) == read_blob(alice.root, alice.head.blob)
    assert (carol.head.n, carol.head.kind) == (0, "import")
    assert carol.head.event["optimizer"] == "imported"
    assert carol.model_signature == "toy-model"
    assert carol.base_ckpt_hash == "toy-base"
    assert teach(carol, Toy(), random_lessons(1)).head.n == 1


def test_weights_alone_take_everything_else_from_the_state_to_go_by(alice, folder, tmp_path):
    """Through the child, as every `.pt` file outside of these tests."""
    state = encode_arrays({**arrays_of(fresh_state()), "session.k": np.array([7.0])})
    like = Like(state=state, event=EVENT)
    path = folder / "plastic_state.pt"
    carol = import_session(tmp_path, NANO, path, "carol", like=like)
    found = state_of(carol)
    assert np.array_equal(found["plastic.w"], weights(alice))
    assert np.array_equal(found["optim.total"], np.zeros(3))
    assert found["session.k"].tolist() == [7.0]
    assert carol.head.event["optimizer"] == "reset"


@pytest.mark.usefixtures("read_directly")
def test_a_memory_that_does_not_fit_exactly_is_left_aside_and_said_so(alice, tmp_path):
    shapes = {"total": torch.ones(4, dtype=torch.float64)}
    types = {"total": torch.ones(3, dtype=torch.float32)}
    more = {"total": torch.ones(3, dtype=torch.float64), "more": torch.ones(1)}
    for number, memory in enumerate((shapes, types, more, {})):
        path = tmp_path / str(number)
        path.mkdir()
        (path / "plastic_state.pt").write_bytes(saved({"w": torch.ones(2, 3).double()}))
        (path / "optim_state.pt").write_bytes(saved(memory))
        carol = import_session(tmp_path, NANO, path, f"carol{number}", like=LIKE)
        assert carol.head.event["optimizer"] == "reset"
        assert np.array_equal(state_of(carol)["optim.total"], np.zeros(3))


def test_what_commit_0_records_is_handed_on_but_not_what_happened_there(alice):
    like = like_session(alice)
    assert like.event == {"model_signature": "toy-model", "base_ckpt_hash": "toy-base"}
    assert decode_arrays(like.state, where="f")["plastic.w"].any() == np.False_


@pytest.mark.usefixtures("read_directly")
@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({"w": torch.ones(3, 2).double()}, r"'w' is F64\[3, 2\] there, but F64\[2, 3\] here"),
        ({"w": torch.ones(2, 3)}, r"'w' is F32\[2, 3\] there, but F64"),
        ({"plastic.w": torch.ones(2, 3).double()}, "'plastic.w' is .* there, but absent here"),
        ({}, "'w' is absent there"),
        ({"w": torch.ones(2, 3).double(), "v": torch.ones(1)}, "'v' is .* there, but absent here"),
    ],
    ids=["shape", "type", "name", "missing", "one more"],
)
def test_weights_of_another_model_are_refused(tensors, why, tmp_path):
    path = tmp_path / "w.pt"
    path.write_bytes(saved(tensors))
    with pytest.raises(SignatureMismatchError, match=why):
        import_session(tmp_path / "tree", NANO, path, "carol", like=LIKE)
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize(
    ("meta", "error", "why"),
    [
        (b"{", InputError, "is no JSON"),
        (b"[]", InputError, "does not say that this is a nano session's"),
        (b'{"domain":"text"}', InputError, "does not say that this is a nano session's"),
        (b'{"domain":"nano","model_signature":"x"}', SignatureMismatchError, "belong to the model"),
        (b" " * 70_000, InputError, "is larger than the 65536 bytes"),
    ],
    ids=["no JSON", "a list", "other domain", "other model", "too long"],
)
def test_a_folder_that_says_it_is_anothers_is_refused_unopened(meta, error, why, tmp_path):
    (tmp_path / "meta.json").write_bytes(meta)
    (tmp_path / "plastic_state.pt").write_bytes(b"never opened")
    with pytest.raises(error, match=why):
        import_session(tmp_path / "tree", NANO, tmp_path, "carol", like=LIKE)
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize("name", ["w.pt", "w"])
def test_what_is_no_sound_file_is_refused_and_nothing_written(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04" + b"x" * 100)
    with pytest.raises(InputError, match=r"is no sound \.pt file"):
        import_session(tmp_path / "tree", NANO, path, "carol", like=LIKE)
    assert not (tmp_path / "tree").exists()


def test_weights_without_a_state_to_go_by_make_no_session(folder, tmp_path):
    with pytest.raises(ConfigError, match="Weights alone make no session"):
        import_session(tmp_path / "tree", NANO, folder, "carol")


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match=r"plastic_state\.pt"):
        import_session(tmp_path / "tree", NANO, tmp_path, "carol", like=LIKE)


def test_a_taken_name_is_refused_before_a_child_is_started(alice, folder):
    with pytest.raises(ConfigError, match="'alice' exists already"):
        import_session(alice.root, NANO, folder, "alice", like=LIKE)


def test_a_folder_that_is_there_is_never_written_into(alice, folder, tmp_path):
    with pytest.raises(ConfigError, match="something stands there"):
        export_session(alice, folder, pt=True)
    with pytest.raises(ConfigError, match="there is no folder"):
        export_session(alice, tmp_path / "a" / "b", pt=True)
