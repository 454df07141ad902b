"""Tensors as safetensors bytes, with every limit checked before a byte is trusted.

The format itself lets through: duplicate header keys (the last wins), names such as `../../x`,
hundreds of thousands of empty tensors, headers of 100 MB, NaN. All of these are refused here, and
so is `__metadata__`, which safetensors writes in random order: equal tensors give equal bytes.
Pickle is not read at all.

`encode` and `decode` are for the tensors of torch, `encode_arrays` and `decode_arrays` for the
arrays of numpy; the bytes are the same, and the second pair never imports torch.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ttt.errors import ConfigError, CorruptArtifactError, SignatureMismatchError
from ttt.lib import strict_json

if TYPE_CHECKING:
    import torch

HEADER_BYTES_MAX = 1 << 20
TENSORS_MAX = 8192
"""Source: own, because a header of 1 MiB has no room for more with names of usual length."""
DIMENSIONS_MAX = 8
_NAME = re.compile(r"[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+){0,31}")
_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "I16": 2,
    "I32": 4,
    "I64": 8,
    "F16": 2,
    "BF16": 2,
    "F32": 4,
    "F64": 8,
}
"""Bytes of one number, by the format's name of its type; types that are missing are refused."""
_ARRAY_NAMES = {
    "|b1": "BOOL",
    "|u1": "U8",
    "|i1": "I8",
    "<i2": "I16",
    "<i4": "I32",
    "<i8": "I64",
    "<f2": "F16",
    "<f4": "F32",
    "<f8": "F64",
}
"""The format's name of each numpy type; big-endian arrays have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """What a tensor looks like, without its values."""

    dtype: str
    """The format's name of the type: `"F32"`, `"BF16"`, `"I64"`, ..."""
    shape: tuple[int, ...]


def specs_of(tensors: Mapping[str, "torch.Tensor"]) -> dict[str, TensorSpec]:
    """The specs of tensors, to compare with those of a file.

    Raises:
        ConfigError: A tensor has a type that cannot be saved.
    """
    names = _format_names()
    found = {}
    for name, tensor in tensors.items():
        if tensor.dtype not in names:
            raise ConfigError(
                f"Tensor {name!r} of type {tensor.dtype} cannot be saved; convert it."
            )
        found[name] = TensorSpec(dtype=names[tensor.dtype], shape=tuple(tensor.shape))
    return found


def encode(tensors: Mapping[str, "torch.Tensor"]) -> bytes:
    """Write tensors as safetensors; equal tensors give equal bytes.

    Args:
        tensors: Finite, on any device, no two of them tied (a tied tensor is saved once, under
            one of its names: two copies would no longer be tied when loaded).

    Raises:
        ConfigError: One of these does not hold, or a name or type cannot be saved.
    """
    from safetensors.torch import save

    specs_of(tensors)
    owner: dict[int, str] = {}
    copies = {}
    for name, tensor in tensors.items():
        _check_name(name)
        first = owner.setdefault(tensor.data_ptr(), name) if tensor.numel() else name
        if first != name:
            raise ConfigError(f"Tensors {first!r} and {name!r} share memory; save one of them.")
        if not _is_finite(tensor):
            raise ConfigError(f"Tensor {name!r} holds NaN or infinity; it is not saved.")
        copies[name] = tensor.detach().cpu().clone().contiguous()
    data = save(copies)
    assert read_header(data, where="new") == specs_of(tensors), "what was written reads otherwise"
    return data


def decode(
    data: bytes, *, where: str, expected: Mapping[str, TensorSpec] | None = None
) -> dict[str, "torch.Tensor"]:
    """Read tensors from safetensors bytes, after the header passed every limit.

    Args:
        data: The file.
        where: Its name, for messages.
        expected: The tensors there must be, all of them and no other; None takes what there is.

    Returns:
        Finite CPU tensors by name.

    Raises:
        CorruptArtifactError: The bytes break a limit, or hold NaN or infinity.
        SignatureMismatchError: They are tensors of something else.
    """
    found = read_header(data, where=where)
    if expected is not None:
        _compare(found, expected, where)
    from safetensors.torch import load

    tensors: dict[str, torch.Tensor] = load(data)
    for name, tensor in tensors.items():
        if not _is_finite(tensor):
            raise CorruptArtifactError(f"{where}: tensor {name!r} holds NaN or infinity.")
    return tensors


