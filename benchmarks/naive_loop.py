"""The monitored update as one would write it down first: the twin that `speed` compares with.

Autograd on the adapter and, for the influence of each token, on the embeddings; `torch.nn.GRU` or a
loop-free scan of torch operations; the canary read three times a chunk (before the step, for its
gradient, after the step); the gradient clipped; `torch.optim.SGD`; rollback from a deep copy. It
takes the same decisions by the same limits, so its losses and canary readings are those of the
monitor, and a test holds the two together. What it leaves out: the cache, the receipt, fingerprints
and the mixture, which a plain loop has not.

Shapes: B batch, L tokens, D width, V vocabulary, H hidden.
"""

import copy
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from ttt.core.backbone import GruBackbone, SsmBackbone, SsmLayer
from ttt.core.gate import ChunkWrite, should_gate_update
from ttt.core.model import LanguageModel
from ttt.core.rollback import Rise, RollbackConfig, rollback_verdict
from ttt.core.tokens import BOS_ID, TextEncoder
from ttt.lib.stats import RobustHistory, median
from ttt.lib.text_stats import deflate_ratio
from ttt.monitors.documents import Chunk

Saved: TypeAlias = tuple[dict[str, Any], dict[str, Any]]
"""State of the adapter and of the optimizer."""


def doubling_scan(a_BLD: Tensor, x_BLD: Tensor, start_BD: Tensor | None) -> Tensor:
    """`s_t = a_t s_(t-1) + x_t` in log2(L) passes over the whole sequence, without a division.

    Source: Hillis & Steele 1986, "Data parallel algorithms".
    """
    if start_BD is not None:
        first_B1D = x_BLD[:, :1] + a_BLD[:, :1] * start_BD[:, None]
        x_BLD = torch.cat([first_B1D, x_BLD[:, 1:]], dim=1)
    step = 1
    while step < x_BLD.shape[1]:
        later_x = x_BLD[:, step:] + a_BLD[:, step:] * x_BLD[:, :-step]
        later_a = a_BLD[:, step:] * a_BLD[:, :-step]
        x_BLD = torch.cat([x_BLD[:, :step], later_x], dim=1)
        a_BLD = torch.cat([a_BLD[:, :step], later_a], dim=1)
        step *= 2
    return x_BLD


