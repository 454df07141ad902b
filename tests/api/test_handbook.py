"""`/docs`: every route with its fields, in any theme and width, and nothing from elsewhere."""

import re

import pytest

from tests.api.clients import settings
from ttt.api.app import create_app
from ttt.api.handbook import STYLE, page


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return create_app(settings(tmp_path_factory.mktemp("tree"))).openapi()


def test_every_route_is_shown_with_the_fields_of_its_body(spec):
    shown = page(spec)
    for path in spec["paths"]:
        assert f" {path}</code>" in shown
    rollback = shown[shown.index("POST /api/sleep/rollback") :]
    assert "<code>note</code>" in rollback[:600]  # A body that need not be sent has fields, too.


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(spec):
    shown = page(spec)
    assert re.findall(r"(?:href|src)=['\"]?([^ '\">]+)", shown) == ["/docs.css", "/openapi.json"]
    assert "<script" not in shown
    assert "width=device-width" in shown
    assert "color-scheme:light dark" in STYLE


def test_what_a_route_says_of_itself_is_text(spec):
    paths = {"/x": {"get": {"summary": "<b>`y`</b>", "responses": {"200": {}}}}}
    assert "&lt;b&gt;<code>y</code>" in page({**spec, "paths": paths})
