"""Settings of the installation, read from the environment."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ttt.errors import ConfigError
from ttt.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch, tmp_path):
    for name in ("ARTIFACTS_ROOT", "TEXT_LM_DEVICE", "DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"TTT_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_an_empty_environment_gives_the_defaults():
    settings = read_settings()
    assert settings.artifacts_root == Path("artifacts")
    assert settings.text_lm_device == "auto"
    assert settings.data_dir is None


@pytest.mark.parametrize(
    ("variable", "value", "field", "read"),
    [
        ("ARTIFACTS_ROOT", "a", "artifacts_root", Path("a")),
        ("TTT_ARTIFACTS_ROOT", "a", "artifacts_root", Path("a")),
        ("ARTIFACTS_ROOT", "", "artifacts_root", Path("artifacts")),
        ("TEXT_LM_DEVICE", "cuda", "text_lm_device", "cuda"),
        ("TTT_TEXT_LM_DEVICE", "cpu", "text_lm_device", "cpu"),
        ("TTT_DATA_DIR", "d", "data_dir", Path("d")),
        ("DATA_DIR", "d", "data_dir", None),
    ],
)
def test_each_setting_has_its_variables(monkeypatch, variable, value, field, read):
    monkeypatch.setenv(variable, value)
    assert getattr(read_settings(), field) == read


def test_the_general_name_wins_over_the_documented_one(monkeypatch):
    monkeypatch.setenv("ARTIFACTS_ROOT", "old")
    monkeypatch.setenv("TTT_ARTIFACTS_ROOT", "new")
    assert read_settings().artifacts_root == Path("new")


def test_a_wrong_value_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setenv("TTT_TEXT_LM_DEVICE", "gpu")
    with pytest.raises(ConfigError, match=r"TTT_TEXT_LM_DEVICE must be 'auto'.*but is 'gpu'\.$"):
        read_settings()


def test_a_file_of_variables_in_the_working_folder_is_not_read(tmp_path):
    (tmp_path / ".env").write_text("TTT_DATA_DIR=planted\n")
    assert read_settings().data_dir is None


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        Settings().data_dir = Path("x")
