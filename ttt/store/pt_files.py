"""Tensors as `.pt` files, torch's own format: written for other programs, read with suspicion.

A `.pt` file is a zip with a pickle in it. This process writes such files and looks at the zip of
those it is given; it never unpickles. `convert` does, with `weights_only`, and is called in a
limited child alone (`ttt.sandbox.pt_reading`): torch's restricted unpickler runs no code, yet it
lets a file of 500 kB become tensors of 500 MB, and has had faults before.
"""

import io
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Final

from ttt.errors import InputError
from ttt.store import tensor_files

if TYPE_CHECKING:
    import torch

FILE_BYTES_MAX: Final = 1 << 28
"""Source: own, because plastic states are a few megabytes; whole models are not imported."""
PICKLE_BYTES_MAX: Final = 1 << 20
"""Of the part that lists the tensors. Source: as for a safetensors header, which says as much."""
RECORDS_MAX: Final = tensor_files.TENSORS_MAX + 16
"""Files in the zip: a tensor's numbers are one each, and there are a few small ones."""
NESTING_MAX: Final = 8
"""Mappings within mappings."""
NAME_CHARACTERS_MAX: Final = 200
NAME_SHOWN: Final = 80
"""Characters of a name that a message quotes."""
_REMEDY: Final = "save a mapping of names to tensors with torch.save, unchanged since torch 1.6"
_RECORD = re.compile(r"data\.pkl|byteorder|version|\.[a-z_/]{1,64}|data/[0-9]{1,8}")
_CENTRAL_SIGNATURE: Final = b"PK\x01\x02"
_ENCRYPTED: Final = 1
_UNREADABLE: Final = (
    UnpicklingError, EOFError, LookupError, TypeError, ValueError, AttributeError, struct.error,
)  # fmt: skip
"""What torch's unpickler raises on bytes that are no pickle, or not one of tensors."""


def encode_pt(tensors: Mapping[str, "torch.Tensor"]) -> bytes:
    """Write tensors as `torch.save` does; equal tensors give equal bytes with one version of torch.

    Args:
        tensors: By name, as `tensor_files.decode` returns them.
    """
    import torch

    buffer = io.BytesIO()
    torch.save(dict(tensors), buffer)
    return buffer.getvalue()


def check_pt(data: bytes, *, where: str) -> None:
    """Look at the zip of a `.pt` file, as far as it can be told without unpickling.

    Nothing in it may be compressed (torch never does), so no file unpacks to more than itself.
    Torch has its own way to read a zip: what the two see differently, the child's limits hold.

    Args:
        data: The file.
        where: Its name, for messages.

    Raises:
        InputError: It is no such file, or breaks a limit.
    """
    if len(data) > FILE_BYTES_MAX:
        raise InputError(f"{where} is larger than the {FILE_BYTES_MAX} bytes a .pt file may have.")
    if not data.startswith(b"PK\x03\x04"):
        raise InputError(f"{where} is no .pt file in torch's zip format; {_REMEDY}.")
    try:
        _check_records(data)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error) as error:
        raise InputError(f"{where} is no sound .pt file: {error}; {_REMEDY}.") from error


def convert(data: bytes) -> bytes:
    """Unpickle a `.pt` file and write what it holds as safetensors. Only for a limited child.

    Args:
        data: A file that passed `check_pt`.

    Returns:
        The tensors; those of a mapping within a mapping are named `outer.inner`.

    Raises:
        InputError: It holds something else than named, dense, finite tensors, or tensors that are
            larger than the file (views that repeat what they show).
        ConfigError: A name or type cannot be saved, or two tensors share memory.
        RuntimeError: Torch cannot read the zip, or gets no memory.
    """
    import torch

    try:
        loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        named = re.search(r"GLOBAL ([\w.]{1,200})", str(error))
        what = f"it asks for {named[1]}" if named else "its pickle cannot be read"
        raise InputError(f"{what}, and nothing but tensors is loaded") from error
    tensors: dict[str, torch.Tensor] = {}
    unpacked_bytes = 0
    for name, tensor in _named_tensors(loaded):
        unpacked_bytes += tensor.numel() * tensor.element_size()
        if unpacked_bytes > len(data):
            raise InputError(
                f"its tensors come to more than the {len(data)} bytes of the file: views that "
                "repeat numbers, or tied tensors; save contiguous copies"
            )
        if name in tensors:
            raise InputError(f"it has two tensors called {name!r}")
        tensors[name] = tensor.detach()
    return tensor_files.encode(tensors)


