"""docs/api.md and the application name the same routes, and each says how it fails."""

import re
from pathlib import Path

import pytest

from tests.api.clients import bodies, settings
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
                shared = route["responses"]["422"]["$ref"].rsplit("/", 1)[1]
                content = spec["components"]["responses"][shared]["content"]
                assert list(content) == ["application/problem+json"], path
                assert content["application/problem+json"]["schema"]["$ref"].endswith("/Problem")


def test_everything_that_must_be_sent_has_an_example_and_the_rest_a_default(spec):
    for path, methods in spec["paths"].items():
        for route in methods.values():
            for one in route.get("parameters", ()):
                assert {"default", "examples"} & {*one, *one["schema"]}, (path, one["name"])
    for path, schema in bodies(spec):
        for name in schema.get("required", ()):
            assert schema["properties"][name].get("examples"), (path, name)
