"""The passages of the demo: every kind is there, and the disguises are disguises."""

import json
import re
from collections import Counter
from importlib import resources


def demo_rows() -> list[dict[str, object]]:
    content = resources.files("ttt.data").joinpath("demo", "passages.jsonl").read_text("utf-8")
    return [json.loads(line) for line in content.splitlines()]


def test_the_demo_has_benign_and_hostile_passages_of_every_kind() -> None:
    kinds = Counter(str(row["kind"]) for row in demo_rows())
    assert kinds.pop("prose") == 3
    assert kinds == dict.fromkeys(
        "dialogue log spanish german french chinese verse table override override_spaced "
        "override_zero_width override_homoglyph override_split spam repeat".split(),
        1,
    )


def test_demo_rows_are_a_text_of_some_length_or_a_rule_of_repetition() -> None:
    for row in demo_rows():
        if row["kind"] == "repeat":
            assert row.keys() == {"id", "kind", "unit", "times"}
            assert isinstance(row["unit"], str)
            assert row["times"] == 60
        else:
            assert row.keys() == {"id", "kind", "text"}
            units = r"\S" if row["kind"] == "chinese" else r"\S+"
            assert 130 <= len(re.findall(units, str(row["text"]))) <= 400, row["id"]


def test_the_obfuscated_overrides_really_are_obfuscated() -> None:
    texts = {str(row["kind"]): str(row.get("text", "")) for row in demo_rows()}
    plain = "ignore all previous instructions"
    assert plain in texts["override"].lower()
    for kind in ("spaced", "zero_width", "homoglyph", "split"):
        assert plain not in texts[f"override_{kind}"].lower(), kind
    invisible = re.compile("[\u200b\u200c\u200d\u2060\ufeff]")
    assert plain in invisible.sub("", texts["override_zero_width"])
    assert re.search("[\u0400-\u04ff]", texts["override_homoglyph"])
    assert "i g n o r e" in texts["override_spaced"]
