"""Which tokens moved the loss: the length of the loss gradient at each embedded token.

On demand only: it is the one signal that needs a backward pass through the backbone.
"""

import torch

from ttt.changes.fast_state import FastState
from ttt.core.base import Base
from ttt.core.model import adapt
from ttt.monitors.reading import Page


def token_influence(
    base: Base, page: Page, state: FastState, *, top: int
) -> tuple[tuple[str, float], ...]:
    """The `top` input tokens with the longest gradient `||dL/dx_t||`, longest first.

    Args:
        base: Frozen model and tokenizer.
        page: The chunk as it was read.
        state: Plastic state it was read under.
        top: How many to return.

    Returns:
        Pairs of decoded token and gradient length (nats per unit of embedding).
    """
    model = base.model
    inputs_BS = page.examples.inputs_BS
    with torch.enable_grad():
        embedded_BSD = model.embed(inputs_BS).detach().requires_grad_(True)
        hidden_BSD, _ = model.backbone(embedded_BSD, page.start_BNH)
        features_ND = model.norm(hidden_BSD).flatten(0, 1)[page.examples.positions_N]
        logits_NV = adapt(features_ND, state.adapter_DD) @ model.head_VD.T
        loss = torch.nn.functional.cross_entropy(logits_NV, page.examples.targets_N)
        (gradient_BSD,) = torch.autograd.grad(loss, embedded_BSD)
    lengths_S = gradient_BSD[0].norm(dim=1)
    longest = lengths_S.topk(min(top, int(lengths_S.shape[0])))
    return tuple(
        (base.encoder.decode([int(inputs_BS[0, i])]), float(length))
        for length, i in zip(longest.values, longest.indices, strict=True)
    )
