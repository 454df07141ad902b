"""`/docs`: every route, its parameters and answers, as one page without a script.

The usual pages for this load theirs from elsewhere; here nothing is.
"""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{font-family:ui-monospace,monospace}h2{margin-top:2.5rem}dt{margin-top:1rem}"
    "table{border-collapse:collapse}td{padding:.1rem 1rem .1rem 0;vertical-align:top}"
)


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
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>"
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
        f"<dd>{escape(text)}{table}<div>answers: {answers}</div></dd>"
    )


def _parameter(one: Mapping[str, Any]) -> str:
    text = one.get("description", one.get("schema", {}).get("description", ""))
    return _row(one["name"], f"in {one['in']}", text)


def _fields(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found = spec["components"]["schemas"].get(name, schema)
    wanted = found.get("required", ())
    return [
        _row(field, "required" if field in wanted else "", one.get("description", ""))
        for field, one in found.get("properties", {}).items()
    ]


def _row(name: str, kind: str, text: str) -> str:
    return (
        f"<tr><td><code>{escape(name)}</code><td>{escape(kind)}"
        f"<td>{escape(' '.join(text.split()))}</tr>"
    )
