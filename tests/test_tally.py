"""The last line of ./test.sh tells the truth, also about suites that never reported."""

import pytest

from tests.tally import main

REPORT = """<testsuites><testsuite>
<testcase name="a"/><testcase name="b"/>
<testcase name="c"><skipped message="no browser"/></testcase>
{more}
</testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("status", "more", "line", "exit_status"),
    [
        (0, "", "2 passed, 0 failed, 1 skipped", 0),
        (1, "<testcase><failure/></testcase>", "2 passed, 1 failed, 1 skipped", 1),
        (1, "<testcase><error/></testcase>", "2 passed, 1 failed, 1 skipped", 1),
        (3, "", "2 passed, 1 failed, 1 skipped", 1),
    ],
    ids=["all well", "a failure", "an error", "broke off after its last case"],
)
def test_the_report_is_counted(tmp_path, capsys, status, more, line, exit_status):
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format(more=more))
    assert main(["--suite", "tests", str(status), str(report)]) == exit_status
    assert capsys.readouterr().out.splitlines()[-1] == line


@pytest.mark.parametrize("content", [None, "", "<testsuites>"], ids=["absent", "empty", "torn"])
def test_a_report_that_cannot_be_read_is_a_failure(tmp_path, capsys, content):
    report = tmp_path / "report.xml"
    if content is not None:
        report.write_text(content)
    assert main(["--suite", "tests", "0", str(report)]) == 1
    assert capsys.readouterr().out.endswith("\n0 passed, 1 failed, 0 skipped\n")


def test_suites_are_added_up(tmp_path, capsys):
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format(more=""))
    suites = ["--suite", "checks", "0", "-", "--suite", "tests", "0", str(report)]
    assert main(suites) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "3 passed, 0 failed, 1 skipped"


def test_failed_static_checks_are_one_failure(capsys):
    assert main(["--suite", "checks", "2", "-"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"
