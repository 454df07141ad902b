"""Names and places in the artifact tree."""

import os
from pathlib import Path

import pytest

from ttt.errors import ConfigError, CorruptArtifactError, StorageError
from ttt.store import layout

GOOD = ["a", "0", "a-b_c", "9" * 64, "a" + "-" * 63]
BAD = [
    "", "A", "-a", "_a", "a" * 65, "a.b", "a/b", "..", "a b", "a\n", "é", "a\0", "ａ", "../a",
]  # fmt: skip


@pytest.mark.parametrize("value", GOOD)
def test_an_id_of_plain_letters_is_taken(value):
    assert layout.check_id("run id", value) == value


@pytest.mark.parametrize("value", BAD)
def test_any_other_id_is_refused_before_it_becomes_a_path(value, tmp_path):
    for path_of in (layout.text_model, layout.text_training, layout.text_run):
        with pytest.raises(ConfigError, match="cannot be used; give 1 to 64 of a-z"):
            path_of(tmp_path, value)


def test_every_place_stands_below_the_root(tmp_path):
    for path_of in (layout.text_model, layout.text_training, layout.text_run):
        assert path_of(tmp_path, "a").is_relative_to(tmp_path)


def test_a_new_tree_says_which_format_it_has(tmp_path):
    root = tmp_path / "new" / "artifacts"
    assert not layout.check_format(root)
    assert layout.prepare(root) == root / "tmp"
    assert layout.prepare(root) == root / "tmp"
    assert layout.check_format(root)
    assert sorted(one.name for one in root.iterdir()) == ["FORMAT.json", "tmp"]


def test_any_other_format_is_refused_byte_for_byte(tmp_path):
    layout.prepare(tmp_path)
    path = tmp_path / "FORMAT.json"
    right = path.read_bytes()
    wrong = [right.replace(b"1", b"2"), right[:-1], right + b" ", b"", b"\xff"]
    wrong += [right[:i] + bytes([right[i] ^ 1]) + right[i + 1 :] for i in range(len(right))]
    for data in wrong:
        path.write_bytes(data)
        for use in (layout.check_format, layout.prepare):
            with pytest.raises(CorruptArtifactError, match="another --artifacts_root"):
                use(tmp_path)


def test_a_file_in_place_of_the_root_is_told(tmp_path):
    (tmp_path / "root").write_bytes(b"")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        layout.prepare(tmp_path / "root")


def test_saved_things_are_listed_in_order_and_strangers_are_not(tmp_path):
    for name in ("b", "a", "B", ".hidden", "unfinished.1"):
        (tmp_path / name).mkdir()
    assert layout.saved_ids(tmp_path) == ("a", "b")
    assert layout.saved_ids(tmp_path / "none") == ()


def test_a_probe_leaves_nothing_and_says_where_it_was(tmp_path, monkeypatch):
    assert layout.probe_writable(tmp_path) == tmp_path
    assert layout.probe_writable(tmp_path / "not" / "there") == tmp_path
    monkeypatch.chdir(tmp_path)
    assert layout.probe_writable(Path("not/there")) == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_probe_of_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="Cannot write to"):
        layout.probe_writable(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_probe_of_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="permission denied"):
        layout.probe_writable(tmp_path)
