"""Saved folders: whole or absent, and every flipped byte found."""

import hashlib
import json

import pytest

from tests.store.faults import Killed, failing_call, leftovers, traced_calls
from ttt.errors import ConfigError, CorruptArtifactError, StorageError
from ttt.store import layout, records

FILES = {"a.json": b'{"x": 1}', "b.bin": b"\x00\x01\x02", "empty": b""}
SECRET = b"secret"
SECRET_SUM = {"sha256": hashlib.sha256(SECRET).hexdigest(), "size": len(SECRET)}
MODES = ("EIO", "ENOSPC", "ENOSPC for ever", "killed")


def save(root, name="one", **changes):
    given = {"kind": "thing", "files": FILES, "body": {"loss": 1.5}, "record_name": "meta.json"}
    return records.save_folder(root, root / "things" / name, **(given | changes))


def read(root, name="one", kind="thing"):
    folder = root / "things" / name
    record = records.read_record(folder, kind=kind, record_name="meta.json")
    return record, records.read_files(folder, record)


def test_what_was_saved_is_read_and_nothing_unfinished_stays(tmp_path):
    saved = save(tmp_path)
    record, files = read(tmp_path)
    assert record == saved
    assert files == FILES
    assert record.body == {"loss": 1.5}
    assert record.files["b.bin"].sha256 == hashlib.sha256(FILES["b.bin"]).hexdigest()
    assert leftovers(tmp_path) == []


def test_equal_things_give_equal_bytes(tmp_path):
    save(tmp_path / "1")
    save(tmp_path / "2", files=dict(reversed(FILES.items())))
    one, two = ((tmp_path / n / "things/one/meta.json").read_bytes() for n in "12")
    assert one == two


def test_a_name_that_is_taken_is_refused_and_kept(tmp_path):
    save(tmp_path)
    with pytest.raises(StorageError, match="exists already"):
        save(tmp_path, files={"other": b""})
    assert read(tmp_path)[1] == FILES
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/b", "", ".", "..", ".hidden", "a\0", "é", "x" * 97, "meta.json"]
)
def test_a_file_name_that_could_leave_the_folder_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="file name"):
        save(tmp_path, files={name: b""})
    assert not (tmp_path / "things").exists()


