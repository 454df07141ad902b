"""JSON with its own digest."""

import json

import pytest

from ttt.errors import ConfigError
from ttt.store import signed

PLAIN = {"b": 1.5, "a": ["x", None, True], "c": {"d": "é"}}


@pytest.mark.parametrize("indent", [None, 2])
def test_a_value_comes_back_with_its_digest(indent):
    sealed = signed.unseal(signed.seal(PLAIN, indent=indent), indent=indent)
    assert sealed.pop(signed.SUM) == signed.digest_of(PLAIN, indent=indent)
    assert sealed == PLAIN


def test_equal_values_give_equal_bytes():
    assert signed.seal(PLAIN) == signed.seal(dict(reversed(PLAIN.items())))


def test_every_flipped_bit_is_found():
    raw = signed.seal(PLAIN)
    for place in range(len(raw)):
        for bit in range(8):
            bad = raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]
            with pytest.raises(ValueError):  # noqa: PT011 - any kind of it.
                signed.unseal(bad)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]\n", b"5", b"\xff", b"[" * 100_000])
def test_what_is_no_sealed_mapping_is_refused(raw):
    with pytest.raises(ValueError):  # noqa: PT011 - any kind of it.
        signed.unseal(raw)


def test_another_spelling_of_the_same_value_is_damage():
    raw = signed.seal(PLAIN)
    with pytest.raises(ValueError, match="digest does not match"):
        signed.unseal(json.dumps(json.loads(raw)).encode())


def test_what_json_cannot_hold_is_not_sealed():
    with pytest.raises(ConfigError, match="JSON"):
        signed.seal({"loss": float("nan")})
