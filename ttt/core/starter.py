"""The base models that the project carries: ready in the first minute, without a download.

Package data in `ttt/data/starter`, trained by `ttt.text_lm.starter` and described in
docs/starter-models.md.
"""

from dataclasses import fields

import safetensors
import safetensors.torch

from ttt.core.base import Base
from ttt.core.fisher import split_fisher
from ttt.core.model import ModelConfig
from ttt.core.restore import restore_model
from ttt.core.starter_files import TOKENIZER, starter_file, starter_record
from ttt.core.tokens import BytePairs
from ttt.errors import CorruptArtifactError, UnknownNameError


def load_starter(backbone: str = "gru") -> Base:
    """Load a starter model, frozen and in single precision.

    Args:
        backbone: `gru` or `ssm`.

    Raises:
        UnknownNameError: There is no starter model with that backbone.
        NotFoundError: The package holds no starter models.
        CorruptArtifactError: A file differs from its recorded digest, or does not fit together.
    """
    models = starter_record()["models"]
    if backbone not in models:
        raise UnknownNameError("starter model", backbone, tuple(models))
    data = starter_file(f"{backbone}.safetensors")
    try:
        saved = models[backbone]["config"]
        config = ModelConfig(**{field.name: saved[field.name] for field in fields(ModelConfig)})
        tensors = safetensors.torch.load(data)
    except (KeyError, TypeError, safetensors.SafetensorError) as error:
        raise CorruptArtifactError(
            f"The starter model {backbone!r} is damaged ({error}); install the package again."
        ) from error
    weights, fisher = split_fisher(tensors)
    return Base(
        name=f"starter-{backbone}",
        model=restore_model(config, weights),
        encoder=BytePairs(starter_file(TOKENIZER).decode()),
        fisher=fisher,
    )
