"""Products of float32 matrices on the CPU, by the faster of the two libraries that torch carries.

    torch    torch's own call, which is MKL on x86-64
    onednn   oneDNN's kernels, through the operator that torch's compiler uses

MKL gives AMD's processors its kernels for vectors of 256 bits. Where the processor has whole units
for 512, oneDNN is more than twice as fast (`python -m benchmarks products`). The way is a fixed
choice per processor, never one of moment or load, and the environment variable `TTT_PRODUCTS` names
another; two ways agree to rounding, not to the bit.

oneDNN compiles a kernel for each shape when it first meets it, in a millisecond. Rows are therefore
filled up to a multiple of `ROWS`: texts of all lengths share a few kernels. Who multiplies by a
matrix that grows fills its columns up to a multiple of `COLUMNS`.

Shapes: N rows, K inner, M columns.
"""

import functools
import os
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.errors import ConfigError
from ttt.lib.compiled import can_compile

PATHS: Final = ("torch", "onednn")
ROWS: Final = 8
"""Rows come in multiples of this."""
COLUMNS: Final = 512
"""So do columns, where they are not always as many."""
WORK_MIN: Final = 1 << 20
"""Multiplications below which the call itself costs more than the faster kernel saves."""
WHOLE_512: Final = frozenset({"znver5"})
"""Processors, by LLVM's names, on which this was measured."""


def product(
    left_NK: Float[Tensor, "rows inner"], right_KM: Float[Tensor, "inner columns"]
) -> Tensor:
    """`left @ right`, shape (N, M).

    Without a gradient in float32 on the CPU it goes the way of `product_path`, anything else, and
    what autocast would shorten, through torch. What is not finite stays in the rows that hold it.
    """
    if _takes_onednn(left_NK, right_KM):
        return product_by_onednn(left_NK, right_KM)
    return left_NK @ right_KM


class Linear(torch.nn.Linear):
    """A linear layer whose product goes by `product`; the same layer otherwise."""

    def forward(self, input: Tensor) -> Tensor:
        """See `torch.nn.Linear`."""
        return linear(input, self.weight, self.bias)


def linear(
    x_BK: Float[Tensor, "*batch inner"],
    weight_MK: Float[Tensor, "columns inner"],
    bias_M: Float[Tensor, " columns"] | None = None,
) -> Float[Tensor, "*batch columns"]:
    """`torch.nn.functional.linear`, its product by `product`; leading axes are any but none."""
    x_NK = x_BK.flatten(0, -2)
    if not _takes_onednn(x_NK, weight_MK.T):
        return torch.nn.functional.linear(x_BK, weight_MK, bias_M)
    return product_by_onednn(x_NK, weight_MK.T, bias_M).view(*x_BK.shape[:-1], -1)


def _takes_onednn(left_NK: Tensor, right_KM: Tensor) -> bool:
    rows, inner = left_NK.shape
    return (
        not (left_NK.requires_grad or right_KM.requires_grad)
        and rows >= ROWS
        and rows * inner * right_KM.shape[1] >= WORK_MIN
        and left_NK.dtype == right_KM.dtype == torch.float32
        and left_NK.is_cpu
        and not torch.is_autocast_enabled("cpu")
        and product_path() == "onednn"
    )


def product_by_onednn(
    left_NK: Float[Tensor, "rows inner"],
    right_KM: Float[Tensor, "inner columns"],
    added_M: Float[Tensor, " columns"] | None = None,
) -> Tensor:
    """`left @ right + added`, whatever its size; float32 on the CPU, without a gradient."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(
        _filled(left_NK), right_KM.mT, added_M, "none", [], ""
    )
    return found[: left_NK.shape[0]]


def filled(left_NK: Float[Tensor, "rows inner"]) -> Float[Tensor, "more inner"]:
    """With rows of zeros below, where `product` would add them; else the same tensor.

    For one matrix that goes through several products.
    """
    return _filled(left_NK) if lacking(left_NK.shape[0], ROWS) else left_NK


def lacking(count: int, unit: int) -> int:
    """How many rows or columns to add, so that few kernels serve all: none on torch's way."""
    return -count % unit if product_path() == "onednn" else 0


def _filled(left_NK: Tensor) -> Tensor:
    missing = -left_NK.shape[0] % ROWS
    return torch.nn.functional.pad(left_NK, (0, 0, 0, missing)) if missing else left_NK


@functools.cache
def product_path() -> str:
    """Name the way that large products take on this processor; decided once per process.

    Returns:
        One of `PATHS`.

    Raises:
        ConfigError: `TTT_PRODUCTS` is no name in `PATHS`, or asks for what this torch lacks.
    """
    forced = os.environ.get("TTT_PRODUCTS", "")
    if forced and forced not in PATHS:
        raise ConfigError(f"TTT_PRODUCTS must be one of {', '.join(PATHS)}, not {forced!r}.")
    if forced == "onednn" and not has_onednn():
        raise ConfigError(
            "TTT_PRODUCTS=onednn needs a torch that carries oneDNN, and this one does not; "
            "leave it unset."
        )
    return forced or ("onednn" if has_onednn() and _processor() in WHOLE_512 else "torch")


def has_onednn() -> bool:
    """Whether this torch can multiply by oneDNN. The operator is private to torch."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _processor() -> str:
    """LLVM's name for this processor; empty where there is no LLVM to ask."""
    if not can_compile():
        return ""
    from llvmlite import binding  # type: ignore[import-untyped]

    name: str = binding.get_host_cpu_name()
    return name
