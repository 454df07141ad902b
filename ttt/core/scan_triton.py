"""The scan as kernels for a GPU: one pass over memory forward, one backward.

Import this late: it imports triton, which comes with torch's builds for such devices. A program
takes a few channels of one sequence and walks through its time tile by tile: each tile is scanned
in parallel, and its last state carried into the next. Products of decays may vanish, which is what
they should do; nothing divides.

Shapes: B batch, L tokens, D width.

Source: own; the operator that combines two stretches is that of Blelloch 1990, "Prefix sums and
their applications", section 1.4.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
import triton  # type: ignore[import-not-found]
import triton.language as tl  # type: ignore[import-not-found]
from torch import Tensor

MANY_CHANNELS = 1 << 14
"""Channels of all sequences from which programs of many channels still fill the device. Source: own
measurement on an H200, like the two shapes of a tile."""
TILE_OF_MANY, TILE_OF_FEW = (64, 64), (128, 8)
"""Tokens that are scanned in parallel, and channels of one program."""


def _kernel(function: Callable[..., None]) -> Any:  # noqa: ANN401 (a kernel has no type to name)
    # A run-time type checker may have wrapped the function; triton must see the one inside.
    return triton.jit(inspect.unwrap(function))


@_kernel
def _after(  # type: ignore[no-untyped-def] # noqa: ANN202
    a_first, x_first, a_second, x_second  # noqa: ANN001
):  # fmt: skip
    """What two stretches do to a state, one after the other."""
    return a_first * a_second, a_second * x_first + x_second


@_kernel
def _forward(  # type: ignore[no-untyped-def] # noqa: ANN202, PLR0913, PLR0917
    a, x, s0, s, length, width, TILE: tl.constexpr, LANES: tl.constexpr  # noqa: ANN001
):  # fmt: skip
    sequence = tl.program_id(0).to(tl.int64)
    lanes = tl.program_id(1) * LANES + tl.arange(0, LANES)
    rows, inside = tl.arange(0, TILE), lanes < width
    carried = tl.load(s0 + sequence * width + lanes, mask=inside, other=0.0)
    for first in range(0, length, TILE):
        t = (first + rows).to(tl.int64)
        places = (sequence * length + t)[:, None] * width + lanes[None, :]
        there = (t < length)[:, None] & inside[None, :]
        # Behind the end the state stays as it is.
        decay = tl.load(a + places, mask=there, other=1.0)
        taken = tl.load(x + places, mask=there, other=0.0)
        decay, taken = tl.associative_scan((decay, taken), 0, _after)
        state = taken + decay * carried[None, :]
        tl.store(s + places, state, mask=there)
        carried = tl.sum(tl.where(rows[:, None] == TILE - 1, state, 0.0), axis=0)


@_kernel
def _backward(  # type: ignore[no-untyped-def] # noqa: ANN202, PLR0913, PLR0917
    a, s, s0, up, da, dx, ds0, length, width, TILE: tl.constexpr, LANES: tl.constexpr  # noqa: ANN001
):  # fmt: skip
    sequence = tl.program_id(0).to(tl.int64)
    lanes = tl.program_id(1) * LANES + tl.arange(0, LANES)
    rows, inside = tl.arange(0, TILE), lanes < width
    start = tl.load(s0 + sequence * width + lanes, mask=inside, other=0.0)
    carried = tl.zeros_like(start)
    for first in range(0, length, TILE):
        t = length - 1 - (first + rows).to(tl.int64)
        places = (sequence * length + t)[:, None] * width + lanes[None, :]
        there = (t >= 0)[:, None] & inside[None, :]
        # `g_t = up_t + a_(t+1) g_(t+1)`; nothing comes after the last token.
        later = there & (t < length - 1)[:, None]
        decay = tl.load(a + places + width, mask=later, other=0.0)
        decay = tl.where(there, decay, 1.0)
        gradient = tl.load(up + places, mask=there, other=0.0)
        decay, gradient = tl.associative_scan((decay, gradient), 0, _after)
        gradient = gradient + decay * carried[None, :]
        before = tl.load(s + places - width, mask=there & (t > 0)[:, None], other=0.0)
        before = tl.where((t == 0)[:, None], start[None, :], before)
        tl.store(dx + places, gradient, mask=there)
        tl.store(da + places, gradient * before, mask=there)
        carried = tl.sum(tl.where(rows[:, None] == TILE - 1, gradient, 0.0), axis=0)
    first_decay = tl.load(a + sequence * length * width + lanes, mask=inside, other=0.0)
    tl.store(ds0 + sequence * width + lanes, first_decay * carried, mask=inside)


def values(a_BLD: Tensor, x_BLD: Tensor, s0_BD: Tensor) -> Tensor:
    """All states."""
    a_BLD, x_BLD, s0_BD = a_BLD.contiguous(), x_BLD.contiguous(), s0_BD.contiguous()
    s_BLD = torch.empty_like(x_BLD)
    batch, length, width = a_BLD.shape
    tile, lanes = _shape(batch * width)
    grid = batch, triton.cdiv(width, lanes)
    with torch.cuda.device(a_BLD.device):
        _forward[grid](a_BLD, x_BLD, s0_BD, s_BLD, length, width, tile, lanes)
    return s_BLD


def gradients(
    a_BLD: Tensor, s_BLD: Tensor, s0_BD: Tensor, up_BLD: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients with respect to decays, inputs and start."""
    read = [each.contiguous() for each in (a_BLD, s_BLD, s0_BD, up_BLD)]
    written = torch.empty_like(read[0]), torch.empty_like(read[0]), torch.empty_like(read[2])
    batch, length, width = a_BLD.shape
    tile, lanes = _shape(batch * width)
    grid = batch, triton.cdiv(width, lanes)
    with torch.cuda.device(a_BLD.device):
        _backward[grid](*read, *written, length, width, tile, lanes)
    return written


def _shape(channels: int) -> tuple[int, int]:
    return TILE_OF_MANY if channels >= MANY_CHANNELS else TILE_OF_FEW
