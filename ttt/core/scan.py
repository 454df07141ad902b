"""The linear recurrence `s_t = a_t * s_(t-1) + x_t`: one operator, several ways to compute it.

    naive    a loop over time in torch; what the others must equal
    torch    two-level blocked scan in torch; any device
    numba    compiled loops; CPU only (`scan_numba.py`)
    triton   kernels; CUDA only (`scan_triton.py`)

The way is a fixed choice per device, never one of moment or load: `numba` on a CPU, `triton` on a
CUDA device, where they are installed, else `torch`. The environment variable `TTT_SCAN` names
another. Two ways agree to rounding, not to the bit, so a run that must repeat byte for byte keeps
to one. The compiler's seconds are paid at the first call after an installation.

No way divides and none takes a logarithm. The closed form `cumprod(a) * cumsum(x / cumprod(a))` is
the rejected alternative: its product underflows after a few small decays, and every later state
and gradient is zero or NaN.

Shapes: B batch, L tokens, D width; C blocks of K tokens.
"""

import functools
import importlib.util
import math
import os
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.errors import ConfigError
from ttt.lib.compiled import can_compile

PATHS = ("naive", "torch", "numba", "triton")
DEVICES = {"numba": "cpu", "triton": "cuda"}
"""The only device of a way that has only one."""


def scan(
    a_BLD: Float[Tensor, "batch length width"],
    x_BLD: Float[Tensor, "batch length width"],
    s0_BD: Float[Tensor, "batch width"] | None = None,
) -> Float[Tensor, "batch length width"]:
    """Compute `s_t = a_t * s_(t-1) + x_t` for every t, differentiable in all three arguments.

    Args:
        a_BLD: Decays, meant to lie in (0, 1); at least one token.
        x_BLD: Inputs, already multiplied by their gate.
        s0_BD: State before the first token; None starts from zeros.

    Returns:
        All states, in the widest type among the arguments and at least float32: a state kept in
        bfloat16 would stop moving once its input is 256 times smaller than it.

    Raises:
        ConfigError: The shapes do not belong together, or `TTT_SCAN` names no way that works here.

    Source: own; the recurrence is that of Gu & Dao 2023 (arXiv 2312.00752), equation 2a, for a
    diagonal state.
    """
    a_BLD, x_BLD, s0_BD = _checked(a_BLD, x_BLD, s0_BD)
    path = scan_path(a_BLD.device.type)
    if path == "naive":
        return naive_scan(a_BLD, x_BLD, s0_BD)
    states_BLD: Tensor = torch.ops.ttt.scan(a_BLD, x_BLD, s0_BD, path)
    return states_BLD


def naive_scan(
    a_BLD: Float[Tensor, "batch length width"],
    x_BLD: Float[Tensor, "batch length width"],
    s0_BD: Float[Tensor, "batch width"] | None = None,
) -> Float[Tensor, "batch length width"]:
    """The readable twin of `scan`: the definition, token by token, differentiated by autograd."""
    a_BLD, x_BLD, s_BD = _checked(a_BLD, x_BLD, s0_BD)
    states = []
    for t in range(a_BLD.shape[1]):
        s_BD = a_BLD[:, t] * s_BD + x_BLD[:, t]
        states.append(s_BD)
    return torch.stack(states, dim=1)


def blocked_scan(
    a_BLD: Float[Tensor, "batch length width"],
    x_BLD: Float[Tensor, "batch length width"],
    s0_BD: Float[Tensor, "batch width"] | None = None,
) -> Float[Tensor, "batch length width"]:
    """`scan` by way of `torch`, whatever the device and the environment say."""
    states_BLD: Tensor = torch.ops.ttt.scan(*_checked(a_BLD, x_BLD, s0_BD), "torch")
    return states_BLD


