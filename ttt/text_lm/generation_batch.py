"""The next token of each of many texts at a time: one step of as many generations.

For whoever writes for many sessions at once (the service, an arena); one text alone is written by
`generation.py`. Nothing here learns or saves.

Shapes: B sequences, D width, N layers, H hidden.
"""

import numpy as np
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor

from ttt.core.stepping_batch import BatchStepper
from ttt.text_lm.sampling import Sampling, draw


def write_many(
    stepper: BatchStepper,
    tokens_B: Int[Tensor, " sequences"],
    state_BNH: Float[Tensor, "sequences layers hidden"],
    *,
    sampling: Sampling,
    uniforms_B: Float64[np.ndarray, " sequences"],
    adapters_BDD: Float[Tensor, "sequences width width"] | None = None,
) -> tuple[Int64[np.ndarray, " sequences"], Float64[np.ndarray, " sequences"]]:
    """Read the last token of each text and draw the next.

    Args:
        stepper: Of the base that all of them are written with.
        tokens_B: The last token of each text.
        state_BNH: The recurrent states before those tokens; **overwritten**.
        sampling: How to draw, the same for all.
        uniforms_B: A number in [0, 1) for each text, from a generator of its own, so that no text
            depends on which others are written beside it.
        adapters_BDD: Fast weights of each, stored (in, out).

    Returns:
        The ids and their log-probabilities, nats.

    Raises:
        PredictionError: The scores of one of them are not finite; the states have moved on.
    """
    features_BD = stepper.step(tokens_B, state_BNH)
    logits_BV = stepper.logits(features_BD, adapters_BDD)
    return draw(logits_BV.float().cpu().numpy(), sampling, uniforms_B)
