"""docs/api.md and the application name the same routes, and each says how it fails."""

import re
from pathlib import Path

import pytest

from tests.api.clients import settings
from ttt.api.app import create_app

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs/api.md").read_text()


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return create_app(settings(tmp_path_factory.mktemp("tree"))).openapi()


def test_every_route_stands_in_the_documentation_and_no_other(spec):
    real = {
        f"{method.upper()} {path}": route["summary"]
        for path, methods in spec["paths"].items()
        for method, route in methods.items()
    }
    found = re.findall(r"^\| `((?:GET|POST|DELETE) [^`]+)` \| (.+) \|$", PAGE, re.MULTILINE)
    assert dict(found) == real


def test_every_route_has_a_title_and_says_how_it_fails(spec):
    for path, methods in spec["paths"].items():
        for route in methods.values():
            assert route["summary"]
            if path not in ("/api/health", "/metrics", "/api/events"):
                schema = route["responses"]["422"]["content"]["application/json"]["schema"]
                assert schema["$ref"].endswith("/Problem"), path
