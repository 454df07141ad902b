"""Tensors as bytes: what is written, and what is refused before a tensor is built."""

import json

import numpy as np
import pytest
import torch

from ttt.errors import ConfigError, CorruptArtifactError, SignatureMismatchError
from ttt.store.tensor_files import (
    HEADER_BYTES_MAX,
    TENSORS_MAX,
    TensorSpec,
    decode,
    decode_arrays,
    encode,
    encode_arrays,
    read_header,
    specs_of,
)

TYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.float16, torch.bfloat16, torch.float32, torch.float64,
]  # fmt: skip


def forged(header, data: bytes = b"", *, length: int | None = None) -> bytes:
    """A file with this header, as an attacker would write it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(begin=0, end=4, dtype="F32", shape=(1,)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def test_the_forger_can_write_a_good_file_so_that_its_bad_ones_mean_something():
    tensors = decode(forged({"a": entry()}, b"\0\0\x80\x3f"), where="f")
    assert tensors["a"].tolist() == [1.0]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_every_type_comes_back_bit_for_bit(dtype):
    tensor = torch.tensor([[0, 1, 1], [1, 0, 1]]).to(dtype)
    back = decode(
        encode({"a.b-c_0": tensor, "empty": tensor[:0], "scalar": tensor[0, 1]}), where="f"
    )
    assert back["a.b-c_0"].dtype == dtype
    assert torch.equal(back["a.b-c_0"], tensor)
    assert back["empty"].shape == (0, 3)
    assert back["scalar"].shape == ()


def test_equal_tensors_give_equal_bytes_whatever_their_order_and_strides():
    a, b = torch.randn(3, 5), torch.arange(4)
    assert encode({"a": a, "b": b}) == encode({"b": b.clone(), "a": a.t().contiguous().t()})


def test_saving_leaves_the_tensors_alone():
    weight = torch.nn.Parameter(torch.randn(2, 2))
    encode({"a": weight})
    assert weight.requires_grad


def test_no_tensors_at_all_can_be_saved():
    assert decode(encode({}), where="f") == {}


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_neither_written_nor_read(bad):
    with pytest.raises(ConfigError, match="'a' holds NaN or infinity"):
        encode({"a": torch.tensor([1.0, bad])})
    data = torch.tensor([bad]).numpy().tobytes()
    with pytest.raises(CorruptArtifactError, match="'a' holds NaN or infinity"):
        decode(forged({"a": entry()}, data), where="f")


@pytest.mark.parametrize(
    "tied", [lambda a: a, lambda a: a.t(), lambda a: a.view(-1), lambda a: a.detach()]
)
def test_tied_tensors_are_refused_because_they_would_come_back_untied(tied):
    weight = torch.randn(3, 3)
    with pytest.raises(ConfigError, match="'a' and 'b' share memory"):
        encode({"a": weight, "b": tied(weight)})


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", "a..b", ".a", "a.", "a b", "é", "__metadata__ "]
)
def test_a_name_that_could_be_a_path_is_neither_written_nor_read(name):
    with pytest.raises(ConfigError, match="name"):
        encode({name: torch.zeros(1)})
    with pytest.raises(CorruptArtifactError):
        read_header(forged({name: entry()}, b"\0" * 4), where="f")


def test_a_type_that_cannot_be_saved_is_refused():
    with pytest.raises(ConfigError, match="complex64"):
        encode({"a": torch.zeros(1, dtype=torch.complex64)})


BAD_HEADERS = {
    "no bytes": b"",
    "seven bytes": b"\0" * 7,
    "length only": (2).to_bytes(8, "little"),
    "length beyond the file": forged({"a": entry()}, b"\0" * 4, length=10**6),
    "largest length": forged({"a": entry()}, b"\0" * 4, length=2**64 - 1),
    "length zero": forged({"a": entry()}, b"\0" * 4, length=0),
    "header bomb": forged(b"{" + b" " * HEADER_BYTES_MAX + b"}"),
    "no JSON": forged(b"{a}"),
    "no UTF-8": forged(b'{"\xff": 1}'),
    "deep": forged(b"[" * 100_000),
    "a list": forged([1]),
    "a number": forged(b"12"),
    "key twice": forged(b'{"a":%b,"a":%b}' % ((json.dumps(entry()).encode(),) * 2), b"\0" * 4),
    "metadata": forged({"__metadata__": {"format": "pt"}, "a": entry()}, b"\0" * 4),
    "entry is a number": forged({"a": 5}),
    "entry is a list": forged({"a": ["dtype", "shape", "data_offsets"]}, b""),
    "entry is text": forged({"a": "dtype"}),
    "entry lacks a field": forged({"a": {"dtype": "F32", "shape": [1]}}, b"\0" * 4),
    "entry has one more field": forged({"a": {**entry(), "x": 1}}, b"\0" * 4),
    "unknown type": forged({"a": entry(dtype="F8_E4M3", end=1)}, b"\0"),
    "type is a list": forged({"a": {**entry(), "dtype": ["F32"]}}, b"\0" * 4),
    "shape is text": forged({"a": {**entry(), "shape": "1"}}, b"\0" * 4),
    "shape holds a boolean": forged({"a": {**entry(), "shape": [True]}}, b"\0" * 4),
    "shape holds a fraction": forged({"a": {**entry(), "shape": [1.0]}}, b"\0" * 4),
    "negative shape": forged({"a": entry(shape=(-1, -1))}, b"\0" * 4),
    "nine dimensions": forged({"a": entry(shape=[1] * 9)}, b"\0" * 4),
    "shape too large for its bytes": forged({"a": entry(shape=(2**40, 2**40))}, b"\0" * 4),
    "shape too small for its bytes": forged({"a": entry(shape=(0,))}, b"\0" * 4),
    "one offset": forged({"a": {**entry(), "data_offsets": [0]}}, b"\0" * 4),
    "three offsets": forged({"a": {**entry(), "data_offsets": [0, 4, 4]}}, b"\0" * 4),
    "offsets backwards": forged({"a": entry(4, 0)}, b"\0" * 4),
    "offset beyond the file": forged({"a": entry(4, 8)}, b"\0" * 4),
    "huge offset": forged({"a": entry(10**30, 10**30 + 4)}, b"\0" * 4),
    "gap": forged({"a": entry(0, 4), "b": entry(8, 12)}, b"\0" * 12),
    "gap in front": forged({"a": entry(4, 8)}, b"\0" * 8),
    "overlap": forged({"a": entry(0, 4), "b": entry(2, 6)}, b"\0" * 6),
    "the same bytes twice": forged({"a": entry(0, 4), "b": entry(0, 4)}, b"\0" * 4),
    "bytes after the last tensor": forged({"a": entry()}, b"\0" * 5),
    "bytes missing": forged({"a": entry()}, b"\0" * 3),
    "too many tensors": forged(
        {f"t{i}": entry(0, 0, shape=(0,)) for i in range(TENSORS_MAX + 1)}
    ),
    "a zip": b"PK\x03\x04" + b"\0" * 100,
    "a pickle": b"\x80\x04\x95" + b"\0" * 100,
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_a_hostile_header_is_refused_before_any_tensor_is_built(name, monkeypatch):
    import safetensors.torch

    def must_not_run(*_):
        raise AssertionError("the library was reached")

    monkeypatch.setattr(safetensors.torch, "load", must_not_run)
    with pytest.raises(CorruptArtifactError, match="f is not a valid safetensors file") as caught:
        decode(BAD_HEADERS[name], where="f")
    assert len(str(caught.value)) < 500


def test_the_largest_count_and_header_that_may_be_are_read():
    many = forged({f"t{i}": entry(0, 0, shape=(0,)) for i in range(TENSORS_MAX)})
    assert len(read_header(many, where="f")) == TENSORS_MAX
    text = json.dumps({"a": entry()}).encode()
    padded = forged(text + b" " * (HEADER_BYTES_MAX - len(text)), b"\0" * 4)
    assert len(read_header(padded, where="f")) == 1


MODEL = {"w": torch.zeros(2, 3), "b": torch.zeros(3)}


@pytest.mark.parametrize(
    "other",
    [
        {"w": torch.zeros(2, 3)},
        {**MODEL, "extra": torch.zeros(1)},
        {"w": torch.zeros(3, 2), "b": torch.zeros(3)},
        {"w": torch.zeros(2, 3).half(), "b": torch.zeros(3)},
        {"W": torch.zeros(2, 3), "b": torch.zeros(3)},
        {},
    ],
)
def test_tensors_of_another_model_are_refused(other):
    with pytest.raises(SignatureMismatchError, match="f belongs to a different model: tensor"):
        decode(encode(other), where="f", expected=specs_of(MODEL))


def test_tensors_of_the_expected_model_are_read():
    assert set(decode(encode(MODEL), where="f", expected=specs_of(MODEL))) == {"w", "b"}
    assert specs_of(MODEL)["w"] == TensorSpec(dtype="F32", shape=(2, 3))


# --- arrays ---------------------------------------------------------------------------------------

ARRAY_TYPES = ["?", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


@pytest.mark.parametrize("dtype", ARRAY_TYPES)
def test_every_type_of_array_comes_back_bit_for_bit(dtype):
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    data = encode_arrays({"a.b-c_0": array, "empty": array[:0], "scalar": array[0, 1]})
    back = decode_arrays(data, "f")
    assert back["a.b-c_0"].dtype == array.dtype
    assert back["a.b-c_0"].tobytes() == array.tobytes()
    assert (back["empty"].shape, back["scalar"].shape) == ((0, 3), ())
    assert not back["a.b-c_0"].flags.writeable


def test_arrays_and_tensors_of_equal_values_give_the_same_bytes():
    weight = torch.randn(3, 5, dtype=torch.float64)
    assert encode_arrays({"w": weight.numpy()}) == encode({"w": weight})


def test_equal_arrays_give_equal_bytes_whatever_their_order_and_strides():
    a, b = np.arange(15.0).reshape(3, 5), np.arange(4)
    turned = np.ascontiguousarray(a.T).T
    assert not turned.flags.c_contiguous
    assert encode_arrays({"a": a, "b": b}) == encode_arrays({"b": b, "a": turned})


def test_arrays_that_share_memory_come_back_as_two_values():
    a = np.arange(4.0)
    back = decode_arrays(encode_arrays({"a": a, "b": a[:2]}), "f")
    assert (back["a"].tolist(), back["b"].tolist()) == ([0, 1, 2, 3], [0, 1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_array_that_is_not_finite_is_neither_written_nor_read(bad):
    with pytest.raises(ConfigError, match="'a' holds NaN or infinity"):
        encode_arrays({"a": np.array([1.0, bad])})
    with pytest.raises(CorruptArtifactError, match="'a' holds NaN or infinity"):
        decode_arrays(forged({"a": entry()}, np.float32(bad).tobytes()), "f")


@pytest.mark.parametrize("array", [np.zeros(1, ">f8"), np.zeros(1, "c16"), np.array(["x"])])
def test_an_array_of_a_type_that_cannot_be_saved_is_refused(array):
    with pytest.raises(ConfigError, match=r"'a' of type .* cannot be saved; convert it"):
        encode_arrays({"a": array})


def test_an_array_under_a_name_that_could_be_a_path_is_refused():
    with pytest.raises(ConfigError, match="name"):
        encode_arrays({"../x": np.zeros(1)})


def test_a_type_that_arrays_do_not_have_is_told():
    with pytest.raises(CorruptArtifactError, match="f holds BF16"):
        decode_arrays(forged({"a": entry(0, 2, "BF16")}, b"\0\0"), "f")


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_a_hostile_header_is_refused_before_any_array_is_built(name):
    with pytest.raises(CorruptArtifactError, match="f is not a valid safetensors file"):
        decode_arrays(BAD_HEADERS[name], "f")


def test_arrays_of_another_model_are_refused():
    expected = {"w": TensorSpec(dtype="F64", shape=(2,))}
    data = encode_arrays({"w": np.zeros(2)})
    assert list(decode_arrays(data, "f", expected)) == ["w"]
    for other in (
        {"w": np.zeros(3)},
        {"w": np.zeros(2, "f4")},
        {},
        {"w": np.zeros(2), "x": np.zeros(1)},
    ):
        with pytest.raises(SignatureMismatchError, match="different model"):
            decode_arrays(encode_arrays(other), "f", expected)
