"""Reading a `.pt` file of somebody else: its zip is looked at here, its pickle in a child."""

from typing import Final

from ttt.errors import InputError
from ttt.sandbox.limited import Limits, run_limited
from ttt.store import tensor_files
from ttt.store.pt_files import check_pt

COPIES: Final = 6
"""How often the child may hold the file. Source: own, counted: the file, torch's storages, the
dense copies, their bytes, the answer, and one to spare."""
MEMORY_BYTES: Final = 1 << 28
"""What reading needs besides, whatever the file."""


def read_pt(data: bytes, *, where: str) -> bytes:
    """Turn a `.pt` file into safetensors bytes without unpickling it in this process.

    Args:
        data: The file.
        where: Its name, for messages.

    Returns:
        Its tensors, header verified; whoever decodes them compares them with what there must be.

    Raises:
        InputError: It cannot be used; says why.
        ConfigError: No limited child can be had on this machine.
    """
    check_pt(data, where=where)
    ended = run_limited(
        "ttt.store.pt_files:convert",
        data,
        preload=("torch", "safetensors.torch"),
        limits=Limits(
            memory_bytes=MEMORY_BYTES + COPIES * len(data),
            output_bytes=len(data) + tensor_files.HEADER_BYTES_MAX + 8,
        ),
    )
    if ended.failure:
        raise InputError(
            f"{where} cannot be imported: {ended.failure.rstrip('.')}. Only a mapping of names to "
            "dense, finite tensors is read from a .pt file."
        )
    tensor_files.read_header(ended.output, where=where)
    return ended.output
