"""Update rules: how a gradient becomes a step of the adapter.

A rule is a frozen description (rates) with a functional step: old memory in, step and new memory
out, nothing changed in place. A transaction that is undone keeps the old memory by keeping the old
object.

`kfac` is the natural gradient with factors computed once, because the backbone is frozen;
`rls` preconditions with the features this session has seen; `muon` orthogonalises; `sgd` is plain.

Adding one: subclass `UpdateRule`, then `RULES.register("name", factory)`; docs/extending.md.

Shapes: D width, N predicted positions, V vocabulary.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.core.closed_form import Batch
from ttt.core.fisher import Fisher
from ttt.errors import ConfigError
from ttt.lib.registry import Registry
from ttt.optim.muon import muon_step
from ttt.optim.muon_config import MuonConfig

Memory: TypeAlias = Mapping[str, Tensor]
"""A rule's memory of past steps, by name; never changed in place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRule(ABC):
    """Turns gradients into steps."""

    lr: float
    """Rate; its unit and a good value depend on the rule."""

    def __post_init__(self) -> None:
        if not (0.0 < self.lr < math.inf):
            raise ConfigError(f"lr must be a positive finite number, not {self.lr!r}.")

    @abstractmethod
    def start(self, like_DD: Float[Tensor, "width width"]) -> Memory:
        """The memory before the first step, on the device and in the type of the adapter."""

    def own_gradient(
        self,
        batch: Batch,
        head_VD: Float[Tensor, "vocabulary width"],
        adapter_DD: Float[Tensor, "width width"],
    ) -> Float[Tensor, "width width"] | None:
        """Gradient of a loss of the rule's own; None: it follows that of the next-token loss."""
        del batch, head_VD, adapter_DD
        return None

    @abstractmethod
    def step(
        self,
        gradient_DD: Float[Tensor, "width width"],
        features_ND: Float[Tensor, "predicted width"],
        memory: Memory,
    ) -> tuple[Float[Tensor, "width width"], Memory]:
        """Propose a step.

        Args:
            gradient_DD: Gradient of the mean loss of the chunk, already clipped; of the rule's own
                loss, where it has one, as it is.
            features_ND: The chunk's features, for rules that use their covariance.
            memory: What this rule remembered so far.

        Returns:
            What to add to the adapter, and the memory to keep if the step is committed.
        """


