import io
import os
import threading

import pytest

from ttt.errors import InputError
from ttt.monitors import inputs
from ttt.monitors.inputs import Meter, decoded, file_document, stream_document, text_document


@pytest.fixture
def small_pieces(monkeypatch) -> None:
    monkeypatch.setattr(inputs, "PIECE_BYTES", 3)


def read(data: bytes) -> str:
    return "".join(decoded(io.BytesIO(data), "here"))


@pytest.mark.usefixtures("small_pieces")
def test_characters_that_are_split_between_pieces_come_back_whole():
    text = "naïve 青溪镇 🙂 line\r\nend"
    assert read(text.encode()) == text


@pytest.mark.usefixtures("small_pieces")
def test_a_byte_order_mark_is_skipped_at_the_start_only():
    assert read("\ufeffab\ufeff".encode()) == "ab\ufeff"


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"\xff\xfeh\x00", "byte 0 is 0xff"),
        (b"abcdefgh\xe9 i", "byte 8 is 0xe9"),
        (b"abcdefg\xe9\xe9 i", "byte 7 is 0xe9"),
        (b"abcdef\xf0\x9f\x99", "byte 6 is 0xf0"),  # Cut off inside its last character.
        (b"ab\xed\xa0\x80", "byte 2 is 0xed"),  # Half of a surrogate pair.
    ],
)
def test_bytes_that_are_no_utf8_are_refused_with_their_place(data, place):
    with pytest.raises(InputError, match=f"here is not UTF-8 .{place}"):
        read(data)


@pytest.mark.usefixtures("small_pieces")
def test_a_zero_byte_is_refused_with_its_place():
    with pytest.raises(InputError, match=r"here is binary \(byte 7 is zero\)"):
        read(b"abcdefg\0hij")


def test_a_piece_is_handed_on_before_the_stream_ends():
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as stream, os.fdopen(writer, "wb", buffering=0) as end:
        threading.Timer(0.0, end.write, [b"first words "]).start()
        assert next(iter(stream_document(stream).pieces)) == "first words "


def test_a_progress_bar_that_comes_later_is_told_every_byte(tmp_path):
    told = []
    (tmp_path / "a.txt").write_bytes("é and more".encode())
    meter = Meter()
    document = file_document(tmp_path / "a.txt", meter=meter)
    meter.bar = lambda size, *, note="": told.append(size)
    assert "".join(document.pieces) == "é and more"
    assert sum(told) == 11


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"There is no file .*gone\.txt; check the path"):
        file_document(tmp_path / "gone.txt")


def test_a_folder_is_no_text(tmp_path):
    with pytest.raises(InputError, match="is a folder; name one text file"):
        file_document(tmp_path)


@pytest.mark.parametrize("data", [b"", "\ufeff".encode()])
def test_an_empty_file_is_refused(tmp_path, data):
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.txt is empty"):
        file_document(tmp_path / "a.txt")


def test_a_fault_late_in_a_file_is_known_before_any_work(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x" * 100_000 + b"\xff")
    with pytest.raises(InputError, match="byte 100000 is 0xff"):
        file_document(tmp_path / "a.txt")


def test_a_file_that_goes_away_before_it_is_read_is_an_input_error(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("some text")
    document = file_document(path)
    path.unlink()
    with pytest.raises(InputError, match="There is no file"):
        list(document.pieces)


def test_a_pipe_is_a_file_that_is_read_once(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("through a pipe",))
    writer.start()
    assert "".join(file_document(path).pieces) == "through a pipe"
    writer.join()


def test_a_file_that_cannot_be_opened_is_an_input_error(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "loop", tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match="cannot be read"):
            file_document(path)


def test_a_text_at_hand_is_one_piece_and_an_empty_one_is_refused():
    assert list(text_document("some text").pieces) == ["some text"]
    with pytest.raises(InputError, match="empty"):
        text_document("")
