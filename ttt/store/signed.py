"""JSON that carries the digest of itself: every flipped byte is found, at any place in it.

The bytes are canonical, so one value has one spelling and a changed space is damage too. No secret
is involved: this finds accidents, not somebody who computes the digest anew.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from ttt.lib import strict_json

SUM = "sum"
"""The key of the digest, which no value may use itself."""


def digest_of(plain: Mapping[str, object], *, indent: int | None = None) -> str:
    """SHA-256 of a value's canonical JSON, hexadecimal.

    Raises:
        ConfigError: It cannot be written as JSON.
    """
    return hashlib.sha256(strict_json.dumps(plain, indent=indent)).hexdigest()


def seal(plain: Mapping[str, object], *, indent: int | None = None) -> bytes:
    """Write a value as canonical JSON with its digest in it.

    Args:
        plain: Text keys and JSON values, without the key `SUM`.
        indent: Spaces of indentation, or None for one line.

    Raises:
        ConfigError: It cannot be written as JSON.
    """
    return strict_json.dumps({**plain, SUM: digest_of(plain, indent=indent)}, indent=indent)


def unseal(raw: bytes, *, indent: int | None = None) -> dict[str, Any]:
    """Read what `seal` wrote: the value, and its digest under `SUM`.

    Args:
        raw: The bytes, written with the same `indent`.
        indent: As for `seal`.

    Raises:
        ValueError: A byte is not as it was written.
        ConfigError: It holds what no JSON of ours can hold.
    """
    sealed = strict_json.loads(raw)
    if isinstance(sealed, dict):
        plain = {key: value for key, value in sealed.items() if key != SUM}
        # Byte for byte: the sum alone would not see a changed space or a number written otherwise.
        if sealed.get(SUM) == digest_of(plain, indent=indent) and raw == strict_json.dumps(
            sealed, indent=indent
        ):
            return sealed
    raise ValueError("its digest does not match")
