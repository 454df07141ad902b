"""One pass over the vocabulary: from adapted features to log-probabilities and their errors.

With logits `z_n = E h_n`, `p_n = softmax(z_n)` and target y_n, a pass gives `log p_n[y_n]` and, if
wanted, the error `d_n = E^T (p_n - onehot(y_n))`: the gradient of the loss in `h_n`. On the CPU in
float32 it goes tile by tile, so that logits live and die in the caches and no matrix of the size
of the vocabulary is ever written; anything else takes plain torch, the readable twin.

Shapes: N predicted positions, M those and rows that fill up, D width, V vocabulary, T tokens of one
tile of it.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ttt.core.scan import scan_path
from ttt.lib.products import filled, product

TILE_TOKENS: Final = 2048
TILE_LOGITS: Final = 1 << 18
"""Least tokens of one tile of the vocabulary, and the logits it holds where positions are few: a
megabyte, the second cache level of today's processors. Source: own measurement with
`benchmarks/speed.py`; half and twice as much differ by less than a tenth."""


def errors_pass(
    adapted_ND: Float[Tensor, "predicted width"],
    targets_N: Int[Tensor, " predicted"],
    head_VD: Float[Tensor, "vocabulary width"],
) -> tuple[Float[Tensor, " predicted"], Float[Tensor, "predicted width"]]:
    """Log-probabilities of the targets, nats, and the gradient of each loss in its features.

    Source: the gradient of cross-entropy, checked against autograd in the tests.
    """
    if runs_compiled(adapted_ND, head_VD):
        return _tiled(adapted_ND, targets_N, head_VD, errors=True)
    return naive_errors_pass(adapted_ND, targets_N, head_VD)


def naive_errors_pass(
    adapted_ND: Float[Tensor, "predicted width"],
    targets_N: Int[Tensor, " predicted"],
    head_VD: Float[Tensor, "vocabulary width"],
) -> tuple[Float[Tensor, " predicted"], Float[Tensor, "predicted width"]]:
    """The readable twin of `errors_pass`."""
    logits_NV = adapted_ND @ head_VD.T
    probs_NV = logits_NV.softmax(dim=1)
    # One exponential serves both: what softmax divided by stands in the largest probability, which
    # is exp(max - log_norm) and never vanishes as the target's own may.
    log_norm_N = logits_NV.amax(dim=1) - probs_NV.amax(dim=1).log()
    log_probs_N = logits_NV.gather(1, targets_N[:, None])[:, 0] - log_norm_N
    return log_probs_N, probs_NV @ head_VD - head_VD[targets_N]


def log_probs_pass(
    adapted_ND: Float[Tensor, "predicted width"],
    targets_N: Int[Tensor, " predicted"],
    head_VD: Float[Tensor, "vocabulary width"],
) -> Float[Tensor, " predicted"]:
    """Log-probabilities of the targets alone, nats."""
    if runs_compiled(adapted_ND, head_VD):
        return _tiled(adapted_ND, targets_N, head_VD, errors=False)[0]
    return log_probs_of_logits(adapted_ND @ head_VD.T, targets_N)


def log_probs_of_logits(
    logits_NV: Float[Tensor, "predicted vocabulary"], targets_N: Int[Tensor, " predicted"]
) -> Float[Tensor, " predicted"]:
    """`log softmax(logits)[target]` row by row, of logits that somebody keeps."""
    if not runs_compiled(logits_NV):
        return logits_NV.log_softmax(dim=1).gather(1, targets_N[:, None])[:, 0]
    from ttt.core import softmax_numba

    scratch_V = np.empty(logits_NV.shape[1], np.float32)
    log_probs_N = np.empty(logits_NV.shape[0], np.float32)
    arrays = logits_NV.contiguous().numpy(), targets_N.numpy()
    softmax_numba.log_probabilities(*arrays, scratch_V, log_probs_N)
    return torch.from_numpy(log_probs_N)


def log_probs_of_blend(
    parts: Sequence[tuple[float, Float[Tensor, "predicted vocabulary"]]],
    targets_N: Int[Tensor, " predicted"],
) -> Float[Tensor, " predicted"]:
    """The same of a weighted sum of two or three logits, which is never written down."""
    assert 2 <= len(parts) <= 3, "as many as the loop takes"
    logits = [logits_NV for _, logits_NV in parts]
    if not runs_compiled(*logits):
        return log_probs_of_logits(blend(parts), targets_N)
    from ttt.core import softmax_numba

    shares_3, log_probs_N = np.zeros(3, np.float32), np.empty(targets_N.shape[0], np.float32)
    shares_3[: len(parts)] = [share for share, _ in parts]
    first, second, third = (one.contiguous().numpy() for one in (*logits, logits[0])[:3])
    scratch_V = np.empty(logits[0].shape[1], np.float32)
    softmax_numba.blended_log_probabilities(
        (first, second, third), shares_3, targets_N.numpy(), scratch_V, log_probs_N
    )
    return torch.from_numpy(log_probs_N)


def blend(
    parts: Sequence[tuple[float, Float[Tensor, "predicted vocabulary"]]],
) -> Float[Tensor, "predicted vocabulary"]:
    """The weighted sum of some logits, written down; of one with weight 1, itself."""
    (share, total_NV), *others = parts
    if others or share != 1.0:
        total_NV = share * total_NV
    for share, logits_NV in others:
        total_NV.add_(logits_NV, alpha=share)
    return total_NV


def errors_of_logits(
    logits_NV: Float[Tensor, "predicted vocabulary"],
    targets_N: Int[Tensor, " predicted"],
    head_VD: Float[Tensor, "vocabulary width"],
) -> Float[Tensor, "predicted width"]:
    """The gradient of each position's loss in its features, of logits that somebody keeps."""
    if not runs_compiled(logits_NV, head_VD):
        return logits_NV.softmax(dim=1) @ head_VD - head_VD[targets_N]
    sums = _Sums(targets_N, head_VD, errors=True)
    filled_MV = filled(logits_NV)  # What it added, it added to a copy.
    if filled_MV is logits_NV:
        filled_MV = logits_NV.clone(memory_format=torch.contiguous_format)
    sums.add(filled_MV, 0, head_VD)
    return sums.finished()[1]