def _check_records(data: bytes) -> None:
    """Raise `ValueError`, or what `zipfile` raises, for a zip that torch would not write."""
    # Before the list is parsed: each of its entries begins with these bytes.
    if data.count(_CENTRAL_SIGNATURE) > RECORDS_MAX:
        raise ValueError(f"it has more than {RECORDS_MAX} parts")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = archive.infolist()
    stem = records[0].filename.partition("/")[0] if records else ""
    names = [_record_name(record, stem) for record in records]
    if len(set(names)) != len(names) or "data.pkl" not in names:
        raise ValueError("one of its parts is there twice, or its list of tensors is missing")
    if sum(record.file_size for record in records) > len(data):
        raise ValueError("its parts overlap")


def _record_name(record: zipfile.ZipInfo, stem: str) -> str:
    """The name of a part within its folder; raises `ValueError` if torch would not write it so."""
    folder, _, name = record.filename.partition("/")
    shown = repr(record.filename[:NAME_SHOWN])
    if len(record.filename) > NAME_CHARACTERS_MAX or not _RECORD.fullmatch(name) or folder != stem:
        raise ValueError(f"its part {shown} is none of torch's")
    if record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size:
        raise ValueError(f"its part {shown} is compressed")
    if record.flag_bits & _ENCRYPTED:
        raise ValueError(f"its part {shown} is encrypted")
    if name == "data.pkl" and record.file_size > PICKLE_BYTES_MAX:
        raise ValueError(f"its list of tensors is larger than {PICKLE_BYTES_MAX} bytes")
    return name


def _named_tensors(loaded: object) -> Iterator[tuple[str, "torch.Tensor"]]:
    """The tensors of mappings within mappings, each by all the names on the way to it.

    A mapping may stand in many places at once, so a small file can hold more of them than could
    ever be visited: both their number and their depth are bounded.
    """
    import torch

    if not isinstance(loaded, dict):
        raise InputError(f"it holds something of type {type(loaded).__name__}, not a mapping")
    pending: list[tuple[str, object, int]] = [("", loaded, 0)]
    visited = 0
    while pending:
        name, value, depth = pending.pop()
        if isinstance(value, dict):
            visited += len(value)
            if depth >= NESTING_MAX or visited > tensor_files.TENSORS_MAX:
                raise InputError(
                    f"its mappings are more than {NESTING_MAX} deep, or hold more than "
                    f"{tensor_files.TENSORS_MAX} names in all"
                )
            for key, inner in value.items():
                if type(key) is not str:
                    raise InputError(f"it has a name of type {type(key).__name__}; names are text")
                pending.append((f"{name}.{key}" if name else key, inner, depth + 1))
        elif type(value) in (torch.Tensor, torch.nn.Parameter):
            assert isinstance(value, torch.Tensor), "just compared"
            _check_dense(name[:NAME_SHOWN], value)
            yield name, value
        else:
            shown = name[:NAME_SHOWN]
            raise InputError(f"it holds something of type {type(value).__name__} as {shown!r}")


def _check_dense(name: str, tensor: "torch.Tensor") -> None:
    """Refuse tensors that are no plain array of numbers in memory."""
    import torch

    dense = tensor.layout is torch.strided and not tensor.is_quantized and not tensor.is_nested
    if not dense or tensor.device.type != "cpu":
        raise InputError(f"{name!r} is no dense tensor with numbers")
