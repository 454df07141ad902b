"""A training from command line to saved model, on a corpus of a few kilobytes."""

import json
import shutil
import subprocess
import sys

import pytest
import torch

from ttt.core.fisher import split_fisher
from ttt.core.model import ModelConfig
from ttt.core.restore import restore_model
from ttt.core.tokens import BytePairs
from ttt.errors import ConfigError, InputError
from ttt.store.checkpoints import latest_checkpoint
from ttt.store.models import read_model
from ttt.store.train_log import read_train_log
from ttt.text_lm import evaluate
from ttt.text_lm.train import TrainOptions, main, train

SMALL = {
    "vocab_size": 270, "d_model": 16, "n_layers": 1, "seq_len": 8, "batch_size": 4, "steps": 6,
    "log_every": 2, "save_every": 3, "device": "cpu",
}  # fmt: skip


@pytest.fixture(autouse=True)
def few_fisher_tokens(monkeypatch):
    monkeypatch.setattr(evaluate, "FISHER_TOKENS_MIN", 500)


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("".join(f"The cat number {n} sat on mat {n * 7 % 13}.\n" for n in range(300)))
    return path


def quiet(*_args: object) -> None:
    """Progress that nobody watches."""


def test_a_trained_model_is_saved_whole_and_loads_again(book, tmp_path):
    root = tmp_path / "art"
    options = TrainOptions(corpus=(str(book),), **SMALL)
    result = train(options, root=root, progress=quiet)
    saved = read_model(root, "tiny")
    weights, fisher = split_fisher(saved.tensors)
    model = restore_model(ModelConfig(**saved.config), weights)
    assert result.parameters == sum(p.numel() for p in model.parameters())
    assert result.tokens_seen == 6 * 4 * 8
    assert fisher.A_DD.shape == fisher.G_DD.shape == (16, 16)
    encoder = BytePairs(saved.tokenizer_json)
    assert encoder.decode(encoder.encode("née 日本")) == "née 日本"
    assert saved.meta["held_out"] == dict(result.held_out)
    assert saved.meta["options"]["steps"] == 6


def test_the_log_and_the_states_follow_their_intervals(book, tmp_path):
    root = tmp_path / "art"
    seen = []
    train(
        TrainOptions(corpus=(str(book),), **SMALL),
        root=root,
        progress=lambda *words: seen.append(words),
    )
    log = read_train_log(root, "tiny")
    assert [line["step"] for line in log.records] == [2, 4, 6]
    assert all(line["loss"] > 0 and line["tokens_per_s"] > 0 for line in log.records)
    state = latest_checkpoint(root, "tiny")
    assert state.step == 6
    saved, _ = split_fisher(read_model(root, "tiny").tensors)
    assert all(torch.equal(state.tensors[f"model.{name}"], saved[name]) for name in saved)
    running = [words for words in seen if words[0] == "running"]
    assert [words[1] for words in running] == [1, 2, 3, 4, 5, 6]
    assert [words[0] for words in seen if words[0] != "running"] == [
        "tokenizing", "encoding_corpus", "encoding_corpus", "completed",
    ]  # fmt: skip


def test_the_same_options_give_the_same_weights(book, tmp_path):
    digests = []
    for name in ("a", "b"):
        options = TrainOptions(corpus=(str(book),), model_id=name, **SMALL)
        train(options, root=tmp_path / "art", progress=quiet)
        digests.append(read_model(tmp_path / "art", name).weights_sha256)
    assert digests[0] == digests[1]


def test_a_taken_name_is_refused_before_any_work(book, tmp_path):
    options = TrainOptions(corpus=(str(book),), **SMALL)
    train(options, root=tmp_path / "art", progress=quiet)
    with pytest.raises(ConfigError, match="'tiny' exists already"):
        train(options, root=tmp_path / "art", progress=quiet)


def test_a_tokenizer_that_exists_is_used_as_it_is(book, tmp_path):
    root = tmp_path / "art"
    train(TrainOptions(corpus=(str(book),), model_id="a", **SMALL), root=root, progress=quiet)
    path = root / "text_models" / "a" / "tokenizer.json"
    options = TrainOptions(
        corpus=(str(book),), model_id="b", tokenizer=str(path), **SMALL | {"vocab_size": 300}
    )
    train(options, root=root, progress=quiet)
    assert read_model(root, "b").tokenizer_json == read_model(root, "a").tokenizer_json


def test_a_corpus_too_small_says_how_much_is_needed(tmp_path):
    (tmp_path / "a.txt").write_text("short")
    options = TrainOptions(corpus=(str(tmp_path / "a.txt"),), **SMALL)
    with pytest.raises(InputError, match=r"too small: \d+ tokens.*at least 66"):
        train(options, root=tmp_path / "art", progress=quiet)


def test_a_device_that_is_not_there_is_refused(book, tmp_path):
    options = TrainOptions(corpus=(str(book),), **SMALL | {"device": "mps"})
    if torch.backends.mps.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(ConfigError, match="no mps device"):
        train(options, root=tmp_path / "art", progress=quiet)


def test_the_command_prints_its_result_as_one_json_object(book, tmp_path, capsys):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "binary.txt").write_bytes(b"\0")
    flags = [f"--{name}={value}" for name, value in SMALL.items()]
    code = main(
        [*flags, "--json", f"--artifacts-root={tmp_path / 'art'}",
         f"--corpus={book}", f"--corpus_dir={tmp_path / 'texts'}"]
    )  # fmt: skip
    result = json.loads(capsys.readouterr().out)
    assert code == 0
    assert result["model_id"] == "tiny"
    assert result["held_out"]["ar_nats_per_token"] > 0
    assert "zero byte" in result["notices"][0]["reason"]


def test_the_command_prints_a_table_for_people(book, tmp_path, capsys):
    flags = [f"--{name}={value}" for name, value in SMALL.items()]
    assert main([*flags, f"--artifacts_root={tmp_path / 'art'}", f"--corpus={book}"]) == 0
    out, err = capsys.readouterr()
    assert "ar_nats_per_token\t" in out
    assert "step 6 of 6: " in err


@pytest.mark.parametrize("flag", ["--lr=nan", "--steps=0", "--vocab_size=259", "--momentum=1"])
def test_an_option_outside_of_its_range_is_a_usage_error(flag, capsys):
    assert main([flag]) == 2
    assert flag.partition("=")[0] in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_compiled_training_learns_the_same_and_says_nothing_of_its_compiler(book, tmp_path):
    if shutil.which("g++") is None:
        pytest.skip("torch.compile finds no C++ compiler on this machine")
    flags = [f"--{name}={value}" for name, value in SMALL.items()]
    call = [sys.executable, "-m", "ttt.text_lm.train", f"--corpus={book}", *flags]
    call += [f"--artifacts_root={tmp_path}", "--log_every=1"]
    for model_id, more in (("plain", []), ("compiled", ["--compile"])):
        done = subprocess.run(
            [*call, *more, f"--model_id={model_id}"], capture_output=True, text=True, check=True
        )
        assert "Warning" not in done.stderr
    losses = [
        [line["loss"] for line in read_train_log(tmp_path, model_id).records]
        for model_id in ("plain", "compiled")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
