"""Muon: momentum, then the nearest orthogonal matrix instead of the momentum itself.

Two doors to one piece of mathematics: `muon_step` for steps that may be undone (nothing is changed
in place) and the optimizer `Muon` for training. The step depends on the shape of a matrix in two
stated ways and no other: the adjustment of the rate, and the type that the iteration runs in.

What to know before using it: the step does not shrink with the gradient. A gradient of 1e-6 moves
the weights as far as one of 1, so gates and budgets belong before and after it, never only on the
gradient. A zero gradient gives a zero step; NaN and infinity come out as NaN, never cleaned.

Shapes: S any number of leading axes (matrices side by side), N rows, M columns.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks",
https://kellerjordan.github.io/posts/muon/.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from typing import Any, TypeAlias, overload

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.errors import ConfigError
from ttt.lib.precision import half_pays
from ttt.lib.sharded import cut_like, whole
from ttt.optim.muon_config import NORM_MIN, QUINTIC, RATE_FACTORS, MuonConfig

HALF_PRECISION_SIDE_MIN = 256
"""Smaller side from which the optimizer iterates in bfloat16, where the processor has instructions
for it: two to four times faster there, for a relative 1e-2 of rounding on the step. Own: smaller
ones are too cheap to trade precision for."""

Parameters: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]]


def newton_schulz(
    g_NM: Float[Tensor, "*stack rows columns"],
    steps: int = 5,
    *,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "*stack rows columns"]:
    """Replace each matrix by one with the same singular vectors and singular values about 1.

    Args:
        g_NM: One matrix or a stack of them; never changed.
        steps: Iterations of the quintic.
        dtype: Type to iterate in; None keeps that of `g_NM`.

    Returns:
        The orthogonalised matrices, in the type of `g_NM`. A zero matrix stays zero; a matrix with
        a NaN or an infinity becomes NaN.

    Source: Jordan et al. 2024; the coefficients are `QUINTIC`.
    """
    if g_NM.ndim < 2:
        raise ConfigError(f"Muon orthogonalises matrices, not a shape of {tuple(g_NM.shape)}.")
    dtype = dtype or g_NM.dtype
    x_SNM = _unit(g_NM).to(dtype).reshape(-1, *g_NM.shape[-2:])
    tall = x_SNM.shape[1] > x_SNM.shape[2]
    x_SNM = x_SNM.mT if tall else x_SNM
    a, b, c = QUINTIC
    for _ in range(steps):
        gram_SNN = x_SNM @ x_SNM.mT
        mixed_SNN = torch.baddbmm(gram_SNN, gram_SNN, gram_SNN, beta=b, alpha=c)
        x_SNM = torch.baddbmm(x_SNM, mixed_SNN, x_SNM, beta=a)
    return (x_SNM.mT if tall else x_SNM).reshape(g_NM.shape).to(g_NM.dtype)


def _unit(g_NM: Tensor) -> Tensor:
    """Divide each matrix by the larger of its Frobenius norm and `NORM_MIN`.

    The largest entry is divided out first: the square of a large one overflows, and division by
    that infinite norm would turn an explosion into a harmless-looking step of zero.
    """
    g_NM = g_NM.to(torch.promote_types(g_NM.dtype, torch.float32))
    peak = g_NM.abs().amax(dim=(-2, -1), keepdim=True).clamp_min(NORM_MIN)
    scaled_NM = g_NM / peak
    norm: Tensor = torch.linalg.matrix_norm(scaled_NM, keepdim=True).clamp_min(1.0)
    return scaled_NM / norm


def muon_step(
    grad: Float[Tensor, "*stack rows columns"],
    momentum_buffer: Float[Tensor, "*stack rows columns"],
    *,
    config: MuonConfig,
    dtype: torch.dtype | None = None,
) -> tuple[Float[Tensor, "*stack rows columns"], Float[Tensor, "*stack rows columns"]]:
    """One step of Muon as a function: `buf = mu buf + g; step = NS(g + mu buf)`.

    The same formula holds for every shape. Apply the result, with the weights at hand, as
    `weights = (1 - lr * weight_decay) * weights - lr * update`.

    Args:
        grad: Gradient of one matrix or of a stack of them.
        momentum_buffer: Buffer after the step before; zeros at first.
        config: Rates; `lr` and `weight_decay` are the caller's to apply.
        dtype: Type to iterate in; None keeps that of `grad`.

    Returns:
        The update, adjusted for the shape and to be multiplied by `-lr`; and the new buffer.
        Neither shares memory with an argument.

    Raises:
        ConfigError: `grad` is not a matrix.
    """
    buffer = config.momentum * momentum_buffer + grad
    ahead = grad + config.momentum * buffer if config.nesterov else buffer
    update = newton_schulz(ahead, config.ns_steps, dtype=dtype)
    factor = RATE_FACTORS[config.adjust_lr](*grad.shape[-2:])
    return factor * update, buffer


class Muon(torch.optim.Optimizer):
    """`muon_step` as an optimizer: matrices of equal shape are stepped as one stack.

    Embeddings, norms and biases belong to another optimizer. Every setting may differ by parameter
    group, under the names of `MuonConfig`, and `lr` may be changed between steps.

    Args:
        params: Matrices, or groups of them.
        settings: Fields of `MuonConfig`, for the groups that do not name their own.

    Raises:
        ConfigError: A parameter is not a matrix, or a setting is outside its range.
    """

    def __init__(self, params: Parameters, **settings: Any) -> None:  # noqa: ANN401 (by MuonConfig)
        super().__init__(params, asdict(MuonConfig(**settings)))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, after looking at their shapes and settings."""
        super().add_param_group(param_group)
        try:
            _config_of(self.param_groups[-1])
            for parameter in self.param_groups[-1]["params"]:
                _refuse_other_than_matrix(parameter)
        except ConfigError:
            self.param_groups.pop()
            raise

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient.

        Args:
            closure: Recomputes the loss and the gradients first; None if that is done.

        Returns:
            What `closure` returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            config = _config_of(group)
            stacks: dict[Any, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike = (
                        parameter.shape,
                        parameter.dtype,
                        parameter.grad.dtype,
                        parameter.device,
                    )
                    stacks.setdefault(alike, []).append(parameter)
            for parameters in stacks.values():
                self._step_alike(parameters, config)
        return loss

    def _step_alike(self, parameters: list[Tensor], config: MuonConfig) -> None:
        """Step parameters of one shape, type and device together."""
        states = [self.state[parameter] for parameter in parameters]
        for state, parameter in zip(states, parameters, strict=True):
            if not state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
        # Where each process holds a piece, all compute the step of the whole matrix: the nearest
        # orthogonal matrix is none of its pieces' own.
        grads = [whole(parameter.grad) for parameter in parameters if parameter.grad is not None]
        update_SNM, buffer_SNM = muon_step(
            torch.stack(grads),
            torch.stack([whole(state["momentum_buffer"]) for state in states]),
            config=config,
            dtype=_iteration_dtype(parameters[0]),
        )
        rows = zip(parameters, states, update_SNM, buffer_SNM, strict=True)
        for parameter, state, update_NM, buffer_NM in rows:
            state["momentum_buffer"].copy_(cut_like(buffer_NM, parameter))
            parameter.mul_(1.0 - config.lr * config.weight_decay)
            parameter.add_(cut_like(update_NM, parameter), alpha=-config.lr)


def _config_of(group: dict[str, Any]) -> MuonConfig:
    """The settings of a parameter group, checked again: schedules write into it."""
    return MuonConfig(**{field.name: group[field.name] for field in fields(MuonConfig)})


def _iteration_dtype(like: Tensor) -> torch.dtype:
    """bfloat16 for large matrices where it is fast; else their own type, as for float64."""
    large = min(like.shape[-2:]) >= HALF_PRECISION_SIDE_MIN
    halved = large and like.dtype != torch.float64 and half_pays(like.device.type)
    return torch.bfloat16 if halved else like.dtype


def _refuse_other_than_matrix(parameter: Tensor) -> None:
    if parameter.ndim != 2:
        raise ConfigError(
            f"Muon steps matrices; a parameter of shape {tuple(parameter.shape)} belongs to "
            "another optimizer, such as AdamW."
        )
