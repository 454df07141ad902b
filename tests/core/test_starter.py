"""The base models in the package: they load, they know English, and damage is found."""

import math
import shutil
from pathlib import Path

import pytest
import torch

import ttt.data
from ttt.core import starter_files
from ttt.core.objective import AutoRegressive, Masked
from ttt.core.starter import load_starter
from ttt.core.starter_files import starter_file, starter_record
from ttt.errors import CorruptArtifactError, NotFoundError, UnknownNameError

FOLDER = Path(ttt.data.__file__).parent / "starter"
PASSAGE = (
    "The door was opened by an old servant, who looked at the visitor for a moment without a word. "
    "He had been expected since the morning, and the whole family was waiting in the drawing room. "
    "Returns the number of items in the list. If the argument is omitted, the default is used."
)
"""Written for this test, so that no model has seen it."""
BACKBONES = ("gru", "ssm")


@pytest.fixture(params=BACKBONES)
def base(request):
    return load_starter(request.param)


def test_it_has_learned_english(base):
    ids = torch.tensor([base.encoder.encode(PASSAGE)])
    assert math.log(base.model.config.vocab_size) > 8
    assert AutoRegressive().compute_loss(base.model, ids) < 5.2
    generator = torch.Generator().manual_seed(0)
    assert Masked().compute_loss(base.model, ids, generator=generator) < 7.5


def test_it_is_frozen_and_called_by_its_backbone(base):
    assert base.name == f"starter-{base.model.config.backbone}"
    assert not base.model.training
    assert not any(p.requires_grad for p in base.model.parameters())


def test_its_fisher_factors_are_positive_and_as_wide_as_the_adapter(base):
    width = base.model.config.width
    for factor_DD in (base.fisher.A_DD, base.fisher.G_DD):
        assert factor_DD.shape == (width, width)
        assert torch.linalg.eigvalsh(factor_DD.double()).min() > 0


def test_its_features_have_the_second_moment_that_was_recorded(base):
    """English text, though not the text the factors were computed over."""
    features_1LD, _ = base.model.features(torch.tensor([base.encoder.encode(PASSAGE)]))
    found = features_1LD[0].square().mean()
    assert found / base.fisher.A_DD.diag().mean() == pytest.approx(1.0, abs=0.3)


def test_both_models_share_one_tokenizer_of_4096_ids():
    encoders = [load_starter(backbone).encoder for backbone in BACKBONES]
    assert encoders[0].json == encoders[1].json
    assert encoders[0].vocab_size == 4096


def test_no_file_is_larger_than_three_megabytes():
    assert {path.name for path in FOLDER.iterdir()} == {
        "starter.json", "tokenizer.json", "gru.safetensors", "ssm.safetensors",
    }  # fmt: skip
    assert max(path.stat().st_size for path in FOLDER.iterdir()) <= 3_000_000


def test_the_recorded_losses_are_those_of_prose_that_was_learned():
    for figures in starter_record()["models"].values():
        losses = [held_out["ar_nats_per_token"] for held_out in figures["held_out"].values()]
        assert sum(losses) / len(losses) < 4.3
        assert figures["fisher_tokens"] >= 100_000


def test_an_unknown_backbone_names_those_there_are():
    with pytest.raises(UnknownNameError, match="gru, ssm"):
        load_starter("transformer")


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The package's files in a place where they can be damaged."""
    shutil.copytree(FOLDER, tmp_path / "starter")
    monkeypatch.setattr(starter_files, "files", lambda _package: tmp_path)
    return tmp_path / "starter"


@pytest.mark.parametrize("name", ["gru.safetensors", "tokenizer.json"])
def test_one_flipped_byte_is_found(copy, name):
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(CorruptArtifactError, match=f"{name} has digest"):
        load_starter("gru")


@pytest.mark.parametrize("record", [b"{", b"[]", b'{"files": {}}'])
def test_a_damaged_record_is_found(copy, record):
    (copy / "starter.json").write_bytes(record)
    with pytest.raises(CorruptArtifactError, match="starter record"):
        load_starter("gru")


def test_a_package_without_models_says_how_to_make_them(copy):
    (copy / "starter.json").unlink()
    with pytest.raises(NotFoundError, match="make starter"):
        load_starter("gru")


def test_files_are_read_as_they_lie_in_the_package():
    assert starter_file("tokenizer.json") == (FOLDER / "tokenizer.json").read_bytes()
