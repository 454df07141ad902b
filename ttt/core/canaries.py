"""Canaries as tensors: texts whose loss must not rise, read once and probed after every change.

The backbone is frozen, so what it makes of a canary (its features) never changes: a probe is one
product with the head. The reading after one change is the reading before the next. Where a step
may be shrunk its logits are kept, because they are linear in the adapter: the canary losses
anywhere on the line between two probed points cost no further product (`CanaryReading.towards`).

Shapes: C canaries, N their predicted positions together, D width, V vocabulary.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from ttt.core.closed_form import Batch, make_batch
from ttt.core.model import LanguageModel, adapt
from ttt.core.objective import TTTObjective
from ttt.core.scalars import numbers
from ttt.core.tokens import BOS_ID, TextEncoder
from ttt.core.vocabulary import (
    blend,
    errors_of_logits,
    errors_pass,
    log_probs_of_blend,
    log_probs_of_logits,
    log_probs_pass,
)
from ttt.errors import ConfigError
from ttt.lib.products import product
from ttt.lib.seeds import derive_seed

TOKENS_MIN = 4
"""A canary shorter than this says nothing about what the model knows."""
TOKENS_MAX = 40
"""A canary is cut here: the probe's cost is counted in tokens, and scripts that byte pairs spell
out letter by letter would otherwise cost three times what prose does."""


Parts: TypeAlias = tuple[tuple[float, Tensor], ...]
"""Logits (N, V) that are kept, each with its share in a sum."""


class CanaryReading:
    """The losses of a canary set under one adapter, and what the next step needs of them.

    Computed when first asked for. Without logits, losses and gradient come out of a pass that keeps
    none of them; asked for both, ask for the gradient first, and the losses cost nothing.

    Args:
        canaries: The set that is read.
        adapter_DD: The adapter; not needed where there are logits.
        parts: Kept logits that those under it are a weighted sum of: they serve `towards`.
    """

    def __init__(
        self,
        canaries: "CanarySet",
        *,
        adapter_DD: Float[Tensor, "width width"] | None = None,
        parts: Parts = (),
    ) -> None:
        assert (adapter_DD is None) != (not parts), "an adapter, or what it led to"
        self._canaries = canaries
        self._adapter_DD = adapter_DD
        self._parts = parts

    @cached_property
    def losses_C(self) -> Float[Tensor, " canaries"]:
        """Mean cross-entropy of each canary, nats per token."""
        return -(self._canaries.mean_CN @ self._log_probs_N)

    @cached_property
    def mean_loss(self) -> float:
        """Mean of the canaries' losses, each counted alike, nats per token."""
        return -numbers(products=[(self._canaries.weights_N, self._log_probs_N)])[0]

    @cached_property
    def gradient_DD(self) -> Float[Tensor, "width width"]:
        """Gradient of `mean_loss` in the adapter."""
        canaries = self._canaries
        return (self._errors_ND * canaries.weights_N[:, None]).T @ canaries.batch.features_ND

    def gradients_CDD(self) -> Float[Tensor, "canaries width width"]:
        """Gradient of each canary's own loss, for the cone."""
        errors_CND = self._canaries.mean_CN[:, :, None] * self._errors_ND
        return errors_CND.mT @ self._canaries.batch.features_ND

    def towards(self, other: "CanaryReading", fraction: float) -> "CanaryReading":
        """The reading at `fraction` of the way to `other`'s adapter; exact, without a product."""
        shared = (1.0 - fraction, self), (fraction, other)
        return CanaryReading(self._canaries, parts=_summed(shared))

    def moved(self, start: "CanaryReading", end: "CanaryReading") -> "CanaryReading":
        """The reading after a move like that from `start` to `end`; exact, without a product."""
        return CanaryReading(
            self._canaries, parts=_summed(((1.0, self), (1.0, end), (-1.0, start)))
        )

    def written(self) -> "CanaryReading":
        """This reading with logits of its own, so that nothing it came from is held any longer."""
        if len(self._parts) > 1:
            self._parts = ((1.0, blend(self._parts)),)
        return self

    @property
    def _kept(self) -> Parts:
        """What its logits are a sum of; kept from now on."""
        if not self._parts:
            self._parts = ((1.0, product(self._adapted_ND, self._canaries.head_VD.T)),)
        return self._parts

    @property
    def _adapted_ND(self) -> Float[Tensor, "predicted width"]:
        return adapt(self._canaries.batch.features_ND, self._adapter_DD)

    @cached_property
    def _log_probs_N(self) -> Float[Tensor, " predicted"]:
        targets_N, head_VD = self._canaries.batch.targets_N, self._canaries.head_VD
        if len(self._parts) > 1:
            return log_probs_of_blend(self._parts, targets_N)
        if self._parts:
            return log_probs_of_logits(self._parts[0][1], targets_N)
        return log_probs_pass(self._adapted_ND, targets_N, head_VD)

    @cached_property
    def _errors_ND(self) -> Float[Tensor, "predicted width"]:
        """The gradient of each position's loss in its adapted features."""
        targets_N, head_VD = self._canaries.batch.targets_N, self._canaries.head_VD
        if self._parts:
            ((_, logits_NV),) = self.written()._parts
            return errors_of_logits(logits_NV, targets_N, head_VD)
        self._log_probs_N, errors_ND = errors_pass(self._adapted_ND, targets_N, head_VD)
        return errors_ND


