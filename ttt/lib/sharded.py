"""Tensors that several processes hold in pieces (FSDP2): put together, and cut again.

A tensor that is not cut passes through untouched, so that code need not ask. All processes must
call these together. torch is imported by the caller, who has a tensor.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def whole(tensor: "Tensor") -> "Tensor":
    """The tensor in one piece."""
    gather = getattr(tensor, "full_tensor", None)
    if gather is None:
        return tensor
    full: Tensor = gather()
    return full


def cut_like(tensor: "Tensor", like: "Tensor") -> "Tensor":
    """A whole tensor, on the device of `like` and cut as it is; every process has the same one."""
    tensor = tensor.to(like.device)
    if not hasattr(like, "full_tensor"):
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor), "no other tensor knows `full_tensor`"
    # No process sends its copy: they are equal.
    return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)
