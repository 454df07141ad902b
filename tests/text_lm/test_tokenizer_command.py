"""The three sub-commands, end to end, on files of a few lines."""

import io
import json
from types import SimpleNamespace

import pytest

from ttt.core.tokens import BytePairs
from ttt.text_lm.tokenizer_command import main

TEXT = "née\r\n  the cat 日本\n"


@pytest.fixture
def tokenizer(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("the cat sat on the mat\n" * 9)
    path = tmp_path / "t.json"
    assert (
        main(["train", "--vocab_size", "280", f"--corpus={tmp_path / 'a.txt'}", f"--out={path}"])
        == 0
    )
    capsys.readouterr()
    return path


def test_what_is_encoded_comes_back_when_it_is_decoded(tokenizer, capsys):
    assert main(["encode", f"--tokenizer={tokenizer}", "--text", TEXT]) == 0
    ids = capsys.readouterr().out.split()
    assert main(["decode", f"--tokenizer={tokenizer}", "--ids", *ids]) == 0
    assert capsys.readouterr().out == TEXT


def test_a_file_and_stdin_are_read_as_they_are(tokenizer, tmp_path, capsys, monkeypatch):
    expected = BytePairs(tokenizer.read_text()).encode(TEXT)
    (tmp_path / "b.txt").write_bytes(TEXT.encode())
    assert (
        main(["encode", "--json", f"--tokenizer={tokenizer}", f"--file={tmp_path / 'b.txt'}"]) == 0
    )
    assert json.loads(capsys.readouterr().out) == {"ids": expected}
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode())))
    assert main(["encode", "--json", f"--tokenizer={tokenizer}"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ids": expected}


def test_the_starter_tokenizer_is_the_default(capsys):
    assert main(["encode", "--text", "the"]) == 0
    ids = capsys.readouterr().out.split()
    assert len(ids) == 1
    assert main(["decode", "--json", "--ids", *ids]) == 0
    assert json.loads(capsys.readouterr().out) == {"text": "the"}


def test_training_tells_as_json_what_it_wrote_and_names_what_it_left_out(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("the cat\n" * 9)
    (tmp_path / "in" / "b.txt").write_bytes(b"\0")
    path = tmp_path / "t.json"
    flags = ["--json", "--vocab_size=265", f"--corpus_dir={tmp_path / 'in'}", f"--out={path}"]
    assert main(["train", *flags]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"path": str(path), "vocab_size": 265}
    assert "b.txt: it is binary" in err


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["train", "--vocab_size", "259"], 2, "--vocab_size"),
        (["train", "--out", "no/such/folder/t.json"], 2, "no folder"),
        (["encode", "--tokenizer", "none.json", "--text", "a"], 1, "Cannot read the tokenizer"),
        (["encode", "--file", "none.txt"], 1, "Cannot read the text"),
        (["decode", "--ids", "4096"], 2, "0..4095, not 4096"),
        (["decode", "--ids", "-1"], 2, "not -1"),
        (["decode"], 2, "--ids"),
        ([], 2, "train"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told_in_a_sentence(argv, code, words, capsys):
    assert main(argv) == code
    assert words in capsys.readouterr().err
