"""Options from a file and from the environment."""

from pathlib import Path
from typing import Annotated, Literal

import pytest

from ttt.errors import ConfigError
from ttt.lib.option_sources import CONFIG_BYTES_MAX, read_config, read_environment
from ttt.lib.options import CommandOptions, Flag


class Demo(CommandOptions):
    chunk_tokens: int = 5
    lr: float = 0.5
    texts: tuple[str, ...] = ()
    clip: Literal[1, 2] = 1
    device: Annotated[str, Flag(env=("DEVICE", "OLD_DEVICE"))] = "auto"


def written(folder: Path, text: str | bytes, name: str = "run.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("chunk_tokens: 7\nlr: 1e-3", {"chunk_tokens": 7, "lr": 1e-3}),
        ("chunk-tokens: 7", {"chunk_tokens": 7}),
        ("json: true", {"json_output": True}),
        ("json_output: true", {"json_output": True}),
        ("texts: [a, off]", {"texts": ["a", "off"]}),
        ("", {}),
        ("# nothing", {}),
    ],
)
def test_a_file_gives_options_in_either_spelling(tmp_path, text, values):
    assert read_config(written(tmp_path, text), Demo) == values


def test_a_saved_config_can_be_read_again(tmp_path):
    options = Demo(chunk_tokens=9, lr=1e-5, texts=("é", "off"))
    path = written(tmp_path, options.model_dump_json(), "config.json")
    assert Demo.model_validate(read_config(path, Demo)) == options


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        ("chunk_tokns: 1", "a.yaml", "'chunk_tokns', which is not an option.*'chunk_tokens'"),
        ("zzz: 1", "a.yaml", "'zzz', which is not an option of this command[.]"),
        ("lr: 1\nlr: 2", "a.yaml", "line 2.*twice"),
        ("chunk_tokens: 1\nchunk-tokens: 2", "a.yaml", "'chunk_tokens' twice"),
        ("[1, 2]", "a.yaml", "must be a mapping"),
        ("5", "a.yaml", "must be a mapping"),
        ("lr: [", "a.yaml", "cannot be parsed"),
        (b"lr: \xff", "a.yaml", "cannot be parsed"),
        ('{"lr": 1, "lr": 2}', "a.json", "twice"),
        ('{"lr": NaN}', "a.json", "finite"),
        ("lr: 1", "a.json", "cannot be parsed"),
        ("5: 1", "a.yaml", "'5', which is not"),
        ("#" * (CONFIG_BYTES_MAX + 1), "a.yaml", "larger than"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, text, name, why):
    path = written(tmp_path, text, name)
    with pytest.raises(ConfigError, match=why) as caught:
        read_config(path, Demo)
    assert str(path) in str(caught.value)


def test_a_file_of_the_largest_size_is_read(tmp_path):
    assert read_config(written(tmp_path, "#" * CONFIG_BYTES_MAX), Demo) == {}


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_config(tmp_path / "none.yaml", Demo)
    with pytest.raises(ConfigError, match="directory"):
        read_config(tmp_path, Demo)


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"TTT_CHUNK_TOKENS": "7"}, {"chunk_tokens": ("TTT_CHUNK_TOKENS", "7")}),
        ({"CHUNK_TOKENS": "7", "TTT_OTHER": "1"}, {}),
        ({"TTT_CHUNK_TOKENS": ""}, {}),
        ({"TTT_JSON": "1"}, {"json_output": ("TTT_JSON", "1")}),
        ({"TTT_CLIP": "2"}, {"clip": ("TTT_CLIP", 2)}),
        ({"TTT_TEXTS": "one"}, {"texts": ("TTT_TEXTS", ["one"])}),
        ({"TTT_TEXTS": '["a", "b"]'}, {"texts": ("TTT_TEXTS", ["a", "b"])}),
        ({"ARTIFACTS_ROOT": "a"}, {"artifacts_root": ("ARTIFACTS_ROOT", "a")}),
        (
            {"ARTIFACTS_ROOT": "a", "TTT_ARTIFACTS_ROOT": "b"},
            {"artifacts_root": ("TTT_ARTIFACTS_ROOT", "b")},
        ),
        ({"OLD_DEVICE": "a", "DEVICE": "b"}, {"device": ("DEVICE", "b")}),
        ({"OLD_DEVICE": "a", "DEVICE": ""}, {"device": ("OLD_DEVICE", "a")}),
    ],
)
def test_the_environment_gives_options_and_says_where_each_came_from(environ, found):
    assert read_environment(Demo, environ) == found


def test_a_broken_list_in_the_environment_is_refused():
    with pytest.raises(ConfigError, match="TTT_TEXTS starts like a JSON array"):
        read_environment(Demo, {"TTT_TEXTS": "[a"})
