"""Each message of docs/troubleshooting.md is produced, and each one produced here stands there."""

import math
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.chosen_once import chosen_once
from tests.docs.markdown import ROOT, read_page
from tests.store.faults import failing_call
from ttt import cli
from ttt.core import scan, starter_files
from ttt.core.model import ModelConfig, random_model
from ttt.errors import TrainingDivergedError
from ttt.lib import products
from ttt.lib.entry import run_command
from ttt.store.models import save_model
from ttt.store.training_status import claim_training
from ttt.store.trainings import Sources, save_request, save_sources
from ttt.text_lm.fit import FitConfig, fit, start_fit
from ttt.text_lm.parallel import Group
from ttt.text_lm.train_options import TrainOptions
from ttt.text_lm.windows import Mixture, Source

PAGE = read_page(ROOT / "docs/troubleshooting.md")
MESSAGES = [span for span in PAGE.spans if span.startswith(("error: ", "note: "))]
TEXT = "The harbour master wrote the time of each arrival in a blue book and went home."


def pattern(message: str) -> re.Pattern[str]:
    """What a documented message matches: `…` stands for anything."""
    return re.compile(".+?".join(map(re.escape, message.rstrip("….").split("…"))))


def monitor(*argv: str) -> int:
    return cli.main(["monitor", *argv])


def train(*argv: str) -> int:
    return cli.main(["train", "--tokenizer", "starter", *argv])


def written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def model_of(tmp: Path) -> str:
    """A saved model whose weights were changed afterwards."""
    folder = save_model(
        tmp / "tree",
        "mine",
        tensors={"a": torch.zeros(2)},
        config={},
        tokenizer_json="{}",
        meta={},
    )
    weights = folder / "model.safetensors"
    weights.chmod(0o600)
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    return "mine"


def taken(tmp: Path, name: str) -> None:
    (tmp / "tree" / name / "mine").mkdir(parents=True)


def begun(tmp: Path) -> None:
    """A training that broke off before its first state."""
    save_request(tmp / "tree", "mine", TrainOptions(model_id="mine").model_dump(mode="json"))
    sources = Sources(tokenizer_json="{}", buffer_key="a", notices=())
    save_sources(tmp / "tree", "mine", sources)


def held(tmp: Path) -> None:
    with claim_training(tmp / "tree", "mine"):
        train("--artifacts_root", str(tmp / "tree"), "--model_id", "mine")


def on_full_disk(*argv: str) -> int:
    with failing_call(1, "ENOSPC for ever"):
        return cli.main(list(argv))


def tree_of(tmp: Path, content: bytes) -> str:
    (tmp / "tree").mkdir()
    (tmp / "tree" / "FORMAT.json").write_bytes(content)
    return str(tmp / "tree")


PAIR = Group(rank=0, size=2)
CALLS: dict[str, Callable[[Path], object]] = {
    "no input": lambda tmp: monitor(),
    "misspelt option": lambda tmp: monitor("--demo", "--optimiser", "sgd"),
    "bad value": lambda tmp: monitor("--demo", "--lr", "-1"),
    "both ways": lambda tmp: monitor("--demo", "--enable_gate", "--disable_gate"),
    "two inputs": lambda tmp: monitor("--file", "a", "--text", "b"),
    "no guard": lambda tmp: monitor(
        "--demo", "--spfw_cone", "on", "--safety_mode", "gate_rollback"
    ),
    "no factors": lambda tmp: monitor("--text", TEXT, "--base", "random", "--optimizer", "kfac"),
    "forbid": lambda tmp: monitor("--text", TEXT, "--forbid_text", TEXT),
    "compare": lambda tmp: monitor("--text", TEXT, "--compare", "gru"),
    "idle": lambda tmp: monitor("--text", "x", "--mlm_prob", "0.2"),
    "config key": lambda tmp: monitor("--config", written(tmp / "c.yaml", b"lrr: 1")),
    "config syntax": lambda tmp: monitor("--config", written(tmp / "c.yaml", b"lr: [1")),
    "command": lambda tmp: cli.main(["monitr"]),
    "missing": lambda tmp: monitor("--file", str(tmp / "none")),
    "empty": lambda tmp: monitor("--file", written(tmp / "t", b"")),
    "latin1": lambda tmp: monitor("--file", written(tmp / "t", b"un na\xeff")),
    "binary": lambda tmp: monitor("--file", written(tmp / "t", b"a\0b")),
    "short text": lambda tmp: monitor("--text", "x"),
    "short canary": lambda tmp: monitor("--text", TEXT, "--canary_text", "hi"),
    "empty pool": lambda tmp: monitor("--text", TEXT, "--canary_pool", written(tmp / "p", b"")),
    "no model": lambda tmp: monitor("--text", TEXT, "--base", "a", "--artifacts_root", str(tmp)),
    "pointer": lambda tmp: train(
        "--corpus", written(tmp / "p.txt", b"version https://git-lfs.github.com/spec/v1\n")
    ),
    "small corpus": lambda tmp: train(
        "--artifacts_root", str(tmp / "tree"), "--corpus", written(tmp / "t.txt", TEXT.encode())
    ),
    "no folder": lambda tmp: train("--corpus_dir", str(tmp / "none")),
    "taken": lambda tmp: (
        taken(tmp, "text_models"),
        train("--artifacts_root", str(tmp / "tree"), "--model_id", "mine"),
    ),
    "broke off": lambda tmp: (
        begun(tmp),
        train("--artifacts_root", str(tmp / "tree"), "--model_id", "mine"),
    ),
    "begun otherwise": lambda tmp: (
        begun(tmp),
        train("--artifacts_root", str(tmp / "tree"), "--model_id", "mine", "--resume", "--seed=1"),
    ),
    "finished": lambda tmp: (
        taken(tmp, "text_models"),
        train("--artifacts_root", str(tmp / "tree"), "--model_id", "mine", "--resume"),
    ),
    "held": held,
    "no text": lambda tmp: train(
        "--artifacts_root", str(tmp / "tree"), "--corpus", written(tmp / "t.txt", b"")
    ),
    "no tokenizer": lambda tmp: train(
        "--artifacts_root", str(tmp / "tree"), "--tokenizer", written(tmp / "t.json", b"")
    ),
    "alone": lambda tmp: train("--artifacts_root", str(tmp / "tree"), "--fsdp"),
    "odd batch": lambda tmp: run_command(lambda _: PAIR.check_batch(5) or 0)([]),
    "bad id": lambda tmp: train("--model_id", "Bad Name"),
    "full disk": lambda tmp: on_full_disk(
        "tokenizer", "train", "--vocab_size", "300", "--out", str(tmp / "t.json"),
        "--corpus", written(tmp / "t.txt", TEXT.encode()),
    ),
    "no place": lambda tmp: monitor("--demo", "--plot", str(tmp / "none" / "x.png")),
    "a folder": lambda tmp: monitor("--demo", "--write_json", str(tmp)),
    "a device": lambda tmp: monitor("--demo", "--write_json", os.devnull),
    "a file": lambda tmp: monitor("--text", TEXT, "--artifacts_root", written(tmp / "f", b"")),
    "other format": lambda tmp: monitor(
        "--text", TEXT, "--artifacts_root", tree_of(tmp, b'{"format": "other"}')
    ),
    "flipped byte": lambda tmp: monitor(
        "--text", TEXT, "--base", model_of(tmp), "--artifacts_root", str(tmp / "tree")
    ),
}  # fmt: skip
PRODUCED: set[str] = set()
"""Documented messages that were seen; filled by the tests, read by the last one."""


