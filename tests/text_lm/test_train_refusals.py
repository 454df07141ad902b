"""What cannot be trained on is one clear sentence and an exit code, and never a traceback."""

import pytest

from ttt.store.training_status import read_training_status
from ttt.text_lm import evaluate
from ttt.text_lm.train import main

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
TEXT = "The cat sat on the mat.\n" * 40
FLAGS = ("--vocab_size=270", "--d_model=8", "--n_layers=1", "--seq_len=8", "--batch_size=2",
         "--steps=2", "--device=cpu")  # fmt: skip


@pytest.fixture(autouse=True)
def few_fisher_tokens(monkeypatch):
    monkeypatch.setattr(evaluate, "FISHER_TOKENS_MIN", 100)


@pytest.fixture
def call(tmp_path, capsys):
    """Train on files with these contents; the exit code, and what was said."""

    def train(*flags: str, contents=TEXT, named=True, **files) -> tuple[int, str]:
        (tmp_path / "in").mkdir(exist_ok=True)
        for name, content in ({"a": contents} | files).items():
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / "in" / f"{name}.txt").write_bytes(data)
        where = f"--corpus={tmp_path / 'in/a.txt'}" if named else f"--corpus_dir={tmp_path / 'in'}"
        code = main([*FLAGS, where, f"--artifacts_root={tmp_path / 'art'}", *flags])
        said = capsys.readouterr().err
        assert "Traceback" not in said
        return code, said

    return train


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        ("", "There is no text in"),
        (POINTER, "it is a Git LFS pointer, not the text; run `git lfs pull` first"),
        (b"text\0text", "it is binary (it holds a zero byte)"),
        ("naïve".encode("latin-1"), "it is not UTF-8"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_corpus_without_text_is_refused_with_its_reason(call, contents, sentence, named):
    code, said = call(contents=contents, named=named)
    assert code == 1
    assert sentence in said
    assert said.count("error:") == 1


def test_of_many_files_that_were_left_out_the_first_are_named_and_the_rest_counted(call):
    more = dict.fromkeys(("b", "c", "d", "e"), POINTER)
    code, said = call(contents=POINTER, named=False, **more)
    assert code == 1
    assert said.count("was left out") == 3
    assert "and 2 more" in said


def test_a_folder_with_some_text_is_trained_on_and_the_rest_is_named(call):
    code, said = call(named=False, b=POINTER, c=b"\0", d="")
    assert code == 0
    assert "b.txt: it is a Git LFS pointer" in said
    assert "c.txt: it is binary" in said


def test_a_tokenizer_without_a_byte_is_refused(call, tmp_path):
    (tmp_path / "empty.json").touch()
    code, said = call(f"--tokenizer={tmp_path / 'empty.json'}")
    assert code == 1
    assert "empty.json is no tokenizer file" in said


def test_a_vocabulary_smaller_than_the_bytes_is_a_usage_error(call):
    code, said = call("--vocab_size=259")
    assert code == 2
    assert "--vocab_size" in said
    assert "260" in said


def test_windows_longer_than_the_corpus_are_refused_with_what_would_be_needed(call):
    code, said = call("--seq_len=4000")
    assert code == 1
    assert "is too small" in said
    assert "shorten seq_len" in said


@pytest.mark.parametrize("flag", ["--backbone=lstm", "--device=tpu", "--lr_schedule=step"])
def test_a_name_that_does_not_exist_is_a_usage_error_before_any_work(call, tmp_path, flag):
    code, said = call(flag)
    assert code == 2
    assert flag.partition("=")[2] in said
    assert not (tmp_path / "art" / "token_buffers").exists()


def test_a_training_that_failed_before_it_began_leaves_its_name_free(call, tmp_path):
    assert call(contents="")[0] == 1
    status = read_training_status(tmp_path / "art", "tiny")
    assert (status.status, status.step) == ("failed", 0)
    assert "There is no text" in status.message
    assert call()[0] == 0
    assert read_training_status(tmp_path / "art", "tiny").status == "completed"


def test_a_picture_that_could_not_be_written_is_refused_before_the_work(call, tmp_path):
    code, said = call(f"--plot={tmp_path / 'none' / 'a.png'}")
    assert code == 2
    assert "there is no folder" in said


def test_the_picture_stands_beside_the_log_and_where_it_was_asked_for(call, tmp_path):
    assert call(f"--plot={tmp_path / 'a.png'}")[0] == 0
    beside = tmp_path / "art" / "text_training" / "tiny" / "train_curve.png"
    assert (tmp_path / "a.png").read_bytes() == beside.read_bytes()
    assert beside.read_bytes().startswith(b"\x89PNG")


def test_a_training_that_nobody_knows_cannot_be_cancelled(tmp_path, capsys):
    assert main(["--cancel=none", f"--artifacts_root={tmp_path}"]) == 1
    assert "No training named 'none'" in capsys.readouterr().err
