"""JSON without its traps."""

import pytest

from ttt.errors import ConfigError
from ttt.lib import strict_json


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "a": 2}', "twice"),
        ('[{"x": {"a": 1, "a": 1}}]', "twice"),
        ("NaN", "finite"),
        ("[-Infinity]", "finite"),
        ("1e400", "finite"),
        ("[-1e999]", "finite"),
        ("[" * 100_000, "deep"),
        ("1" * 5000, "limit"),
        ("{", "Expecting"),
        ("", "Expecting"),
        (b"\xff", "utf-8"),
        (b'"\xed\xa0\x80"', "utf-8"),
    ],
)
def test_what_would_pass_in_silence_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        strict_json.loads(text)


def test_ordinary_values_are_read():
    assert strict_json.loads(b'{"a": [1, 2.5, -3e-5, true, null, "\xc3\xa9"]}') == {
        "a": [1, 2.5, -3e-5, True, None, "é"]
    }


def test_many_different_keys_are_read_in_linear_time():
    keys = ",".join(f'"{i}":0' for i in range(100_000))
    assert len(strict_json.loads("{" + keys + "}")) == 100_000


def test_equal_values_give_equal_bytes():
    one = strict_json.dumps({"b": [1, 0.1], "a": "é"})
    assert one == strict_json.dumps({"a": "é", "b": [1, 0.1]})
    assert one.isascii()
    assert one.endswith(b"}\n")
    assert strict_json.loads(one) == {"a": "é", "b": [1, 0.1]}
    assert strict_json.dumps({"b": [1], "a": 2}, indent=None) == b'{"a":2,"b":[1]}\n'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1}, b"x", object()])
def test_what_is_no_json_is_not_written(value):
    with pytest.raises(ConfigError, match="JSON"):
        strict_json.dumps({"a": [value]})