def test_a_body_that_is_no_json_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="JSON"):
        save(tmp_path, body={"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_failure_at_any_call_leaves_the_whole_folder_or_none(tmp_path, mode):
    for number in range(1, 200):
        root = tmp_path / str(number)
        root.mkdir()
        saved = False
        with failing_call(number, mode) as seen:
            try:
                save(root)
            except (StorageError, Killed):
                pass
            else:
                saved = True
        if (root / "things" / "one").exists():
            assert read(root)[1] == FILES
            again = "two"
        else:
            assert not saved
            again = "one"
        save(root, again)
        assert read(root, again)[1] == FILES
        if len(seen) < number:
            return
    pytest.fail("never got through")


def test_short_writes_are_continued(tmp_path):
    with failing_call(1, "short") as seen:
        save(tmp_path)
    assert seen.count("write") > sum(map(len, FILES.values()))
    assert read(tmp_path)[1] == FILES


def test_everything_inside_is_synced_before_the_folder_gets_its_name(tmp_path):
    with traced_calls() as trace:
        save(tmp_path)
    final = str(tmp_path / "things" / "one")
    publish = trace.index(("rename", final))
    unfinished = next(path for name, path in trace if name == "mkdir" and "unfinished" in path)
    synced = {path: i for i, (name, path) in enumerate(trace) if name == "fsync"}
    written = [(path, i) for i, (name, path) in enumerate(trace) if name == "write"]
    inside = {f"{unfinished}/{name}" for name in (*FILES, "meta.json")}
    assert inside <= set(synced)
    for path, i in written:
        assert i < synced[path]
    for path in (*inside, unfinished):
        assert synced[path] < publish
    assert synced[str(tmp_path / "things")] > publish


# --- damage ---------------------------------------------------------------------------------------


def test_every_flipped_byte_is_found(tmp_path):
    save(tmp_path)
    folder = tmp_path / "things" / "one"
    flips = 0
    for path in folder.iterdir():
        data = path.read_bytes()
        for i in range(len(data)):
            for bit in (0x01, 0x20, 0x80):  # 0x20 changes a letter's case: JSON may not notice.
                path.write_bytes(data[:i] + bytes([data[i] ^ bit]) + data[i + 1 :])
                with pytest.raises(CorruptArtifactError):
                    read(tmp_path)
                flips += 1
        path.write_bytes(data)
    assert flips > 1500
    assert read(tmp_path)[1] == FILES


@pytest.mark.parametrize("name", [*FILES, "meta.json"])
def test_a_cut_grown_missing_or_linked_file_is_found(tmp_path, name):
    save(tmp_path)
    path = tmp_path / "things" / "one" / name
    data = path.read_bytes()
    damages = [lambda: path.write_bytes(data + b"\n"), path.unlink]
    damages += [lambda: path.write_bytes(data[:-1])] if data else []
    damages += [lambda: path.symlink_to(path.with_name("copy")), path.mkdir]
    (path.with_name("copy")).write_bytes(data)
    for damage in damages:
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        if damage is not damages[1]:
            path.unlink()
        damage()
        with pytest.raises(CorruptArtifactError):
            read(tmp_path)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(data)
    assert read(tmp_path)[1] == FILES


def test_a_missing_folder_is_not_called_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path)


def test_another_kind_and_another_name_are_refused(tmp_path):
    save(tmp_path)
    with pytest.raises(CorruptArtifactError, match="holds a thing, not a model"):
        read(tmp_path, kind="model")
    (tmp_path / "things" / "one").rename(tmp_path / "things" / "two")
    with pytest.raises(CorruptArtifactError, match="saved as 'one'"):
        read(tmp_path, "two")


def forged(plain: dict) -> bytes:
    """A record whose own digest is right, as somebody who knows the format would write it."""

    def canonical(value):
        return (json.dumps(value, sort_keys=True, indent=2) + "\n").encode()

    unsigned = {key: value for key, value in plain.items() if key != "sum"}
    return canonical({**unsigned, "sum": hashlib.sha256(canonical(unsigned)).hexdigest()})


def test_a_forged_record_is_well_formed_so_that_the_next_test_means_something(tmp_path):
    save(tmp_path)
    path = tmp_path / "things" / "one" / "meta.json"
    plain = json.loads(path.read_bytes())
    assert forged(plain) == path.read_bytes()
    path.write_bytes(forged({**plain, "body": {"loss": 0.1}}))
    assert read(tmp_path)[0].body == {"loss": 0.1}


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"../../secret": SECRET_SUM}},
        {"files": {"../one/../../secret": SECRET_SUM}},
        {"files": {"/proc/self/cmdline": {"sha256": "0" * 64, "size": 6}}},
        {"files": {"a": {"sha256": "0" * 64}}},
        {"files": {"a": {"sha256": "0" * 64, "size": 1, "more": 2}}},
        {"files": {"a": 5}},
        {"files": [["a", 5]]},
        {"files": None},
        {"files": {"a.json": {"sha256": "0" * 64, "size": "8"}}},
        {"files": {"a.json": {"sha256": "0" * 64, "size": -1}}},
        {"body": [1]},
        {"body": None},
        {"schema_version": 2},
        {"schema_version": True},
        {"schema_version": None},
        {"kind": None},
    ],
)
def test_a_forged_record_cannot_reach_out_of_its_folder_or_crash_the_reader(tmp_path, change):
    save(tmp_path)
    (tmp_path / "secret").write_bytes(SECRET)
    path = tmp_path / "things" / "one" / "meta.json"
    path.write_bytes(forged({**json.loads(path.read_bytes()), **change}))
    with pytest.raises(CorruptArtifactError):
        read(tmp_path)


def test_a_record_that_is_too_large_or_too_deep_is_refused(tmp_path):
    save(tmp_path)
    path = tmp_path / "things" / "one" / "meta.json"
    for data in (b" " * (records.RECORD_BYTES_MAX + 1), b"[" * 100_000, b"\xff", b"5", b"{}"):
        path.write_bytes(data)
        with pytest.raises(CorruptArtifactError):
            read(tmp_path)


def test_a_tree_of_another_format_is_not_written_to(tmp_path):
    layout.prepare(tmp_path)
    (tmp_path / "FORMAT.json").write_bytes(b"{}")
    with pytest.raises(CorruptArtifactError):
        save(tmp_path)
    assert not (tmp_path / "things").exists()
