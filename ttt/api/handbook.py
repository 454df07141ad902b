"""`/docs`: every route, its parameters and answers, as one page without a script.

The usual pages for this load theirs from elsewhere; here nothing is.
"""

import re
from collections.abc import Mapping
from html import escape
from typing import Any, Final

STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{font-family:ui-monospace,monospace}h2{margin-top:2.5rem}dt{margin-top:1rem}"
    "table{border-collapse:collapse}td{padding:.1rem 1rem .1rem 0;vertical-align:top}"
)

_CODE: Final = re.compile(r"`([^`]+)`")


def page(spec: Mapping[str, Any]) -> str:
    """The page for an OpenAPI document."""
    groups: dict[str, list[str]] = {}
    for path, methods in spec["paths"].items():
        for method, route in methods.items():
            tag = route.get("tags", ["other"])[0]
            groups.setdefault(tag, []).append(_route(spec, method, path, route))
    body = "".join(f"<h2>{escape(tag)}</h2><dl>{''.join(g)}</dl>" for tag, g in groups.items())
    info = spec["info"]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{escape(info['title'])}</title>"
        f"<link rel=stylesheet href=/docs.css><h1>{escape(info['title'])}</h1>"
        f"<p>{escape(info['description'])}</p>"
        "<p>The same as a document for programs: <a href=/openapi.json>/openapi.json</a>.</p>"
        f"{body}</html>"
    )


def _route(spec: Mapping[str, Any], method: str, path: str, route: Mapping[str, Any]) -> str:
    rows = [_parameter(one) for one in route.get("parameters", ())]
    content = route.get("requestBody", {}).get("content", {}).get("application/json", {})
    rows += _fields(spec, content.get("schema", {}))
    text = route.get("description") or route.get("summary", "")
    table = f"<table>{''.join(rows)}</table>" if rows else ""
    answers = ", ".join(sorted(route["responses"]))
    return (
        f"<dt><code>{method.upper()} {escape(path)}</code></dt>"
        f"<dd>{_prose(text)}{table}<div>answers: {answers}</div></dd>"
    )


def _parameter(one: Mapping[str, Any]) -> str:
    text = one.get("description", one.get("schema", {}).get("description", ""))
    place = "" if one["in"] == "query" else f"in the {one['in']}"
    return _row(one["name"], place, text)


def _fields(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    options = [schema, *schema.get("anyOf", ())]  # A body that need not be sent is one of two.
    name = next((one["$ref"] for one in options if "$ref" in one), "").rpartition("/")[2]
    found = spec["components"]["schemas"].get(name, schema)
    wanted = found.get("required", ())
    return [
        _row(field, "required" if field in wanted else "", one.get("description", ""))
        for field, one in found.get("properties", {}).items()
    ]


def _row(name: str, kind: str, text: str) -> str:
    return f"<tr><td><code>{escape(name)}</code><td>{escape(kind)}<td>{_prose(text)}</tr>"


def _prose(text: str) -> str:
    """Text on one line; what stands in backticks is code."""
    return _CODE.sub(r"<code>\1</code>", escape(" ".join(text.split())))
