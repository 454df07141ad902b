"""What a corpus reads, what it leaves out and says so."""

import inspect
import os
from pathlib import Path

import pytest

from ttt.errors import InputError
from ttt.text_lm import corpus as module
from ttt.text_lm.corpus import STDLIB, Corpus, docstrings, stdlib_documents, text_of

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"


def texts(corpus: Corpus) -> dict[str, str]:
    return {Path(d.name).name: "".join(d.pieces) for d in corpus.documents()}


def test_a_file_is_read_as_it_is_line_ends_and_all(tmp_path):
    (tmp_path / "a.csv").write_bytes("née\r\nb\n".encode())
    assert texts(Corpus(names=(str(tmp_path / "a.csv"),))) == {"a.csv": "née\r\nb\n"}


def test_a_folder_gives_its_text_files_at_any_depth_in_a_fixed_order(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("z.md", "sub/y.TXT", "b.rst", "c.tex", "d.text", "code.py", "noise.bin"):
        (tmp_path / name).write_text(name)
    found = texts(Corpus(folders=(str(tmp_path),)))
    assert list(found) == ["b.rst", "c.tex", "d.text", "z.md", "y.TXT"]
    assert found["y.TXT"] == "sub/y.TXT"


def test_hidden_folders_pointers_and_unreadable_files_are_left_out_and_named(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "a.txt").write_text("hidden")
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "pointer.txt").write_text(POINTER)
    (tmp_path / "binary.txt").write_bytes(b"a\0b")
    (tmp_path / "latin.txt").write_bytes("née".encode("latin-1"))
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    corpus = Corpus(folders=(str(tmp_path),))
    assert texts(corpus) == {"good.txt": "good"}
    reasons = {Path(notice.path).name: notice.reason for notice in corpus.notices}
    assert reasons.keys() == {".git", "pointer.txt", "binary.txt", "latin.txt", "gone.txt"}
    assert reasons[".git"] == "hidden folder"
    assert "git lfs pull" in reasons["pointer.txt"]
    assert "zero byte" in reasons["binary.txt"]
    assert "not UTF-8" in reasons["latin.txt"]
    assert "cannot be read" in reasons["gone.txt"]


def test_notices_are_not_repeated_when_a_corpus_is_read_twice(tmp_path):
    (tmp_path / "binary.txt").write_bytes(b"\0")
    corpus = Corpus(folders=(str(tmp_path),))
    texts(corpus), texts(corpus)
    assert len(corpus.notices) == 1


@pytest.mark.parametrize("content", [POINTER.encode(), b"\0", "é".encode("latin-1")])
def test_a_file_that_was_asked_for_by_name_and_cannot_serve_is_an_error(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.txt"):
        texts(Corpus(names=(str(tmp_path / "a.txt"),)))


def test_a_file_or_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt.*No such file"):
        texts(Corpus(names=(str(tmp_path / "none.txt"),)))
    with pytest.raises(InputError, match="not a folder"):
        texts(Corpus(folders=(str(tmp_path / "none"),)))


def test_no_corpus_at_all_is_an_error():
    with pytest.raises(InputError, match="--corpus stdlib"):
        Corpus()


def test_long_files_come_in_bounded_pieces_cut_at_line_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PIECE_CHARACTERS", 10)
    text = "".join(f"line {n}\n" for n in range(9)) + "x" * 35
    (tmp_path / "a.txt").write_text(text)
    (document,) = Corpus(names=(str(tmp_path / "a.txt"),)).documents()
    pieces = list(document.pieces)
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= 20
    assert pieces[0] == "line 0\nline 1\n"


def test_the_built_in_corpus_is_the_documentation_of_this_python():
    text = "".join(text_of(stdlib_documents()))
    assert 1_000_000 < len(text) < 5_000_000
    assert inspect.getdoc(os.path.join) in text  # a module's function
    assert "assignment statement" in text.lower()  # the language reference


def test_the_name_stdlib_stands_for_the_built_in_corpus():
    names = [document.name for document in Corpus(names=(STDLIB,)).documents()]
    assert names[0] == "stdlib/topics"
    assert "stdlib/posixpath.py" in names
    assert not any("/test/" in name or "site-packages" in name for name in names)


def test_documentation_is_gathered_in_the_order_of_the_file():
    source = b'"""A."""\nclass C:\n    """B."""\n    def f(self):\n        """D."""\nX = "no"\n'
    assert docstrings(source) == "A.\n\nB.\n\nD.\n\n"


@pytest.mark.parametrize("source", [b"def f(:", b"\0", b"# coding: nonsense"])
def test_a_file_that_does_not_parse_has_no_documentation(source):
    assert docstrings(source) == ""


def test_half_a_surrogate_pair_in_a_documentation_string_becomes_a_question_mark():
    assert docstrings(b'"""a\\ud800b"""') == "a?b\n\n"
