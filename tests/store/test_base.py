"""The base that sessions start from."""

import pytest

from tests.store.trees import INIT, flip
from ttt.errors import ConfigError, CorruptArtifactError, NotFoundError
from ttt.store.base import read_base, save_base
from ttt.store.blobs import ref_of
from ttt.store.domains import NANO, TEXT
from ttt.store.sessions import Draft, create_session

WEIGHTS, META = b"weights" * 50, {"steps": 500}


def session_on(root, session_id, weights, domain=NANO):
    event = {**INIT, "base_ckpt_hash": ref_of(weights).sha256}
    return create_session(root, domain, session_id, draft=Draft(state=b"0", event=event))


def test_a_base_comes_back_as_it_was_saved(tmp_path):
    with pytest.raises(NotFoundError, match="Pretrain one first"):
        read_base(tmp_path)
    saved = save_base(tmp_path, WEIGHTS, META)
    assert read_base(tmp_path) == saved
    assert (saved.weights, saved.meta, saved.sha256) == (WEIGHTS, META, ref_of(WEIGHTS).sha256)
    assert (tmp_path / "base" / "base_checkpoint.safetensors").read_bytes() == WEIGHTS
    assert (tmp_path / "base" / "base_meta.json").exists()


def test_the_same_base_again_changes_nothing(tmp_path):
    save_base(tmp_path, WEIGHTS, META)
    session_on(tmp_path, "alice", WEIGHTS)
    assert save_base(tmp_path, WEIGHTS, {"steps": 9}).meta == META


def test_a_base_that_nobody_runs_on_is_replaced(tmp_path):
    save_base(tmp_path, WEIGHTS, META)
    session_on(tmp_path, "chat", WEIGHTS, TEXT)  # Another family: it has bases of its own.
    assert save_base(tmp_path, b"other", {}).weights == b"other"
    assert read_base(tmp_path).weights == b"other"


def test_a_base_that_sessions_run_on_stays_and_they_are_named(tmp_path):
    save_base(tmp_path, WEIGHTS, META)
    for i in range(7):
        session_on(tmp_path, f"s{i}", WEIGHTS)
    with pytest.raises(ConfigError, match=r"7 sessions run .*\(s0, s1, s2, s3, s4, \.\.\.\)"):
        save_base(tmp_path, b"other", {})
    assert read_base(tmp_path).weights == WEIGHTS


def test_a_session_that_cannot_say_what_it_runs_on_counts(tmp_path):
    save_base(tmp_path, WEIGHTS, META)
    session_on(tmp_path, "alice", b"old")
    (tmp_path / "sessions/alice/commits/00000000.json").write_bytes(b"")
    with pytest.raises(ConfigError, match="alice"):
        save_base(tmp_path, b"other", {})


@pytest.mark.parametrize("name", ["base_checkpoint.safetensors", "base_meta.json"])
def test_a_damaged_base_is_found(tmp_path, name):
    save_base(tmp_path, WEIGHTS, META)
    flip(tmp_path / "base" / name, 20)
    with pytest.raises(CorruptArtifactError):
        read_base(tmp_path)
    with pytest.raises(CorruptArtifactError):
        save_base(tmp_path, b"other", {})
