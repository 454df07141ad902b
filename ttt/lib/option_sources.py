"""Reads options from a configuration file and from the environment; nothing is written."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from ttt.errors import ConfigError
from ttt.lib import strict_json
from ttt.lib.names import did_you_mean
from ttt.lib.options import flag_of, from_text, option_names, takes_many

CONFIG_BYTES_MAX = 1 << 20


def read_config(path: Path, model: type[BaseModel]) -> dict[str, object]:
    """The options in a YAML file (JSON if it is called `.json`), by field name.

    Args:
        path: The file, a mapping of option names (either spelling) to values.
        model: Whose options they are.

    Raises:
        ConfigError: The file cannot be read or parsed, is larger than 1 MiB, is no mapping, or
            holds a key that is no option or stands there twice.
    """
    values: dict[str, object] = {}
    for key, value in _parse(path).items():
        name = _field_name(str(key).replace("-", "_"), model, path)
        if name in values:
            raise ConfigError(f"{path} gives {name!r} twice; keep one.")
        values[name] = value
    return values


def read_environment(
    model: type[BaseModel], environ: Mapping[str, str]
) -> dict[str, tuple[str, object]]:
    """The options found in the environment, by field name, with the variable each came from.

    A field `chunk_tokens` is read from `TTT_CHUNK_TOKENS`, then from the variables its `Flag`
    documents. An empty variable counts as unset. A list may be written as a JSON array.
    """
    found: dict[str, tuple[str, object]] = {}
    for name, option in option_names(model).items():
        field = model.model_fields[name]
        for variable in (f"TTT_{option.upper()}", *flag_of(field).env):
            if text := environ.get(variable, ""):
                found[name] = (variable, _value(field.annotation, text, variable))
                break
    return found


def _value(annotation: object, text: str, variable: str) -> object:
    if not takes_many(annotation):
        return from_text(annotation, text)
    if not text.startswith("["):
        return [from_text(annotation, text)]
    try:
        return strict_json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{variable} starts like a JSON array but is none: {error}.") from error


def _field_name(key: str, model: type[BaseModel], path: Path) -> str:
    """The field an option's name stands for; a field's own name does as well."""
    fields = {option: name for name, option in option_names(model).items()}
    fields |= {name: name for name in model.model_fields}
    if key not in fields:
        raise ConfigError(
            f"{path} holds {key!r}, which is not an option of this command"
            f"{did_you_mean(key, fields)}."
        )
    return fields[key]


def _parse(path: Path) -> dict[object, object]:
    try:
        with path.open("rb") as file:
            raw = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"Cannot read the config file {path}: {error.strerror}.") from error
    if len(raw) > CONFIG_BYTES_MAX:
        raise ConfigError(f"The config file {path} is larger than {CONFIG_BYTES_MAX} bytes.")
    try:
        text = raw.decode("utf-8")
        parsed = strict_json.loads(text) if path.suffix == ".json" else _parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"The config file {path} cannot be parsed: {error}.") from error
    if parsed is None:
        return {}
    if not isinstance(parsed, dict):
        raise ConfigError(f"The config file {path} must be a mapping such as 'lr: 0.05'.")
    return parsed


def _parse_yaml(text: str) -> object:
    from ttt.lib import core_yaml  # Imports yaml, which a call without --config does not need.

    return core_yaml.loads(text)
