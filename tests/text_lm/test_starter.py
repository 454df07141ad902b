"""Which texts the starter models read, and what their record says of them."""

import hashlib
import json
import platform

import pytest
import safetensors

from ttt.core.starter_files import starter_record
from ttt.errors import InputError
from ttt.text_lm.corpus import STDLIB
from ttt.text_lm.starter import BOOKS, main, make_record, read_texts

UNSEEN = ("Moby", "Pride", "Sherlock", "wikitext", "attack", "lookalike")


@pytest.fixture
def books(tmp_path):
    """Short books in the places of the real ones, told apart by their letter."""
    for letter, name in zip("abcdef", BOOKS, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{letter} word " * 1500)
    return tmp_path


def test_books_are_read_up_to_their_share_and_documentation_comes_last(books):
    texts = read_texts(books)
    assert list(texts) == [*BOOKS, STDLIB]
    for name, share in BOOKS.items():
        whole = (books / name).read_text()
        assert texts[name] == whole[: int(share * len(whole))]


def test_texts_that_figures_are_measured_on_are_not_among_them():
    assert not [name for name in BOOKS for word in UNSEEN if word.lower() in name.lower()]


def test_a_missing_book_is_named(books):
    (books / "prose/Middlemarch.txt").unlink()
    with pytest.raises(InputError, match=r"Middlemarch\.txt"):
        read_texts(books)


def test_a_record_holds_the_digests_of_files_and_texts():
    record = make_record({STDLIB: "née"}, {"a": b"x"}, {"gru": {"n": 1}})
    assert record["files"] == {"a": hashlib.sha256(b"x").hexdigest()}
    assert record["corpus"][STDLIB] == {
        "bytes": 4,
        "sha256": hashlib.sha256("née".encode()).hexdigest(),
        "share_of_text": 1.0,
    }
    assert record["models"] == {"gru": {"n": 1}}


def test_the_committed_models_read_these_very_books(data_dir):
    recorded = starter_record()["corpus"]
    texts = read_texts(data_dir)
    assert recorded.keys() == texts.keys()
    python = starter_record()["models"]["gru"]["python"]
    for name, text in texts.items():
        if name != STDLIB or python == platform.python_version():
            assert recorded[name]["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert {name: text["share_of_text"] for name, text in recorded.items()} == {
        **BOOKS,
        STDLIB: 1.0,
    }


def test_a_place_that_cannot_be_written_is_told_before_the_training(books, tmp_path, capsys):
    assert main([f"--data_dir={books}", f"--out={tmp_path / 'none'}"]) == 2
    assert "no folder" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_command_writes_models_record_and_page(books, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "out").mkdir()
    page = tmp_path / "page.md"
    flags = [f"--data_dir={books}", f"--out={tmp_path / 'out'}", f"--report={page}"]
    assert main([*flags, "--steps_scale=0.0001", "--workers=1"]) == 0
    record = json.loads((tmp_path / "out" / "starter.json").read_bytes())
    for name, digest in record["files"].items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest
    with safetensors.safe_open(tmp_path / "out" / "ssm.safetensors", "pt") as file:
        assert {"fisher.A", "fisher.G", "embed.weight"} <= set(file.keys())
    assert record["files"]["gru.safetensors"] in page.read_text()
