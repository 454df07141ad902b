"""Files in torch's own format: what is written, and what is refused without unpickling.

`convert` is called here on files without malice; `tests/sandbox/test_pt_reading.py` gives it the
others, where it runs for them: in a limited child.
"""

import io
import zipfile
from pathlib import Path

import pytest
import torch

from tests.sandbox.pt_forgery import pickled, saved, with_pickle, zipped
from ttt.errors import ConfigError, InputError
from ttt.store import pt_files
from ttt.store.pt_files import NESTING_MAX, RECORDS_MAX, check_pt, convert, encode_pt
from ttt.store.tensor_files import TENSORS_MAX, decode

PARTS = {"archive/data.pkl": b"\x80\x02}.", "archive/version": b"3\n"}


def converted(value: object) -> dict[str, torch.Tensor]:
    data = saved(value)
    check_pt(data, where="f.pt")
    return decode(convert(data), where="f.pt")


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.bool], ids=str
)
def test_what_is_written_is_read_again_bit_for_bit(dtype):
    tensors = {"W_o": torch.tensor([[0, 1], [1, 0]]).to(dtype), "scalar": torch.tensor(1).to(dtype)}
    data = encode_pt(tensors)
    check_pt(data, where="f.pt")
    back = decode(convert(data), where="f.pt")
    assert back.keys() == tensors.keys()
    assert all(back[name].dtype == dtype and back[name].equal(tensors[name]) for name in back)
    plain = torch.load(io.BytesIO(data), weights_only=True)
    assert plain["W_o"].equal(tensors["W_o"])


def test_equal_tensors_give_equal_files():
    assert encode_pt({"a": torch.ones(3)}) == encode_pt({"a": torch.ones(3)})


def test_no_tensors_at_all_are_a_file_too():
    assert converted({}) == {}


def test_names_of_nested_mappings_are_joined():
    nested = {"a": {"b": torch.ones(1), "c": {"d": torch.zeros(2)}}, "e": torch.ones(3)}
    assert {name: x.numel() for name, x in converted(nested).items()} == {
        "a.b": 1,
        "a.c.d": 2,
        "e": 3,
    }


def test_parameters_and_views_come_back_as_plain_dense_tensors():
    whole = torch.arange(12.0).view(3, 4)
    back = converted({"p": torch.nn.Parameter(whole.clone()), "t": whole.t(), "s": whole[1:, ::2]})
    assert back["p"].equal(whole)
    assert back["t"].equal(whole.t())
    assert back["s"].equal(whole[1:, ::2])
    assert not any(x.requires_grad for x in back.values())


def nested(depth: int) -> object:
    value: object = torch.ones(1)
    for _ in range(depth):
        value = {"x": value}
    return value


def test_mappings_may_be_nested_to_the_bound_and_not_beyond():
    assert len(converted(nested(NESTING_MAX))) == 1
    with pytest.raises(InputError, match=f"more than {NESTING_MAX} deep"):
        converted(nested(NESTING_MAX + 1))


def test_a_mapping_that_stands_in_many_places_is_not_walked_for_ever():
    value: object = {}
    for _ in range(NESTING_MAX - 1):
        value = {f"k{i}": value for i in range(200)}
    with pytest.raises(InputError, match=f"more than {TENSORS_MAX} names in all"):
        converted(value)