class Sgd(UpdateRule):
    """`step = -lr * g`."""

    __slots__ = ()

    def start(self, like_DD: Float[Tensor, "width width"]) -> Memory:
        """Nothing is remembered."""
        del like_DD
        return {}

    def step(
        self,
        gradient_DD: Float[Tensor, "width width"],
        features_ND: Float[Tensor, "predicted width"],
        memory: Memory,
    ) -> tuple[Float[Tensor, "width width"], Memory]:
        """See `UpdateRule.step`."""
        del features_ND
        return -self.lr * gradient_DD, memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Muon(UpdateRule):
    """Orthogonalised momentum; scale-free, so a tiny gradient takes a full-size step.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers"; see `ttt/optim/muon.py`.
    """

    momentum: float = 0.0
    """Share of the old direction kept; 0 by default, since each chunk is judged alone."""

    def start(self, like_DD: Float[Tensor, "width width"]) -> Memory:
        """An empty momentum buffer."""
        return {"momentum": torch.zeros_like(like_DD)}

    def step(
        self,
        gradient_DD: Float[Tensor, "width width"],
        features_ND: Float[Tensor, "predicted width"],
        memory: Memory,
    ) -> tuple[Float[Tensor, "width width"], Memory]:
        """See `UpdateRule.step`."""
        del features_ND
        config = MuonConfig(lr=self.lr, momentum=self.momentum)
        update_DD, buffer_DD = muon_step(gradient_DD, memory["momentum"], config=config)
        return -self.lr * update_DD, {"momentum": buffer_DD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kfac(UpdateRule):
    """Natural gradient with offline Kronecker factors and a trust region.

    `step = -s G^-1 g A^-1` (damped), `s = min(lr, sqrt(2 kl / q))`, where `q = <step, G step A>` is
    twice the forecast KL divergence, per token, between the predictions before and after.

    Source: Martens & Grosse 2015 (arXiv 1503.05671), sections 3 and 6; factors of the adapter alone
    are exact up to the Kronecker approximation, since nothing below it moves.
    """

    inverse_A_DD: Float[Tensor, "width width"] = field(repr=False)
    inverse_G_DD: Float[Tensor, "width width"] = field(repr=False)
    fisher: Fisher = field(repr=False)
    kl_max: float = 0.01
    """Trust region: largest forecast KL divergence of one step, nats per token."""

    def start(self, like_DD: Float[Tensor, "width width"]) -> Memory:
        """Nothing is remembered: the factors are fixed."""
        del like_DD
        return {}

    def step(
        self,
        gradient_DD: Float[Tensor, "width width"],
        features_ND: Float[Tensor, "predicted width"],
        memory: Memory,
    ) -> tuple[Float[Tensor, "width width"], Memory]:
        """See `UpdateRule.step`."""
        del features_ND
        natural_DD = self.inverse_G_DD @ gradient_DD @ self.inverse_A_DD
        curved_DD = self.fisher.G_DD @ natural_DD @ self.fisher.A_DD
        twice_kl = (natural_DD * curved_DD).sum()
        rate = torch.clamp((2.0 * self.kl_max / twice_kl).sqrt(), max=self.lr)
        return -rate * natural_DD, memory


def kfac(*, lr: float, fisher: Fisher, damping: float = 1.0, kl_max: float = 0.01) -> Kfac:
    """Build the natural-gradient rule.

    Args:
        lr: Largest multiple of the natural gradient taken.
        fisher: Kronecker factors of the frozen base (`fisher.py`).
        damping: Added to each factor, in units of its mean eigenvalue.
        kl_max: Trust region, nats per token.
    """

    def inverse(factor_DD: Tensor) -> Tensor:
        factor_DD = factor_DD.double()
        ridge = damping * factor_DD.diagonal().mean()
        eye_DD = torch.eye(factor_DD.shape[0], dtype=torch.float64, device=factor_DD.device)
        inverse_DD: Tensor = torch.linalg.inv(factor_DD + ridge * eye_DD)
        return inverse_DD.float()

    return Kfac(
        lr=lr,
        kl_max=kl_max,
        fisher=fisher,
        inverse_A_DD=inverse(fisher.A_DD),
        inverse_G_DD=inverse(fisher.G_DD),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rls(UpdateRule):
    """Recursive least squares: the error is spread over the features this session has seen.

    With `S <- forgetting * S + F^T F` the step is `-lr * N g S^-1`: a direction seen often moves
    little, a fresh one fully. The target of least squares would be the negated error `-d_n`, of
    which `lr` takes a share; for a softmax head that is a Gauss-Newton step with the output
    curvature taken as `1 / lr`.

    Source: Haykin, Adaptive Filter Theory, ch. 10; the softmax reading is own.
    """

    forgetting: float = 0.98
    """Weight of the past at each chunk, in (0, 1]; 1 never forgets."""
    ridge: float = 100.0
    """Start of S: this many tokens' worth of white features."""

    def start(self, like_DD: Float[Tensor, "width width"]) -> Memory:
        """`S = ridge * I`."""
        eye_DD = torch.eye(like_DD.shape[0], dtype=like_DD.dtype, device=like_DD.device)
        return {"covariance": self.ridge * eye_DD}

    def step(
        self,
        gradient_DD: Float[Tensor, "width width"],
        features_ND: Float[Tensor, "predicted width"],
        memory: Memory,
    ) -> tuple[Float[Tensor, "width width"], Memory]:
        """See `UpdateRule.step`."""
        covariance_DD = self.forgetting * memory["covariance"] + features_ND.T @ features_ND
        factor_DD, failed = torch.linalg.cholesky_ex(covariance_DD)
        summed_DD = gradient_DD * features_ND.shape[0]
        step_DD = -self.lr * torch.cholesky_solve(summed_DD.T, factor_DD).T
        # A covariance that is not positive definite must not look like a step.
        step_DD = step_DD.masked_fill(failed > 0, math.nan)
        return step_DD, {"covariance": covariance_DD}


RuleFactory: TypeAlias = Callable[[float | None, Fisher], UpdateRule]
"""Rate (None: the rule's own default) and the base's Kronecker factors -> the rule."""

RULES: Registry[RuleFactory] = Registry("update rule")
RULES.register("kfac", lambda lr, fisher: kfac(lr=1.0 if lr is None else lr, fisher=fisher))
RULES.register("rls", lambda lr, _: Rls(lr=2.0 if lr is None else lr))
RULES.register("muon", lambda lr, _: Muon(lr=0.1 if lr is None else lr))
RULES.register("sgd", lambda lr, _: Sgd(lr=0.05 if lr is None else lr))


def clip_to(
    gradient_DD: Float[Tensor, "width width"], norm_max: float, *, norm: float | None = None
) -> Float[Tensor, "width width"]:
    """Scale a gradient down to `norm_max` (Frobenius) if it is longer; `norm` is its, if known."""
    norm = float(gradient_DD.norm()) if norm is None else norm
    return gradient_DD if norm <= norm_max else gradient_DD * (norm_max / norm)
