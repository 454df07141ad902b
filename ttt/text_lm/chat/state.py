"""Everything of one chat session that the next message depends on, and its bytes.

The plastic state of `ttt/changes/fast_state.py`, the recurrent state of the frozen part, and where
the text stands. What is derived (the canaries' reading) is computed anew whenever a state begins a
message, whether it comes from the disk or was in memory all the while: both go on with the same
bits.

Refuses: bytes of another model or other settings.

Shapes: D width, N layers, H hidden, M rows of the cache, C their chunks.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from ttt.changes.fast_state import FastState
from ttt.core.cache import NeuralCache, block_of_rows
from ttt.errors import CorruptArtifactError, SignatureMismatchError
from ttt.lib.stats import RobustHistory
from ttt.store.tensor_files import decode_arrays, encode_arrays

RULE: Final = "optim.rule."
HISTORIES: Final = ("gradient_norms", "update_norms", "canary_rises")

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatState:
    """One session between two messages."""

    fast: FastState
    """What was learned; its canary reading is absent."""
    hidden_1NH: Float[Tensor, "1 layers hidden"]
    """Recurrent state after every token but the last."""
    last_id: int
    """The last token, which the recurrent state has not read."""
    carry: str
    """The last characters of the text, for phrases that are split over two messages."""
    chunks: int
    """Chunks that were read; the number of the next one."""

    def fingerprint(self) -> str:
        """SHA-256 over every byte the next message depends on."""
        return hashlib.sha256(encode_state(self)).hexdigest()

    def finite(self) -> bool:
        """Whether every number of it is one."""
        fast = self.fast
        tensors = [fast.adapter_DD, self.hidden_1NH, *fast.memory.values()]
        return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def encode_state(state: ChatState) -> bytes:
    """Write a state as safetensors; equal states give equal bytes."""
    fast = state.fast
    blocks = fast.cache.blocks
    width = fast.adapter_DD.shape[0]
    arrays: dict[str, Array] = {
        "plastic.adapter": fast.adapter_DD.numpy(force=True),
        **{f"{RULE}{name}": value.numpy(force=True) for name, value in fast.memory.items()},
        **{f"optim.{name}": np.array(getattr(fast, name).values) for name in HISTORIES},
        "session.cache_keys": (
            fast.cache.keys_MD.numpy(force=True) if blocks else np.zeros((0, width), np.float32)
        ),
        "session.cache_values": (
            fast.cache.values_M.numpy(force=True) if blocks else np.zeros(0, np.int64)
        ),
        "session.cache_blocks": np.array(
            [[block.chunk, len(block)] for block in blocks], np.int64
        ).reshape(-1, 2),
        "session.hidden": state.hidden_1NH.numpy(force=True),
        "session.place": np.array([state.last_id, state.chunks], np.int64),
        "session.carry": as_bytes(state.carry),
    }
    return encode_arrays(arrays)


def decode_state(
    data: bytes, like: ChatState, *, where: str = "a chat session's state"
) -> ChatState:
    """Read a state.

    Args:
        data: What `encode_state` wrote.
        like: A fresh state of the same model and settings.
        where: Its name, for messages.

    Raises:
        CorruptArtifactError: The bytes are damaged.
        SignatureMismatchError: They are the state of another model or other settings.
    """
    arrays = decode_arrays(data, where)
    _check(arrays, like, where)
    window = like.fast.gradient_norms.window
    histories = {
        name: RobustHistory(window=window, values=tuple(arrays[f"optim.{name}"].tolist()))
        for name in HISTORIES
    }
    last_id, chunks = (int(one) for one in arrays["session.place"])
    return ChatState(
        fast=FastState(
            adapter_DD=_tensor(arrays["plastic.adapter"]),
            memory={
                name.removeprefix(RULE): _tensor(array)
                for name, array in arrays.items()
                if name.startswith(RULE)
            },
            cache=_cache(arrays, where),
            gradient_norms=histories["gradient_norms"],
            update_norms=histories["update_norms"],
            canary_rises=histories["canary_rises"],
            reading=None,
        ),
        hidden_1NH=_tensor(arrays["session.hidden"]),
        last_id=last_id,
        chunks=chunks,
        carry=as_text(arrays["session.carry"], where),
    )


def as_bytes(text: str) -> Array:
    """A text as an array of its UTF-8 bytes."""
    return np.frombuffer(text.encode(), np.uint8)


def as_text(array: Array, where: str) -> str:
    """The text of an array of bytes.

    Raises:
        CorruptArtifactError: It is none.
    """
    try:
        return bytes(array.astype(np.uint8)).decode()
    except UnicodeDecodeError as error:
        raise CorruptArtifactError(f"{where} is damaged: its text is no UTF-8 ({error}).") from None


def _check(arrays: Mapping[str, Array], like: ChatState, where: str) -> None:
    """Compare names, types and those shapes that never change with a fresh state."""
    wanted = decode_arrays(encode_state(like), where)
    growing = {"session.cache_keys", "session.cache_values", "session.cache_blocks"}
    growing |= {"session.carry", *(f"optim.{name}" for name in HISTORIES)}
    for name in sorted(arrays.keys() | wanted.keys()):
        one, other = arrays.get(name), wanted.get(name)
        same = one is not None and other is not None and one.dtype == other.dtype
        if same and one is not None and other is not None:
            same = one.ndim == other.ndim and (name in growing or one.shape == other.shape)
        if not same:
            raise SignatureMismatchError(
                f"{where} belongs to another model or other settings: {name!r} does not fit; open "
                "it with the base and the settings that it was made with."
            )


def _cache(arrays: Mapping[str, Array], where: str) -> NeuralCache:
    keys_MD, values_M = (
        _tensor(arrays["session.cache_keys"]),
        _tensor(arrays["session.cache_values"]),
    )
    blocks_C2 = arrays["session.cache_blocks"]
    rows = [int(count) for count in blocks_C2[:, 1]] if blocks_C2.size else []
    if min(rows, default=1) < 1 or not sum(rows) == len(keys_MD) == len(values_M):
        raise CorruptArtifactError(f"{where} is damaged: its cache does not add up.")
    parts = zip(blocks_C2[:, 0].tolist(), keys_MD.split(rows), values_M.split(rows), strict=True)
    return NeuralCache(
        block_of_rows(keys.contiguous(), values.contiguous(), chunk=int(chunk))
        for chunk, keys, values in parts
    )


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.array(array))
