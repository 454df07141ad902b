"""Hostile `.pt` files, made byte by byte: a zip as torch writes it, around any pickle."""

import io
import pickle
import zipfile
from collections.abc import Mapping
from typing import Any

import torch


def saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def zipped(parts: Mapping[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def with_pickle(pickled: bytes) -> bytes:
    """A file whose list of tensors is any pickle at all."""
    return zipped(
        {"archive/data.pkl": pickled, "archive/byteorder": b"little", "archive/version": b"3\n"}
    )


class Calls:
    """Something that calls a function when it is unpickled."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


def pickled(value: object) -> bytes:
    return pickle.dumps(value, protocol=2)


def bytearray_bomb(size: int) -> bytes:
    """What torch's restricted unpickler allows: a call that asks for memory."""
    return (
        b"\x80\x02c__builtin__\nbytearray\n" + b"\x8a\x08" + size.to_bytes(8, "little") + b"\x85R."
    )


def hash_bomb(depth: int) -> bytes:
    """A key of `2 ** depth` parts in a few bytes: a pair of a pair of a pair, all the same one."""
    pairs = b"K\x01q\x00"
    for i in range(depth):
        pairs += b"h%ch%c\x86q%c" % (i, i, i + 1)
    return b"\x80\x02" + pairs + b"}h%cK\x01s." % depth