def recognised(output: str) -> None:
    """Every line of an error or note stands in the page; there is one."""
    lines = [line for line in output.splitlines() if line.startswith(("error: ", "note: "))]
    assert lines, output
    for line in lines:
        found = [message for message in MESSAGES if pattern(message).match(line)]
        assert found, f"docs/troubleshooting.md lacks: {line}"
        PRODUCED.update(found)


@pytest.mark.parametrize("name", CALLS)
def test_a_message_is_documented(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CALLS[name](tmp_path)
    recognised(capsys.readouterr().err)


def test_a_missing_accelerator_is_documented(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert monitor("--text", TEXT, "--device", "cuda") == 2
    recognised(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("variable", "choice"),
    [("TTT_SCAN", scan.scan_path), ("TTT_PRODUCTS", products.product_path)],
)
def test_a_misspelt_way_is_documented(variable, choice, capsys, monkeypatch):
    with chosen_once(monkeypatch, variable, choice) as start_with:
        start_with("fast")
        assert monitor("--text", TEXT, "--backbone", "ssm") == 2
    recognised(capsys.readouterr().err)


def test_missing_starter_models_are_documented(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(starter_files, "files", lambda package: tmp_path)
    assert monitor("--text", TEXT) == 1
    recognised(capsys.readouterr().err)


def test_a_damaged_starter_model_is_documented(tmp_path, capsys, monkeypatch):
    shutil.copytree(ROOT / "ttt/data/starter", tmp_path / "starter")
    (tmp_path / "starter" / "gru.safetensors").write_bytes(b"")
    monkeypatch.setattr(starter_files, "files", lambda package: tmp_path)
    assert monitor("--text", TEXT) == 1
    recognised(capsys.readouterr().err)


def test_a_diverged_training_is_documented():
    model = random_model(ModelConfig(vocab_size=50, width=8, layers=1, hidden=8), seed=0)
    with torch.no_grad():
        model.norm.weight.fill_(math.nan)
    config = FitConfig(steps=1, batch_size=1, seq_len=8)
    tokens_T = np.arange(4 * config.segment_length, dtype=np.uint16) % 50
    source = Source(name="t", tokens_T=tokens_T, length=config.segment_length, val_fraction=0.5)
    state = start_fit(model.requires_grad_(True), Mixture(sources=(source,)), config)
    with pytest.raises(TrainingDivergedError) as raised:
        fit(state, config, report=print)
    recognised(f"error: {raised.value}")


def test_an_old_python_is_documented(tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash on this machine")
    old = tmp_path / "python3"
    old.write_text(f'#!{bash}\ncase "$2" in *exit*) exit 1 ;; *) echo 3.9.18 ;; esac\n')
    old.chmod(0o755)
    done = subprocess.run(
        [bash, "-c", f'root={ROOT}; . "$root/.ci/environment.sh"; find_python'],
        env={"PATH": os.environ["PATH"], "TTT_PYTHON": str(old)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "3.9.18" in done.stderr
    recognised(done.stderr)


def test_every_documented_message_was_produced(request):
    """Reads what the tests above saw, so it says nothing when it runs alone."""
    here = [item for item in request.session.items if item.path == request.path]
    if len(here) < len(CALLS) + 7:
        pytest.skip("only some tests of this file were asked for")
    assert [message for message in MESSAGES if message not in PRODUCED] == []
