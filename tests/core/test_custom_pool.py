"""Canary pools of the user's own: both forms, and every way to get them wrong."""

import json
from pathlib import Path

import pytest

from ttt.core._custom_pool import CUSTOM_POOL_BYTES_MAX
from ttt.core._passages import part_of
from ttt.core.canary_pools import Passage, draw, load_custom_pool
from ttt.errors import InputError


@pytest.fixture
def pool_file(tmp_path: Path) -> Path:
    return tmp_path / "pool.jsonl"


def row(**fields: object) -> str:
    return json.dumps({"id": "a", "stratum": "prose", "text": "one text", **fields})


def test_a_custom_pool_of_json_lines_is_read_in_order(pool_file: Path) -> None:
    # U+2028 ends a line for str.splitlines, and is ordinary inside a JSON string.
    lines = [row(), row(id="b", text="two\u2028lines", stratum="log")]
    pool_file.write_text("\ufeff" + "\r\n\r\n".join(lines).replace("\\u2028", "\u2028"), "utf-8")
    assert load_custom_pool(pool_file) == (
        Passage(id="a", stratum="prose", text="one text"),
        Passage(id="b", stratum="log", text="two\u2028lines"),
    )


def test_a_custom_pool_of_plain_text_is_cut_at_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_text("\n\nfirst line\n  second line\n \t \n\nnext passage\n")
    assert load_custom_pool(path) == (
        Passage(id="custom-001", stratum="custom", text="first line\n  second line"),
        Passage(id="custom-002", stratum="custom", text="next passage"),
    )


def test_the_form_follows_from_suffix_and_first_character(tmp_path: Path) -> None:
    content = row() + "\n"
    for name, stratum in (("pool.txt", "custom"), ("pool.json", "prose"), ("pool", "prose")):
        (tmp_path / name).write_text(content)
        assert [p.stratum for p in load_custom_pool(tmp_path / name)] == [stratum]
    (tmp_path / "bad.jsonl").write_text("plain words\n")
    with pytest.raises(InputError, match=r"bad\.jsonl:1: not a line of JSON"):
        load_custom_pool(tmp_path / "bad.jsonl")


def test_a_custom_pool_is_split_and_drawn_like_the_committed_ones(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("\n\n".join(f"passage number {i}" for i in range(60)))
    passages = load_custom_pool(path)
    project = draw("project", seed=1, composition={"custom": 8}, passages=passages)
    probe = draw("probe", seed=1, composition={"custom": 8}, passages=passages)
    assert len({*project, *probe}) == 16
    assert all(part_of(p.text) == "project" for p in project)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r":2: not a line of JSON"),
        ("[" * 200_000, r":2: not a line of JSON"),
        ('{"id": ' + "9" * 5_000 + "}", r":2: not a line of JSON"),
        ("[1]", r":2: expected an object .* found list"),
        ("{}", r":2: expected an object .* found no field"),
        ('{"id": "b", "text": "x"}', r":2: expected an object .* found id, text"),
        (row(id="b", txt="typo"), r":2: expected an object .* txt"),
        (row(id="b", text=" \n"), r":2: text is ' \\n'. Give it a text"),
        (row(id=7, text="other"), r":2: id is 7\. Give it a text"),
        (row(id="b", text="x" * 4_001), r":2: text has 4,001 characters, the limit is 4,000"),
        (row(id="b", text="half \ud800 pair"), r":2: text holds half of a surrogate pair"),
        (row(text="other"), r":2: the same id stands on line 1"),
        (row(id="b"), r":2: the same text stands on line 1"),
    ],
)
def test_a_bad_line_is_named_with_its_file_and_number(
    pool_file: Path, line: str, message: str
) -> None:
    pool_file.write_text(row() + "\n" + line + "\n")
    with pytest.raises(InputError, match=r"pool\.jsonl" + message):
        load_custom_pool(pool_file)


def test_a_text_just_at_the_limit_is_accepted(pool_file: Path) -> None:
    pool_file.write_text(row(text="x" * 4_000))
    assert len(load_custom_pool(pool_file)[0].text) == 4_000


def test_a_plain_passage_too_long_or_twice_is_named_by_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("short\n\n" + "x" * 4_001)
    with pytest.raises(InputError, match=r"mine\.txt:3: text has 4,001"):
        load_custom_pool(path)
    path.write_text("twin\nlines\n\nother\n\n\ntwin\nlines\n")
    with pytest.raises(InputError, match=r"mine\.txt:7: the same text stands on line 1"):
        load_custom_pool(path)


def test_an_unusable_file_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "pool.txt"
    with pytest.raises(InputError, match=r"pool\.txt: .* cannot be read .* Name a readable"):
        load_custom_pool(path)
    with pytest.raises(InputError, match=r"cannot be read"):
        load_custom_pool(tmp_path)
    path.write_text(" \n\n")
    with pytest.raises(InputError, match=r"pool\.txt:1: the canary pool is empty"):
        load_custom_pool(path)
    path.write_bytes(b"good\n\nb\xe4d\n")
    with pytest.raises(InputError, match=r"pool\.txt:3: byte 0xe4 is not UTF-8"):
        load_custom_pool(path)


def test_a_file_of_exactly_the_largest_size_is_read_and_one_byte_more_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "pool.txt"
    path.write_bytes(b"passage\n".ljust(CUSTOM_POOL_BYTES_MAX))
    assert len(load_custom_pool(path)) == 1
    path.write_bytes(b"passage\n".ljust(CUSTOM_POOL_BYTES_MAX + 1))
    with pytest.raises(InputError, match=r"larger than 8,388,608 bytes"):
        load_custom_pool(path)
