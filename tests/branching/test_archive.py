"""One way to write an archive, and one way to be read."""

import io
import subprocess
import tarfile

import pytest

from ttt.branching import archive
from ttt.branching.archive import BLOCK, ArchiveReader, append_end, append_member
from ttt.errors import ConfigError, CorruptArtifactError
from ttt.store.exports import growing_output

MEMBERS = {"bundle.json": b"{}", "objects/a.safetensors": bytes(range(256)) * 2, "empty": b""}


def archived(tmp_path, members=MEMBERS) -> bytes:
    with growing_output(tmp_path / "a.tar") as file:
        for name, data in members.items():
            append_member(file, name, data)
        append_end(file)
    return (tmp_path / "a.tar").read_bytes()


def read_all(data: bytes, names=MEMBERS) -> dict[str, bytes]:
    reader = ArchiveReader(io.BytesIO(data), where="f")
    found = {name: reader.next(name, bytes_max=1 << 20).data for name in names}
    reader.end()
    return found


def test_what_was_written_is_read_again(tmp_path):
    data = archived(tmp_path)
    assert read_all(data) == MEMBERS
    reader = ArchiveReader(io.BytesIO(data), where="f")
    for name, content in MEMBERS.items():
        offset = reader.next(name, bytes_max=1 << 20).offset
        assert data[offset : offset + len(content)] == content


def test_other_programs_can_unpack_it(tmp_path):
    archived(tmp_path)
    with tarfile.open(tmp_path / "a.tar", "r:") as tar:
        assert tar.getnames() == list(MEMBERS)
        assert {one.mtime for one in tar} == {0}
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "xf", "../a.tar"], cwd=tmp_path / "out", check=True)
    assert (tmp_path / "out/objects/a.safetensors").read_bytes() == MEMBERS["objects/a.safetensors"]


def test_nothing_but_names_and_contents_decides_the_bytes(tmp_path, monkeypatch):
    first = archived(tmp_path)
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert archived(tmp_path) == first


def test_a_flipped_bit_in_any_byte_of_header_and_padding_is_seen(tmp_path):
    data = archived(tmp_path, {"a": b"12345"})
    for at in (*range(BLOCK), *range(BLOCK + 5, len(data))):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(CorruptArtifactError):
            read_all(bytes(flipped), ["a"])


def test_a_file_that_is_cut_off_anywhere_is_seen(tmp_path):
    data = archived(tmp_path, {"a": b"12345"})
    for length in range(len(data)):
        with pytest.raises(CorruptArtifactError):
            read_all(data[:length], ["a"])


def test_something_behind_the_end_is_seen(tmp_path):
    with pytest.raises(CorruptArtifactError, match="something stands behind"):
        read_all(archived(tmp_path) + b"\0")


def foreign(**changes) -> bytes:
    """A member as another program would write it: same name and content, one field otherwise."""
    info = tarfile.TarInfo("a")
    info.size, info.mode = 1, 0o644
    kind = changes.pop("format", tarfile.USTAR_FORMAT)
    for field, value in changes.items():
        setattr(info, field, value)
    return info.tobuf(kind) + b"x".ljust(BLOCK, b"\0") + bytes(2 * BLOCK)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.LNKTYPE, "linkname": "b"},
        {"type": tarfile.DIRTYPE},
        {"type": tarfile.FIFOTYPE},
        {"type": tarfile.CHRTYPE},
        {"type": tarfile.GNUTYPE_SPARSE},
        {"mode": 0o4755},
        {"mtime": 1},
        {"uid": 1},
        {"uname": "root"},
        {"name": "/a"},
        {"name": "../a"},
        {"name": "./a"},
        {"name": "b"},
        {"pax_headers": {"path": "a"}, "format": tarfile.PAX_FORMAT},
        {"name": "a" * 200, "format": tarfile.GNU_FORMAT},
    ],
    ids=str,
)
def test_members_of_any_other_kind_are_not_read(changes):
    assert read_all(foreign(), ["a"]) == {"a": b"x"}
    with pytest.raises(CorruptArtifactError, match="a does not follow where it should"):
        read_all(foreign(**changes), ["a"])


def test_a_member_may_be_as_long_as_allowed_and_no_longer(tmp_path):
    data = archived(tmp_path, {"a": b"12345"})
    assert ArchiveReader(io.BytesIO(data), where="f").next("a", bytes_max=5).data == b"12345"
    with pytest.raises(CorruptArtifactError, match="f: a has 5 bytes; 4 is the most"):
        ArchiveReader(io.BytesIO(data), where="f").next("a", bytes_max=4)


def test_a_header_that_claims_more_than_there_is_allocates_nothing():
    info = tarfile.TarInfo("a")
    info.size, info.mode = 8**11 - 1, 0o644
    with pytest.raises(CorruptArtifactError, match="is the most"):
        read_all(info.tobuf(tarfile.USTAR_FORMAT), ["a"])


def test_what_could_not_be_read_again_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MEMBER_BYTES_MAX", 4)
    archived(tmp_path, {"a": b"1234"})
    with pytest.raises(ConfigError, match="a has 5 bytes; 4 is the most"):
        archived(tmp_path, {"a": b"12345"})