@functools.cache
def scan_path(device_type: str = "cpu") -> str:
    """Name the way that `scan` takes on a kind of device; decided once per process.

    Args:
        device_type: As in `torch.device.type`.

    Returns:
        One of `PATHS`.

    Raises:
        ConfigError: `TTT_SCAN` is no name in `PATHS`, or a way that does not work there.
    """
    forced = os.environ.get("TTT_SCAN", "")
    if forced and forced not in PATHS:
        raise ConfigError(f"TTT_SCAN must be one of {', '.join(PATHS)}, not {forced!r}.")
    if forced and not _works(forced, device_type):
        raise ConfigError(
            f"TTT_SCAN={forced} needs {forced} and a device of kind {DEVICES[forced]!r}, and this "
            f"runs on {device_type!r}; leave it unset or choose torch."
        )
    return forced or next((way for way in DEVICES if _works(way, device_type)), "torch")


def _works(way: str, device_type: str) -> bool:
    """Whether a way is installed and made for a kind of device."""
    if way not in DEVICES:
        return True
    return DEVICES[way] == device_type and (can_compile() if way == "numba" else has_triton())


def has_triton() -> bool:
    """Whether triton is installed, as it is with torch's builds for CUDA."""
    return importlib.util.find_spec("triton") is not None


def _checked(a_BLD: Tensor, x_BLD: Tensor, s0_BD: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Refuse shapes that the compiled loops would read out of bounds; bring types together."""
    if not (a_BLD.ndim == 3 and a_BLD.shape == x_BLD.shape and a_BLD.shape[1] >= 1):
        raise ConfigError(
            "scan needs decays and inputs of one shape (batch, length >= 1, width), not "
            f"{tuple(a_BLD.shape)} and {tuple(x_BLD.shape)}."
        )
    dtype = torch.promote_types(torch.promote_types(a_BLD.dtype, x_BLD.dtype), torch.float32)
    batch, _, width = a_BLD.shape
    if s0_BD is None:
        s0_BD = x_BLD.new_zeros(batch, width, dtype=dtype)
    if s0_BD.shape != (batch, width):
        raise ConfigError(
            f"scan needs a start of shape {(batch, width)}, not {tuple(s0_BD.shape)}."
        )
    dtype = torch.promote_types(dtype, s0_BD.dtype)
    return a_BLD.to(dtype), x_BLD.to(dtype), s0_BD.to(dtype)


# --- the operator: what autograd and torch.compile see, whatever the path -------------------------
#
# Defined with the plain library calls and not with `torch.library.custom_op`: that one imports the
# whole compiler of torch at the first call (seconds) and costs three times as much at every call.

torch.library.define("ttt::scan", "(Tensor a, Tensor x, Tensor s0, str path) -> Tensor")
torch.library.define(
    "ttt::scan_backward",
    "(Tensor a, Tensor s, Tensor s0, Tensor up, str path) -> (Tensor, Tensor, Tensor)",
)


@torch.library.impl("ttt::scan", "default")
def _scan(a_BLD: Tensor, x_BLD: Tensor, s0_BD: Tensor, path: str) -> Tensor:
    if path == "numba":
        from ttt.core import scan_numba

        return scan_numba.values(a_BLD, x_BLD, s0_BD)
    if path == "triton":
        from ttt.core import scan_triton

        return scan_triton.values(a_BLD, x_BLD, s0_BD)
    return _blocked(a_BLD, x_BLD, s0_BD)


@torch.library.impl("ttt::scan_backward", "default")
def _scan_backward(
    a_BLD: Tensor, s_BLD: Tensor, s0_BD: Tensor, up_BLD: Tensor, path: str
) -> tuple[Tensor, Tensor, Tensor]:
    if path == "numba":
        from ttt.core import scan_numba

        return scan_numba.gradients(a_BLD, s_BLD, s0_BD, up_BLD)
    if path == "triton":
        from ttt.core import scan_triton

        return scan_triton.gradients(a_BLD, s_BLD, s0_BD, up_BLD)
    return _reverse(a_BLD, s_BLD, s0_BD, up_BLD, run=_blocked)


def _scan_fake(a_BLD: Tensor, x_BLD: Tensor, s0_BD: Tensor, path: str) -> Tensor:
    del x_BLD, s0_BD, path
    return a_BLD.new_empty(a_BLD.shape)


def _scan_backward_fake(
    a_BLD: Tensor, s_BLD: Tensor, s0_BD: Tensor, up_BLD: Tensor, path: str
) -> tuple[Tensor, Tensor, Tensor]:
    del s_BLD, up_BLD, path
    empty = a_BLD.new_empty
    return empty(a_BLD.shape), empty(a_BLD.shape), empty(s0_BD.shape)


# `ctx` is an object of torch that takes any attribute and has no type to name.
def _remember(
    ctx: Any,  # noqa: ANN401
    inputs: tuple[Tensor, Tensor, Tensor, str],
    output: Tensor,
) -> None:
    a_BLD, _, s0_BD, ctx.path = inputs
    ctx.save_for_backward(a_BLD, output, s0_BD)


def _differentiate(ctx: Any, up_BLD: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    a_BLD, s_BLD, s0_BD = ctx.saved_tensors
    if torch.is_grad_enabled():  # the caller wants to differentiate the gradient again
        run = functools.partial(torch.ops.ttt.scan, path=ctx.path)
        return *_reverse(a_BLD, s_BLD, s0_BD, up_BLD, run=run), None
    return *torch.ops.ttt.scan_backward(a_BLD, s_BLD, s0_BD, up_BLD, ctx.path), None


torch.library.register_fake("ttt::scan", _scan_fake)
torch.library.register_fake("ttt::scan_backward", _scan_backward_fake)
torch.library.register_autograd("ttt::scan", _differentiate, setup_context=_remember)


# --- the blocked scan -----------------------------------------------------------------------------


def _blocked(a_BLD: Tensor, x_BLD: Tensor, s0_BD: Tensor) -> Tensor:
    """Scan all blocks side by side from zero, carry between blocks, add what was carried in.

    Source: own form of the two-level scan in Blelloch 1990, "Prefix sums and their applications",
    section 1.2.
    """
    batch, length, width = a_BLD.shape
    # 2 K steps inside the blocks and L / K between them: their sum is least here.
    size = max(1, math.isqrt(length // 2))
    blocks = math.ceil(length / size)
    padding = (0, 0, 0, blocks * size - length)
    shape = (batch, blocks, size, width)
    a_BCKD = torch.nn.functional.pad(a_BLD, padding).reshape(shape)
    x_BCKD = torch.nn.functional.pad(x_BLD, padding).reshape(shape)

    local_BCKD, decay_BCKD = torch.empty_like(x_BCKD), torch.empty_like(a_BCKD)
    local, decay = local_BCKD.unbind(2), decay_BCKD.unbind(2)
    a, x = a_BCKD.unbind(2), x_BCKD.unbind(2)
    torch.mul(a[0], 1.0, out=decay[0])
    torch.mul(x[0], 1.0, out=local[0])
    for k in range(1, size):
        torch.addcmul(x[k], a[k], local[k - 1], out=local[k])
        torch.mul(a[k], decay[k - 1], out=decay[k])

    carried_BCD = x_BLD.new_empty(batch, blocks, width)
    carried, ends, decays = carried_BCD.unbind(1), local[-1].unbind(1), decay[-1].unbind(1)
    torch.mul(s0_BD, 1.0, out=carried[0])
    for c in range(1, blocks):
        torch.addcmul(ends[c - 1], decays[c - 1], carried[c - 1], out=carried[c])
    local_BCKD.addcmul_(decay_BCKD, carried_BCD.unsqueeze(2))
    return local_BCKD.view(batch, blocks * size, width)[:, :length].contiguous()


def _reverse(
    a_BLD: Tensor,
    s_BLD: Tensor,
    s0_BD: Tensor,
    up_BLD: Tensor,
    *,
    run: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by a scan that runs backwards: `g_t = up_t + a_(t+1) g_(t+1)`.

    Returns:
        Gradients with respect to a, x and s0.
    """
    next_BLD = torch.cat([a_BLD[:, 1:], torch.zeros_like(a_BLD[:, :1])], dim=1)
    dx_BLD = run(next_BLD.flip(1), up_BLD.flip(1), torch.zeros_like(s0_BD)).flip(1)
    before_BLD = torch.cat([s0_BD.unsqueeze(1), s_BLD[:, :-1]], dim=1)
    return dx_BLD * before_BLD, dx_BLD, a_BLD[:, 0] * dx_BLD[:, 0]