class PlainModel(nn.Module):
    """The same language model with a plastic `nn.Linear`, everything else without gradients.

    Args:
        model: Whose frozen weights to use; shared, not copied.
    """

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.frozen = model
        self.adapter = nn.Linear(model.config.width, model.config.width, bias=False)
        nn.init.zeros_(self.adapter.weight)

    def forward(
        self, tokens_BL: Tensor, states: list[Tensor] | None = None, *, watch_input: bool = False
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Logits, the embeddings they came from, and the recurrent state of each layer.

        Args:
            tokens_BL: Token ids.
            states: State of each layer before them; None starts afresh.
            watch_input: Whether the embeddings get a gradient.
        """
        embedded_BLD = self.frozen.embed(tokens_BL).requires_grad_(watch_input)
        hidden_BLD, after = self._recur(embedded_BLD, states)
        hidden_BLD = self.frozen.norm(hidden_BLD)
        hidden_BLD = hidden_BLD + self.adapter(hidden_BLD)
        return hidden_BLD @ self.frozen.embed.weight.T, embedded_BLD, after

    def _recur(self, x_BLD: Tensor, states: list[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        backbone, after = self.frozen.backbone, []
        if isinstance(backbone, GruBackbone):
            layers = zip(backbone.norms, backbone.cells, backbone.outs, strict=True)
            for n, (norm, cell, out) in enumerate(layers):
                y_BLH, end_1BH = cell(norm(x_BLD), None if states is None else states[n])
                x_BLD = x_BLD + out(y_BLH)
                after.append(end_1BH.detach())
            return x_BLD, after
        assert isinstance(backbone, SsmBackbone), "only the two backbones that ship"
        for n, layer in enumerate(cast("list[SsmLayer]", list(backbone.layers))):
            u_BLD = layer.norm(x_BLD)
            value_BLH, gate_BLH = layer.value_and_gate(u_BLD).chunk(2, dim=-1)
            decay_BLH = torch.sigmoid(layer.decay(u_BLD))
            inputs_BLH = (1 - decay_BLH) * value_BLH
            s_BLH = doubling_scan(decay_BLH, inputs_BLH, None if states is None else states[n])
            x_BLD = x_BLD + layer.out(s_BLH * nn.functional.silu(gate_BLH))
            after.append(s_BLH[:, -1].detach())
        return x_BLD, after


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveEvent:
    """What the plain loop says about a chunk; the names are those of the monitor's event."""

    outcome: str
    loss: float
    grad_norm: float
    update_norm: float
    canary_before: float
    canary_after: float
    canary_grad_cos: float
    predicted_canary_change: float
    token_entropy: float
    compression_ratio: float
    influence: tuple[tuple[int, float], ...]


class NaiveLoop:
    """One session of plain monitored learning (AR, SGD).

    Args:
        model: The frozen base.
        encoder: Its tokenizer.
        canary: The text whose loss is watched.
        lr: Rate of SGD.
        influence: Whether to name the tokens that moved each chunk's loss, which is what makes
            autograd walk back through the backbone.
    """

    def __init__(
        self,
        model: LanguageModel,
        encoder: TextEncoder,
        canary: str,
        *,
        lr: float,
        influence: bool = True,
    ) -> None:
        self.model = PlainModel(model)
        self.optimizer = torch.optim.SGD(self.model.adapter.parameters(), lr=lr)
        self.canary_BL = torch.tensor([[BOS_ID, *encoder.encode(canary)]])
        self.influence = influence
        self.grad_norms = self.rises = RobustHistory()
        self.start = self._canary_loss()
        self._states: list[Tensor] | None = None

    def observe(self, chunk: Chunk) -> NaiveEvent:
        """Read a chunk, learn from it, and undo that if the canary says so."""
        saved = copy.deepcopy((self.model.adapter.state_dict(), self.optimizer.state_dict()))
        before, canary_DD = self._canary_loss(), self._canary_gradient()
        self.optimizer.zero_grad()
        loss, embedded_BLD = self._read(chunk)
        loss.backward()
        weight = self.model.adapter.weight
        assert weight.grad is not None, "backward filled it"
        norm = float(weight.grad.norm())
        cosine = float((weight.grad * canary_DD).sum() / (norm * canary_DD.norm()))
        text = chunk.for_gate()
        write = ChunkWrite(loss_nats=loss.item(), grad_norm=norm)
        outcome, after, step_DD = "refused", before, torch.zeros_like(weight)
        if should_gate_update(text, write=write)[0]:
            step_DD = self._step(norm)
            after = self._canary_loss()
            outcome = self._judge(norm, before, after, saved)
        return NaiveEvent(
            outcome=outcome,
            loss=loss.item(),
            grad_norm=norm,
            update_norm=float(step_DD.norm()),
            canary_before=before,
            canary_after=after,
            canary_grad_cos=cosine,
            predicted_canary_change=float((canary_DD * step_DD).sum()),
            token_entropy=text.tokens.entropy_bits,
            compression_ratio=deflate_ratio(text.text_bytes),
            influence=self._influence(chunk, embedded_BLD),
        )

    def _step(self, norm: float) -> Tensor:
        """Clip to the median of the kept norms, step, and return what changed."""
        weight = self.model.adapter.weight
        old_DD = weight.detach().clone()
        nn.utils.clip_grad_norm_([weight], median(self.grad_norms.values or (norm,)))
        self.optimizer.step()
        return weight.detach() - old_DD

    def _judge(self, norm: float, before: float, after: float, saved: Saved) -> str:
        rise = Rise(start=self.start, before=before, after=after)
        if not rollback_verdict(rise, self.rises, RollbackConfig()).allowed:
            self.model.adapter.load_state_dict(saved[0])
            self.optimizer.load_state_dict(saved[1])
            return "reverted"
        self.grad_norms = self.grad_norms.with_value(norm)
        self.rises = self.rises.with_value(rise.step)
        return "committed"

    def _read(self, chunk: Chunk) -> tuple[Tensor, Tensor]:
        states = None if chunk.starts_document else self._states
        tokens_BL = torch.tensor([[chunk.previous_id, *chunk.token_ids]])
        logits_BLV, embedded_BLD, self._states = self.model(
            tokens_BL[:, :-1], states, watch_input=self.influence
        )
        return nn.functional.cross_entropy(logits_BLV[0], tokens_BL[0, 1:]), embedded_BLD

    def _canary(self) -> Tensor:
        logits_BLV, _, _ = self.model(self.canary_BL[:, :-1])
        return nn.functional.cross_entropy(logits_BLV[0], self.canary_BL[0, 1:])

    @torch.no_grad()
    def _canary_loss(self) -> float:
        return float(self._canary())

    def _canary_gradient(self) -> Tensor:
        (gradient_DD,) = torch.autograd.grad(self._canary(), self.model.adapter.weight)
        return gradient_DD

    def _influence(self, chunk: Chunk, embedded_BLD: Tensor) -> tuple[tuple[int, float], ...]:
        if embedded_BLD.grad is None:
            return ()
        read = [chunk.previous_id, *chunk.token_ids]
        longest = embedded_BLD.grad[0].norm(dim=1).topk(10)
        pairs = zip(longest.indices.tolist(), longest.values.tolist(), strict=True)
        return tuple((read[place], length) for place, length in pairs)
