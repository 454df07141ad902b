"""Independent seeds by name, so that adding one consumer of randomness never shifts another.

There is no global generator: whoever needs randomness is handed a seed or a generator.
"""

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SEED_BITS = 63
"""Wide enough that names do not meet by chance, and a valid seed for torch, numpy and `random`."""


def derive_seed(seed: int, *names: str | int) -> int:
    """A seed for one purpose, derived from the seed of the whole run.

    Source: own, because `seed + i` makes neighbouring runs share streams; SHA-256 of an unambiguous
    encoding does not, and is the same on every machine and Python version (unlike `hash`).

    Args:
        seed: The seed of the run, any integer.
        *names: What it is for, from coarse to fine: `"text_lm", "batches", epoch`. The text `"1"`
            and the number `1` are different names.

    Returns:
        A number in `[0, 2**63)`.
    """
    digest = hashlib.sha256(json.dumps([seed, *names]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - SEED_BITS)


def torch_generator(seed: int, *names: str | int, device: str = "cpu") -> "torch.Generator":
    """A torch generator for one purpose.

    torch's CPU generator uses only the low 32 bits of a seed; a derived seed is spread over all of
    them, so that two purposes share a stream with a chance of 2**-32.

    Args:
        seed: The seed of the run.
        *names: As for `derive_seed`; none at all seeds with the run's own seed, hashed.
        device: Where the numbers are drawn.
    """
    import torch

    return torch.Generator(device=device).manual_seed(derive_seed(seed, *names))
