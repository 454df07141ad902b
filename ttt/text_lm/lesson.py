"""A model together with its loss, as the one module that is wrapped, sharded or compiled.

Shapes: B batch, S input tokens, N predicted positions or layers, H hidden.
"""

import torch
from torch import Tensor, nn

from ttt.core.model import LanguageModel
from ttt.text_lm.head_loss import head_loss


class Lesson(nn.Module):
    """Examples in, mean cross-entropy and recurrent state out.

    Args:
        model: Whose weights learn.
        precision: Of matrix products; weights, sums and states stay in single precision.
    """

    def __init__(self, model: LanguageModel, *, precision: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.precision = precision

    def forward(
        self, inputs_BS: Tensor, positions_N: Tensor, targets_N: Tensor, start_BNH: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Loss in nats per predicted token, and the state after the last input."""
        halved = self.precision != torch.float32
        with torch.autocast(inputs_BS.device.type, self.precision, enabled=halved):
            features_BSD, end_BNH = self.model.features(inputs_BS, start_BNH)
        features_ND = features_BSD.flatten(0, 1)
        if len(positions_N) < len(features_ND):  # Where all are predicted they stand in order.
            features_ND = features_ND[positions_N]
        loss = head_loss(
            features_ND.float(), self.model.head_VD, targets_N, precision=self.precision
        )
        return loss, end_BNH
