"""Fast weights that a night has left with a model, for new sessions to start from.

Shapes: D width.
"""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ttt.errors import CorruptArtifactError, NotFoundError
from ttt.store.models import read_model_file
from ttt.store.tensor_files import decode_arrays, encode_arrays

RESIDUAL: Final = "residual.safetensors"
"""The file of a model that holds them."""
ADAPTER: Final = "plastic.adapter"
"""Their name, there as in the state of a session."""


def encode_start_weights(adapter_DD: Float[Tensor, "width width"]) -> bytes:
    """The weights as a file."""
    return encode_arrays({ADAPTER: adapter_DD.numpy()})


def read_start_weights(root: Path, model_id: str, *, width: int) -> Float[Tensor, "width width"]:
    """The weights that a night has left with a model.

    Args:
        root: The artifact tree.
        model_id: The model.
        width: D of it.

    Raises:
        NotFoundError: It has none.
        CorruptArtifactError: The file is damaged.
    """
    try:
        data = read_model_file(root, model_id, RESIDUAL)
    except NotFoundError as error:
        raise NotFoundError(
            "residual of a base", model_id, "Only ttt sleep --residual leaves one; start at zero."
        ) from error
    adapter = decode_arrays(data, f"{model_id}/{RESIDUAL}").get(ADAPTER)
    if adapter is None or adapter.shape != (width, width):
        raise CorruptArtifactError(f"{model_id}/{RESIDUAL} holds no adapter of width {width}.")
    return torch.from_numpy(np.array(adapter, np.float32))