def log_shares(
    scores_NM: Float[Tensor, "predicted more"],
    values_M: Int[Tensor, " columns"],
    targets_N: Int[Tensor, " predicted"],
) -> Float[Tensor, " predicted"]:
    """Log of how much of each row's softmax stands in columns whose value is the target.

    Columns beyond the last value do not count.
    """
    if not runs_compiled(scores_NM):
        others_NM = targets_N[:, None] != values_M
        return (
            scores_NM[:, : len(values_M)]
            .softmax(dim=1)
            .masked_fill_(others_NM, 0.0)
            .sum(dim=1)
            .log()
        )
    from ttt.core import softmax_numba

    log_shares_N = np.empty(len(targets_N), np.float32)
    scratch_M = np.empty(len(values_M), np.float32)
    arrays = scores_NM.contiguous().numpy(), values_M.numpy(), targets_N.numpy()
    softmax_numba.log_shares(*arrays, scratch_M, log_shares_N)
    return torch.from_numpy(log_shares_N)


def runs_compiled(*tensors: Tensor) -> bool:
    """Whether the compiled loops take these: float32 on the CPU, with no gradient to be lost."""
    for each in tensors:
        if each.requires_grad or each.dtype != torch.float32 or not each.is_cpu:
            return False
    return scan_path() == "numba"


def _tiled(
    adapted_ND: Tensor, targets_N: Tensor, head_VD: Tensor, *, errors: bool
) -> tuple[Tensor, Tensor]:
    sums = _Sums(targets_N, head_VD, errors=errors)
    adapted_ND = filled(adapted_ND)
    count, vocabulary = adapted_ND.shape[0], head_VD.shape[0]
    size = min(vocabulary, max(TILE_TOKENS, TILE_LOGITS // count))
    for first in range(0, vocabulary, size):
        tile_TD = head_VD[first : first + size]
        sums.add(product(adapted_ND, tile_TD.T), first, tile_TD)
    return sums.finished()


class _Sums:
    """What a pass has summed up so far.

    Args:
        targets_N: The targets.
        head_VD: The head.
        errors: Whether the errors are wanted.
    """

    __slots__ = (
        "_compiled",
        "_errors",
        "_head",
        "_running",
        "_targets",
        "_weighted",
        "weighted_ND",
    )

    def __init__(self, targets_N: Tensor, head_VD: Tensor, *, errors: bool) -> None:
        from ttt.core import softmax_numba

        self._compiled, self._errors = softmax_numba, errors
        count, width = targets_N.shape[0], head_VD.shape[1] if errors else 0
        self.weighted_ND = head_VD.new_zeros(count, width)
        # The same memory as the compiled loops see it.
        self._targets, self._head = targets_N.numpy(), head_VD.numpy()
        self._weighted = self.weighted_ND.numpy()
        self._running = np.empty((count, 3))
        self._running[:] = softmax_numba.START

    def add(self, logits_MT: Tensor, first: int, tile_TD: Tensor) -> None:
        """Take in a tile; its logits are lost, and rows that `filled` added say nothing."""
        count = len(self._targets)
        logits = logits_MT.numpy()[:count]
        self._compiled.exponentiate_tile(
            logits, first, self._targets, self._running, self._weighted
        )
        if self._errors:
            self.weighted_ND += product(logits_MT, tile_TD)[:count]

    def finished(self) -> tuple[Tensor, Tensor]:
        """Log-probabilities and errors."""
        log_probs_N = np.empty(len(self._targets), np.float32)
        arrays = self._running, self._targets, self._head, self._weighted
        self._compiled.finish(*arrays, log_probs_N)
        return torch.from_numpy(log_probs_N), self.weighted_ND
