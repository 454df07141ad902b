"""The mutant runner tells a caught bug from a surviving one, and neither from a test that broke."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.mutants.__main__ import write_report

ROOT = Path(__file__).resolve().parent.parent
CODE = "def fits(x):\n    return x <= 3\n"
TESTS = """
from limit import fits

def test_the_limit_itself_fits():
    assert fits(3)

def test_something_small_fits():
    assert fits(1)
"""
CASES = {
    "caught": ("x <= 3", "x < 3", "test_the_limit_itself_fits"),
    "survived": ("x <= 3", "x < 3", "test_something_small_fits"),
    "no such test": ("x <= 3", "x < 3", "test_of_another_name"),
    "not importable": ("x <= 3", "x <=", "test_the_limit_itself_fits"),
    "code moved on": ("x <= 4", "x < 4", "test_the_limit_itself_fits"),
}
RUNNER = """
import json, sys
from tests.mutants.__main__ import verdict_on
from tests.mutants.catalogue import Mutant
print(json.dumps([verdict_on(Mutant(**fields)) for fields in json.load(sys.stdin)]))
"""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("mutants")
    (folder / "limit.py").write_text(CODE)
    (folder / "test_limit.py").write_text(TESTS)
    fields = [
        {
            "name": name,
            "path": str(folder / "limit.py"),
            "old": old,
            "new": new,
            "test": f"{folder / 'test_limit.py'}::{test}",
        }
        for name, (old, new, test) in CASES.items()
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(fields),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert (folder / "limit.py").read_text() == CODE
    return dict(zip(CASES, json.loads(done.stdout), strict=True))


def test_a_bug_that_makes_its_test_fail_is_caught(verdicts):
    assert verdicts["caught"] == ""


def test_a_bug_that_its_test_does_not_see_has_survived(verdicts):
    assert verdicts["survived"].startswith("survived")


@pytest.mark.parametrize("case", ["no such test", "not importable"])
def test_a_test_that_could_not_run_caught_nothing(verdicts, case):
    assert verdicts[case].startswith("the test did not run")


def test_an_entry_whose_code_is_gone_is_reported(verdicts):
    assert "0 times" in verdicts["code moved on"]


def test_the_report_names_what_was_missed(tmp_path):
    write_report(tmp_path / "report.xml", {"one": "", "two": "survived: x\nmore"})
    cases = {c.get("name"): c for c in ElementTree.parse(tmp_path / "report.xml").iter("testcase")}
    assert cases["one"].find("failure") is None
    assert cases["two"].find("failure").get("message") == "survived: x"
