"""The dashboard's files: for everybody on this machine, behind the same guard, and nothing else."""

import re

import pytest

from tests.api.clients import client
from ttt.api.app import STATIC

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    with client(tmp_path_factory.mktemp("tree"), headers=None) as one:
        yield one


@pytest.mark.parametrize("path", ["/", "/text/some-run?scale=Log", "/chat/ada", "/nano"])
def test_every_view_is_the_page_that_finds_its_own_way(stranger, path):
    answer = stranger.get(path, headers=BROWSER)
    assert answer.status_code == 200
    assert '<div id="root">' in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")


def test_its_files_are_there_with_their_types(stranger):
    page = stranger.get("/", headers=BROWSER).text
    for path in re.findall(r'(?:src|href)="(/[^"]+)"', page):
        answer = stranger.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        kind = {".js": "javascript", ".css": "text/css", ".svg": "svg"}[path[path.rindex(".") :]]
        assert kind in answer.headers["content-type"]


def test_the_page_has_no_script_and_no_style_of_its_own_and_names_nobody_else():
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*src=)", page) == []
    assert "<style" not in page
    assert re.findall(r'(?:src|href)="(?!/)', page) == []


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/api", "/assets/none.js", "/../pyproject.toml", "/%2e%2e/app.py"]
)
def test_what_is_not_there_is_not_the_page(stranger, path):
    answer = stranger.get(path, headers={"Accept": "application/json"})
    assert answer.status_code in (401, 404)
    assert "root" not in answer.text


def test_foreign_hosts_get_no_page_either(stranger):
    assert stranger.get("/", headers={**BROWSER, "Host": "evil.example"}).status_code == 421