def encode_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Write arrays as safetensors; equal arrays give equal bytes.

    Args:
        arrays: Finite; arrays are values, so two may share memory and come back as two.

    Raises:
        ConfigError: One holds NaN or infinity, or a name or type cannot be saved.
    """
    from safetensors.numpy import save

    specs = {}
    for name, array in arrays.items():
        _check_name(name)
        if array.dtype.str not in _ARRAY_NAMES:
            raise ConfigError(f"Array {name!r} of type {array.dtype} cannot be saved; convert it.")
        if not np.isfinite(array).all():
            raise ConfigError(f"Array {name!r} holds NaN or infinity; it is not saved.")
        specs[name] = TensorSpec(dtype=_ARRAY_NAMES[array.dtype.str], shape=array.shape)
    data: bytes = save(
        {name: np.ascontiguousarray(a).reshape(a.shape) for name, a in arrays.items()}
    )
    assert read_header(data, where="new") == specs, "what was written reads otherwise"
    return data


def decode_arrays(
    data: bytes, where: str, expected: Mapping[str, TensorSpec] | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Read arrays from safetensors bytes, after the header passed every limit.

    Args:
        data: The file.
        where: Its name, for messages.
        expected: The arrays there must be, all of them and no other; None takes what there is.

    Returns:
        Finite read-only arrays by name.

    Raises:
        CorruptArtifactError: The bytes break a limit, or hold NaN or infinity, or a type that
            numpy does not have.
        SignatureMismatchError: They are arrays of something else.
    """
    found = read_header(data, where=where)
    if expected is not None:
        _compare(found, expected, where)
    if unknown := {spec.dtype for spec in found.values()}.difference(_ARRAY_NAMES.values()):
        raise CorruptArtifactError(f"{where} holds {', '.join(sorted(unknown))}, no array's type.")
    from safetensors.numpy import load

    arrays: dict[str, npt.NDArray[Any]] = load(data)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise CorruptArtifactError(f"{where}: array {name!r} holds NaN or infinity.")
        array.flags.writeable = False
    return arrays


def read_header(data: bytes, *, where: str) -> dict[str, TensorSpec]:
    """The specs in a safetensors header, all limits checked; no tensor is built.

    Raises:
        CorruptArtifactError: The header is too long, no strict JSON, or describes tensors whose
            names, types, shapes or places are not as they must be.
    """
    try:
        return _parse_header(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptArtifactError(f"{where} is not a valid safetensors file: {error}.") from error


def _parse_header(data: bytes) -> dict[str, TensorSpec]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= length <= min(HEADER_BYTES_MAX, len(data) - 8):
        raise ValueError(f"its header claims {length} bytes of {len(data)}")
    header = strict_json.loads(data[8 : 8 + length])
    if not isinstance(header, dict) or len(header) > TENSORS_MAX:
        raise ValueError(f"its header is no mapping of at most {TENSORS_MAX} tensors")
    specs, spans = {}, []
    for name, entry in header.items():
        specs[name], span = _parse_entry(name, entry)
        spans.append(span)
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise ValueError(f"its tensors overlap or leave a gap at byte {position}")
        position = end
    if position != len(data) - 8 - length:
        raise ValueError("its tensors do not fill the file")
    return specs


def _parse_entry(name: str, entry: dict[str, object]) -> tuple[TensorSpec, tuple[int, int]]:
    """One tensor's spec and the place of its bytes; any wrong type raises."""
    if not _NAME.fullmatch(name) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"the entry {name[:80]!r} is not that of a tensor")
    dtype, shape, offsets = str(entry["dtype"]), entry["shape"], entry["data_offsets"]
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or any(type(n) is not int or n < 0 for n in numbers):
            raise ValueError(f"the numbers of {name!r} are no whole numbers of at least 0")
    assert isinstance(shape, list)
    assert isinstance(offsets, list)
    if len(shape) > DIMENSIONS_MAX or len(offsets) != 2:
        raise ValueError(f"the entry {name!r} has too many numbers")
    if dtype not in _BYTES:
        raise ValueError(f"the type {dtype[:80]!r} of {name!r} is not one of {', '.join(_BYTES)}")
    begin, end = offsets
    if end - begin != math.prod(shape) * _BYTES[dtype]:
        raise ValueError(f"the shape of {name!r} does not fit its bytes")
    return TensorSpec(dtype=dtype, shape=tuple(shape)), (begin, end)


def _compare(
    found: Mapping[str, TensorSpec], expected: Mapping[str, TensorSpec], where: str
) -> None:
    """Refuse tensors that are not those of the model; the message names the first difference."""
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise SignatureMismatchError(
                f"{where} belongs to a different model: tensor {name!r} is "
                f"{_shown(found.get(name))} there, but {_shown(expected.get(name))} here."
            )


def _shown(spec: TensorSpec | None) -> str:
    return "absent" if spec is None else f"{spec.dtype}{list(spec.shape)}"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"The tensor name {name!r} cannot be saved; give words and dots.")


def _is_finite(tensor: "torch.Tensor") -> bool:
    return not tensor.is_floating_point() or bool(tensor.isfinite().all())


def _format_names() -> dict["torch.dtype", str]:
    import torch

    return {
        torch.bool: "BOOL",
        torch.uint8: "U8",
        torch.int8: "I8",
        torch.int16: "I16",
        torch.int32: "I32",
        torch.int64: "I64",
        torch.float16: "F16",
        torch.bfloat16: "BF16",
        torch.float32: "F32",
        torch.float64: "F64",
    }