REFUSED = {
    "a list": ([torch.ones(1)], "something of type list, not a mapping"),
    "a lone tensor": (torch.ones(1), "something of type Tensor, not a mapping"),
    "a number": ({"step": 5}, "something of type int as 'step'"),
    "text": ({"a": {"b": "text"}}, "something of type str as 'a.b'"),
    "nothing": ({"a": None}, "something of type NoneType"),
    "a name that is a number": ({1: torch.ones(1)}, "a name of type int"),
    "sparse": (lambda: {"a": torch.eye(3).to_sparse()}, "no dense tensor"),
    "compressed": (lambda: {"a": torch.eye(3).to_sparse_csr()}, "no dense tensor"),
    "quantised": (
        lambda: {"a": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)},
        "no dense tensor",
    ),
    "without numbers": ({"a": torch.ones(3, device="meta")}, "no dense tensor"),
    "two of one name": ({"a.b": torch.ones(1), "a": {"b": torch.ones(1)}}, "two tensors called"),
    "repeated by stride": ({"a": torch.ones(1).expand(10**6)}, "more than the .* bytes"),
    "tied": ({"a": (tied := torch.ones(10**4)), "b": tied}, "more than the .* bytes"),
}
UNSAVABLE = {
    "NaN": {"a": torch.tensor([1.0, float("nan")])},
    "infinity": {"a": torch.tensor([float("inf")])},
    "complex": {"a": torch.ones(1, dtype=torch.complex64)},
    "a name that is a path": {"../a": torch.ones(1)},
    "an empty name": {"": torch.ones(1)},
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore")  # Torch warns of its own quantised and sparse tensors.
def test_only_named_dense_tensors_no_larger_than_the_file_are_read(name):
    value, why = REFUSED[name]
    value = value() if callable(value) and not isinstance(value, torch.Tensor) else value
    with pytest.raises((InputError, ConfigError), match=why):
        converted(value)


@pytest.mark.parametrize("name", UNSAVABLE)
def test_what_could_not_be_saved_is_not_read_either(name):
    with pytest.raises((InputError, ConfigError)):
        converted(UNSAVABLE[name])


PICKLES = {
    "a class that is no tensor": (
        pickled({"a": Path("/")}),
        r"it asks for pathlib\.\w+, and nothing",
    ),
    "an empty pickle": (b"", "its pickle cannot be read"),
    "an unfinished pickle": (b"\x80\x02}X\xff\xff\xff\x7fa.", "its pickle cannot be read"),
    "nothing on the stack": (b"\x80\x02.", "its pickle cannot be read"),
    "garbage": (b"garbage", "its pickle cannot be read"),
    "nested without end": (
        b"\x80\x02}X\x01\x00\x00\x00a" + b"(" * 100_000 + b"t" * 100_000 + b"s.",
        "something of type tuple as 'a'",
    ),
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_of_anything_else_is_refused(name):
    data, why = PICKLES[name]
    data = with_pickle(data)
    check_pt(data, where="f.pt")
    with pytest.raises(InputError, match=why):
        convert(data)


GOOD = saved({"a": torch.ones(100)})
NO_ZIP = {
    "empty": b"",
    "text": b"weights",
    "an old pickle": b"\x80\x02}q\x00.",
    "a tar": b"archive/data.pkl".ljust(512, b"\0"),
    "the version 2 pickle of torch before 1.6": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
    "safetensors": (2).to_bytes(8, "little") + b"{}",
}
UNSOUND = {
    "cut off": GOOD[:-1],
    "cut in half": GOOD[: len(GOOD) // 2],
    "one byte": b"PK\x03\x04",
    "a false end": b"PK\x03\x04" + b"PK\x05\x06" + b"\xff" * 18,
    "no list of tensors": zipped({"archive/version": b"3\n"}),
    "no parts": b"PK\x03\x04" + zipped({}),
    "compressed": zipped(PARTS, compression=zipfile.ZIP_DEFLATED),
    "a zip bomb": zipped(
        {**PARTS, "archive/data/0": bytes(1 << 22)}, compression=zipfile.ZIP_DEFLATED
    ),
    "two folders": zipped({**PARTS, "other/data/0": b""}),
    "a part outside": zipped({**PARTS, "../data/0": b""}),
    "an absolute part": zipped({**PARTS, "/data/0": b""}),
    "a part of another name": zipped({**PARTS, "archive/code/x.py": b""}),
    "a long name": zipped({"a" * 200 + "/data.pkl": b"", "a" * 200 + "/version": b""}),
    "a long list of tensors": with_pickle(b"\0" * (pt_files.PICKLE_BYTES_MAX + 1)),
    "many parts": zipped({**PARTS, **{f"archive/data/{i}": b"" for i in range(RECORDS_MAX)}}),
}


@pytest.mark.parametrize("name", NO_ZIP)
def test_what_is_no_zip_is_refused_with_the_remedy(name):
    with pytest.raises(
        InputError, match=r"f is no \.pt file in torch's zip format; save a mapping"
    ):
        check_pt(NO_ZIP[name], where="f")


@pytest.mark.parametrize("name", UNSOUND)
def test_a_zip_that_torch_would_not_write_is_refused_unread(name):
    with pytest.raises(InputError, match=r"f is no sound \.pt file: ") as caught:
        check_pt(UNSOUND[name], where="f")
    assert len(str(caught.value)) < 400


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_part_that_is_there_twice_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("archive/data.pkl", "archive/data/0", "archive/data/0"):
            archive.writestr(name, b"")
    with pytest.raises(InputError, match="there twice"):
        check_pt(buffer.getvalue(), where="f")


def test_parts_that_overlap_are_refused():
    """A small file whose list says the same bytes are many parts: each stored, none compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"}.")
        archive.writestr("archive/data/0", bytes(1 << 16))
        (big,) = (one for one in archive.filelist if one.filename.endswith("0"))
        for i in range(1, 50):
            twin = zipfile.ZipInfo(f"archive/data/{i}")
            twin.file_size = twin.compress_size = big.file_size
            twin.CRC, twin.header_offset = big.CRC, big.header_offset
            archive.filelist.append(twin)
    with pytest.raises(InputError, match="overlap"):
        check_pt(buffer.getvalue(), where="f")


def test_an_encrypted_part_is_refused():
    data = bytearray(zipped(PARTS))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InputError, match="is encrypted"):
        check_pt(bytes(data), where="f")


def test_every_flipped_byte_of_the_zips_ends_is_refused_or_harmless():
    """Nothing but our own refusal may come out, wherever the damage is."""
    for at in (*range(100), *range(len(GOOD) - 700, len(GOOD))):
        for bit in (1, 0x80):
            flipped = bytearray(GOOD)
            flipped[at] ^= bit
            try:
                check_pt(bytes(flipped), where="f")
            except InputError:
                continue


def test_a_file_beyond_the_largest_size_is_refused_unread(monkeypatch):
    monkeypatch.setattr(pt_files, "FILE_BYTES_MAX", len(GOOD))
    check_pt(GOOD, where="f")
    with pytest.raises(InputError, match="f is larger than"):
        check_pt(GOOD + b"\0", where="f")
