"""What a benchmark leaves: tables that line up, and the circumstances of the measurement."""

import json

import pytest

from benchmarks.report import ROOT, code_digest, markdown, write_json
from ttt.errors import ConfigError

ROWS = [{"loop": "plain", "ms": "7.1"}, {"loop": "guarded", "ms": "9.0"}]


def test_a_table_has_one_line_a_row_and_one_cell_a_column():
    lines = markdown("Speed", ROWS).splitlines()
    assert lines[1:] == [
        "Speed",
        "",
        "| loop | ms |",
        "|---|---|",
        "| plain | 7.1 |",
        "| guarded | 9.0 |",
    ]


def test_the_file_says_what_was_measured_on_what(tmp_path):
    written = json.loads(write_json(tmp_path, "speed", {"Speed": ROWS}).read_text())
    assert written["suite"] == "speed"
    assert written["tables"] == {"Speed": ROWS}
    assert written["versions"].keys() >= {"python", "torch", "numpy"}
    assert written["machine"]["cores"] >= 1
    assert len(written["code_sha256"]) == 64


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no folder"):
        write_json(tmp_path / "missing", "speed", {"Speed": ROWS})


def test_the_digest_of_the_code_is_that_of_its_files_in_any_order():
    files = sorted((ROOT / "benchmarks").glob("*.py"))
    assert code_digest(files) == code_digest(reversed(files))
    assert code_digest(files) != code_digest(files[1:])
