"""Finished text models."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
import torch

from tests.store.faults import leftovers
from ttt.errors import (
    ConfigError,
    CorruptArtifactError,
    NotFoundError,
    SignatureMismatchError,
    StorageError,
)
from ttt.store.locks import shared
from ttt.store.models import list_models, read_model, remove_model, save_model
from ttt.store.tensor_files import encode, specs_of

ROOT = Path(__file__).resolve().parents[2]
TENSORS = {"embed.weight": torch.arange(6.0).view(3, 2), "norm": torch.ones(2).half()}
CONFIG = {"width": 2, "backbone": "gru"}
TOKENIZER = '{"version": "1.0", "é": 1}'


def save(root, model_id="one", **changes):
    given = {
        "tensors": TENSORS,
        "config": CONFIG,
        "tokenizer_json": TOKENIZER,
        "meta": {"steps": 5},
    }
    return save_model(root, model_id, **(given | changes))


def test_a_model_is_read_as_it_was_saved(tmp_path):
    folder = save(tmp_path)
    assert folder == tmp_path / "text_models" / "one"
    names = ["config.json", "meta.json", "model.safetensors", "tokenizer.json"]
    assert sorted(one.name for one in folder.iterdir()) == names
    model = read_model(tmp_path, "one", expected=specs_of(TENSORS))
    assert model.model_id == "one"
    assert {name: t.tolist() for name, t in model.tensors.items()} == {
        name: t.tolist() for name, t in TENSORS.items()
    }
    assert model.tensors["norm"].dtype == torch.float16
    assert (model.config, model.tokenizer_json, model.meta) == (CONFIG, TOKENIZER, {"steps": 5})
    assert len(model.weights_sha256) == 64
    assert leftovers(tmp_path) == []


def test_other_programs_can_read_the_files(tmp_path):
    from safetensors.torch import load_file

    folder = save(tmp_path)
    assert set(load_file(folder / "model.safetensors")) == set(TENSORS)
    assert json.loads((folder / "config.json").read_text()) == CONFIG
    assert (folder / "tokenizer.json").read_text(encoding="utf-8") == TOKENIZER


def test_an_id_that_is_taken_is_refused_and_the_model_kept(tmp_path):
    save(tmp_path)
    with pytest.raises(ConfigError, match="'one' exists already; choose another id"):
        save(tmp_path, meta={"steps": 6})
    assert read_model(tmp_path, "one").meta == {"steps": 5}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tensors": {"a": torch.tensor([float("nan")])}}, "NaN"),
        ({"tensors": {"a": TENSORS["norm"], "b": TENSORS["norm"]}}, "share memory"),
        ({"config": {"lr": float("inf")}}, "JSON"),
        ({"meta": {"when": object()}}, "JSON"),
    ],
)
def test_what_cannot_be_saved_is_refused_before_anything_is_written(tmp_path, changes, why):
    with pytest.raises(ConfigError, match=why):
        save(tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_model_is_told_with_those_there_are(tmp_path):
    with pytest.raises(NotFoundError, match=r"No text model named 'none'.*: none"):
        read_model(tmp_path, "none")
    save(tmp_path, "small")
    save(tmp_path, "large")
    with pytest.raises(NotFoundError, match="large, small"):
        read_model(tmp_path, "none")
    with pytest.raises(ConfigError, match="cannot be used"):
        read_model(tmp_path, "../text_models/small")


def test_every_flipped_byte_of_a_model_is_found(tmp_path):
    folder = save(tmp_path)
    for path in folder.iterdir():
        data = path.read_bytes()
        for i in range(len(data)):
            path.write_bytes(data[:i] + bytes([data[i] ^ 0x20]) + data[i + 1 :])
            with pytest.raises(CorruptArtifactError):
                read_model(tmp_path, "one")
        path.write_bytes(data)
    assert read_model(tmp_path, "one").meta == {"steps": 5}


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "tokenizer.json", "meta.json"]
)
def test_a_missing_file_of_a_model_is_damage_and_not_absence(tmp_path, name):
    (save(tmp_path) / name).unlink()
    with pytest.raises(CorruptArtifactError, match=f"{name} is missing"):
        read_model(tmp_path, "one")


def test_the_weights_of_another_model_are_refused(tmp_path):
    save(tmp_path)
    other = {**TENSORS, "norm": torch.ones(3).half()}
    with pytest.raises(
        SignatureMismatchError, match=r"'norm' is F16\[2\] there, but F16\[3\] here"
    ):
        read_model(tmp_path, "one", expected=specs_of(other))


def test_a_model_that_is_no_model_is_refused_though_its_digests_are_right(tmp_path):
    from ttt.store import records

    sound = encode({})
    for model_id, files in {
        "a": {"config.json": b"{}", "tokenizer.json": b""},
        "b": {"config.json": b"[]", "tokenizer.json": b"", "model.safetensors": sound},
        "c": {"config.json": b"{}", "tokenizer.json": b"\xff", "model.safetensors": sound},
        "d": {"config.json": b"{}", "tokenizer.json": b"", "model.safetensors": b"PK"},
        "e": {"config.json": b'{"a":1,"a":2}', "tokenizer.json": b"", "model.safetensors": sound},
    }.items():  # fmt: skip
        records.save_folder(
            tmp_path, tmp_path / "text_models" / model_id,
            kind="text_model", files=files, body={}, record_name="meta.json",
        )  # fmt: skip
        with pytest.raises(CorruptArtifactError):
            read_model(tmp_path, model_id)


def test_the_list_shows_every_model_and_hides_no_damage(tmp_path):
    assert list_models(tmp_path) == ()
    save(tmp_path, "b")
    save(tmp_path, "a", meta={"steps": 6})
    (save(tmp_path, "c") / "meta.json").write_bytes(b"{}")
    (tmp_path / "text_models" / "d").mkdir()
    good = list_models(tmp_path)
    assert [one.model_id for one in good] == ["a", "b", "c", "d"]
    assert [one.meta for one in good] == [{"steps": 6}, {"steps": 5}, {}, {}]
    assert good[0].weights_bytes == len(encode(TENSORS))
    assert good[0].weights_sha256 == read_model(tmp_path, "a").weights_sha256
    assert [one.config for one in good] == [CONFIG, CONFIG, {}, {}]
    assert datetime.fromisoformat(good[0].created).tzinfo is not None
    assert [bool(one.damage) for one in good] == [False, False, True, True]


@pytest.mark.parametrize("data", [b"[]", b"{", None])
def test_a_configuration_that_is_none_is_damage_in_the_list(tmp_path, data):
    path = save(tmp_path) / "config.json"
    path.unlink() if data is None else path.write_bytes(data)
    (one,) = list_models(tmp_path)
    assert "config.json" in one.damage
    assert one.config == {}
    assert one.weights_sha256


def nothing() -> tuple[str, ...]:
    return ()


def test_a_model_is_removed_with_what_its_training_left_and_its_name_is_free_again(tmp_path):
    folder = save(tmp_path)
    save(tmp_path, "other")
    training = tmp_path / "text_training" / "one"
    training.mkdir(parents=True)
    (training / "train_log.jsonl").write_bytes(b"")
    assert remove_model(tmp_path, "one", needed_by=nothing) == (folder, training)
    assert [one.model_id for one in list_models(tmp_path)] == ["other"]
    assert not training.exists()
    assert leftovers(tmp_path) == []
    save(tmp_path)


def test_a_damaged_model_can_be_removed(tmp_path):
    (save(tmp_path) / "meta.json").unlink()
    remove_model(tmp_path, "one", needed_by=nothing)
    assert list_models(tmp_path) == ()


def test_a_model_that_is_needed_stays_and_the_message_says_by_what(tmp_path):
    save(tmp_path)
    with pytest.raises(ConfigError, match=r"'one' is still needed.*: the session a; the session b"):
        remove_model(tmp_path, "one", needed_by=lambda: ("the session a", "the session b"))
    assert read_model(tmp_path, "one").meta == {"steps": 5}


def test_what_is_not_there_cannot_be_removed(tmp_path):
    with pytest.raises(NotFoundError, match="No text model named 'one'"):
        remove_model(tmp_path, "one", needed_by=nothing)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="cannot be used"):
        remove_model(tmp_path, "../one", needed_by=nothing)


def test_who_needs_a_model_is_asked_while_nobody_can_commit(tmp_path):
    save(tmp_path)

    def asked() -> tuple[str, ...]:
        with pytest.raises(StorageError, match="Cannot lock"), shared(tmp_path, wait_s=0.0):
            pass
        return ()

    remove_model(tmp_path, "one", needed_by=asked)


def test_a_disk_that_is_full_saves_nothing_and_keeps_what_was_there(tmp_path):
    save(tmp_path, "before")
    code = (
        "import resource, sys, torch; from pathlib import Path\n"
        "from ttt.errors import StorageError; from ttt.store.models import save_model\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: save_model(Path(sys.argv[1]), 'big', tensors={'a': torch.zeros(50_000)}, config={},\n"
        "                tokenizer_json='', meta={})\n"
        "except StorageError as error: sys.stderr.write(str(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=True, capture_output=True
    )
    assert b"big: the file is larger than the limit allows" in done.stderr
    assert [one.model_id for one in list_models(tmp_path)] == ["before"]
    assert read_model(tmp_path, "before").meta == {"steps": 5}
    assert leftovers(tmp_path) == []


def test_a_file_in_place_of_the_folder_of_models_is_told(tmp_path):
    save(tmp_path / "ok")
    (tmp_path / "text_models").write_bytes(b"")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        save(tmp_path)
    assert leftovers(tmp_path) == []


def test_importing_the_store_does_not_import_torch():
    rooms = "models, checkpoints, exports, runs, tensor_files, train_log"
    code = f"import sys; from ttt.store import {rooms}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