def _summed(readings: Iterable[tuple[float, CanaryReading]]) -> Parts:
    """A weighted sum of readings as one of the logits that they themselves are sums of."""
    shares: dict[int, tuple[float, Tensor]] = {}
    for factor, reading in readings:
        for share, logits_NV in reading._kept:
            before = shares.get(id(logits_NV), (0.0, logits_NV))[0]
            shares[id(logits_NV)] = before + factor * share, logits_NV
    if len(shares) == 1:  # Shares of a point on a line add up to 1, but for rounding.
        return ((1.0, next(iter(shares.values()))[1]),)
    return tuple(shares.values())


@dataclass(frozen=True, kw_only=True)
class CanarySet:
    """Some canaries, as the frozen part of one model sees them under one objective."""

    batch: Batch
    mean_CN: Float[Tensor, "canaries predicted"]
    """Row c takes the mean over the positions of canary c: 1 / its length there, else 0."""
    head_VD: Float[Tensor, "vocabulary width"]

    def __len__(self) -> int:
        return int(self.mean_CN.shape[0])

    @property
    def tokens(self) -> int:
        """Predicted positions of all canaries together."""
        return len(self.batch)

    @cached_property
    def weights_N(self) -> Float[Tensor, " predicted"]:
        """Weight of each position in the mean of all canaries."""
        return self.mean_CN.mean(dim=0)

    @torch.no_grad()
    def read(self, adapter_DD: Float[Tensor, "width width"]) -> CanaryReading:
        """Probe the set under an adapter: one product with the head, whose result is kept."""
        logits_NV = product(adapt(self.batch.features_ND, adapter_DD), self.head_VD.T)
        return CanaryReading(self, parts=((1.0, logits_NV),))

    def glance(self, adapter_DD: Float[Tensor, "width width"]) -> CanaryReading:
        """Probe the set where no other point of the way there will be asked for: no logits kept."""
        return CanaryReading(self, adapter_DD=adapter_DD)

    @torch.no_grad()
    def losses_float64(
        self, adapter_DD: Float[Tensor, "width width"]
    ) -> Float[Tensor, " canaries"]:
        """The same losses by an independent evaluation in double precision."""
        adapted_ND = adapt(self.batch.features_ND.double(), adapter_DD.double())
        logits_NV = adapted_ND @ self.head_VD.double().T
        log_probs_N = torch.log_softmax(logits_NV, dim=1).gather(1, self.batch.targets_N[:, None])
        return -(self.mean_CN.double() @ log_probs_N[:, 0])

    def directions_DR(self, rank: int) -> Float[Tensor, "width rank"]:
        """Orthonormal basis of the top `rank` directions of the canaries' features."""
        right_RD: Tensor = torch.linalg.svd(self.batch.features_ND, full_matrices=False)[2]
        return right_RD[:rank].T.contiguous()


def encode_canaries(
    texts: Sequence[str],
    *,
    model: LanguageModel,
    encoder: TextEncoder,
    objective: TTTObjective,
    seed: int = 0,
) -> CanarySet:
    """Read canary texts through the frozen part, once.

    Args:
        texts: The canaries.
        model: The frozen base.
        encoder: Its tokenizer.
        objective: How they are examined; MLM masks depend on `seed` and the canary's place only.
        seed: Randomness of the masks.

    Raises:
        ConfigError: There is no canary, or one is too short to be examined.
    """
    if not texts:
        raise ConfigError("A probe needs at least one canary text; none was given.")
    batches = [
        _encode_one(text, model, encoder, objective, derive_seed(seed, "canary", str(i)))
        for i, text in enumerate(texts)
    ]
    rows = [torch.full((1, len(batch)), 1.0 / len(batch)) for batch in batches]
    return CanarySet(
        batch=Batch(
            features_ND=torch.cat([batch.features_ND for batch in batches]),
            targets_N=torch.cat([batch.targets_N for batch in batches]),
        ),
        mean_CN=torch.block_diag(*rows).to(model.head_VD.device),
        head_VD=model.head_VD.detach(),
    )


def _encode_one(
    text: str, model: LanguageModel, encoder: TextEncoder, objective: TTTObjective, seed: int
) -> Batch:
    ids = encoder.encode(text)
    if len(ids) < TOKENS_MIN:
        raise ConfigError(
            f"Canary {text!r} has {len(ids)} tokens; give a text of at least {TOKENS_MIN}."
        )
    tokens_1L = torch.tensor([[BOS_ID, *ids[:TOKENS_MAX]]], device=model.head_VD.device)
    examples = objective.examples(tokens_1L, torch.Generator().manual_seed(seed))
    return make_batch(model, examples)[0]
