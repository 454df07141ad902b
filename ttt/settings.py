"""What the environment says about this installation, read once at start and handed on.

Options of a single command are not here: those are `ttt/lib/flags.py`'s, which reads the same
documented variables. Nothing is read at import.
"""

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from ttt.errors import ConfigError


class Settings(BaseSettings):
    """Settings of the whole installation; immutable once read.

    Each is read from `TTT_<NAME>` in capitals; two have older, documented names besides. An empty
    variable counts as unset.
    """

    model_config = SettingsConfigDict(
        frozen=True, env_prefix="TTT_", env_ignore_empty=True, extra="ignore"
    )

    artifacts_root: Path = Field(
        default=Path("artifacts"),
        validation_alias=AliasChoices("TTT_ARTIFACTS_ROOT", "ARTIFACTS_ROOT"),
    )
    """Folder of everything that is saved; relative to the working folder."""
    text_lm_device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", validation_alias=AliasChoices("TTT_TEXT_LM_DEVICE", "TEXT_LM_DEVICE")
    )
    """Where text models train and answer."""
    data_dir: Path | None = None
    """Folder of public-domain books and attack texts that training and some tests may read."""


def read_settings() -> Settings:
    """Read the environment.

    Raises:
        ConfigError: A variable holds a value outside its stated range; one line for each.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigError("\n".join(map(_sentence, error.errors()))) from error


def _sentence(detail: ErrorDetails) -> str:
    variable = str(detail["loc"][0])
    wanted = detail["msg"].replace("Input should be", "must be")
    return f"The environment variable {variable} {wanted}, but is {detail['input']!r}."
