"""Which tokenizers `tiktoken` encodes for exactly, and the proof.

`tokenizers` merges the pair (a, b) that stands earliest in its list of merges; `tiktoken` merges
any two neighbours which together spell a token, of the lowest id first. They agree on every text if

1. text is split by GPT-2's pattern, and nothing else is done to it;
2. every token beyond bytes and special ones is what exactly one merge makes, and their ids rise in
   the order of the merges;
3. each token, encoded on its own by `tokenizers`, is itself.

Say they agreed so far, and two neighbours x, y spell token t. Nothing was merged across the ends of
t yet, so what happened inside is what happens to t on its own, as far as that has come: to two
parts. By 3 one merge is left, which by 2 is the one of t: so (x, y) is that pair, and both see the
same candidates. By 2 they also choose the same. A word that is a token as a whole, which `tiktoken`
looks up, is the same by 3.
"""

import json
from functools import lru_cache
from typing import Any, Final

import tiktoken
import tokenizers

from ttt.text_lm.pieces import byte_alphabet

GPT2_PATTERN: Final = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""How text is split into words. Source: Radford et al. 2019 (GPT-2), the pattern of its encoder,
which is also that of the `ByteLevel` splitter of `tokenizers`."""

_SPLITTER: Final = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
_NOTHING: Final = (None, "", False, 0)
_UNSET: Final = (
    "dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges"
)  # fmt: skip


@lru_cache(maxsize=8)
def plain_pairs(tokenizer_json: str) -> tiktoken.Encoding | None:
    """The same tokenizer for `tiktoken`, which is several times as fast; None if not proved equal.

    Args:
        tokenizer_json: The `tokenizers` file format.
    """
    file = json.loads(tokenizer_json)
    if not _splits_as_gpt2(file):
        return None
    ids = _pair_ids(file)
    if ids is None or not _each_is_itself(file, ids):
        return None
    byte_of, vocab = byte_alphabet(), file["model"]["vocab"]
    tokens = [*byte_of, *ids]
    return tiktoken.Encoding(
        "plain byte pairs",
        pat_str=GPT2_PATTERN,
        mergeable_ranks={bytes(byte_of[c] for c in token): vocab[token] for token in tokens},
        special_tokens={},
    )


def _splits_as_gpt2(file: dict[str, Any]) -> bool:
    """Condition 1."""
    splitter = file.get("pre_tokenizer") or {}
    return (
        all(splitter.get(name) == value for name, value in _SPLITTER.items())
        and all(file.get(name) is None for name in ("normalizer", "truncation", "padding"))
        and all(token["special"] for token in file.get("added_tokens", ()))
        and file["model"].get("type") == "BPE"
        and all(file["model"].get(name) in _NOTHING for name in _UNSET)
    )


def _pair_ids(file: dict[str, Any]) -> dict[str, int] | None:
    """Condition 2: the ids of all tokens that merges make, in their order; None if it fails."""
    vocab = file["model"]["vocab"]
    special = {token["content"] for token in file.get("added_tokens", ())}
    merges = [m.split(" ") if isinstance(m, str) else m for m in file["model"]["merges"]]
    made = ["".join(merge) for merge in merges]
    alphabet = byte_alphabet().keys()
    if set(made) | alphabet != vocab.keys() - special or len(set(made)) != len(made):
        return None
    ids = {token: vocab[token] for token in made}
    rises = list(ids.values()) == sorted(set(ids.values()))
    return ids if rises and alphabet.isdisjoint(ids) else None


def _each_is_itself(file: dict[str, Any], ids: dict[str, int]) -> bool:
    """Condition 3."""
    alone = tokenizers.Tokenizer.from_str(json.dumps(file | {"pre_tokenizer": None}))
    alone.encode_special_tokens = True
    encoded = alone.encode_batch_fast(list(ids), add_special_tokens=False)
    return [one.ids for one in encoded] == [[token_id] for token_id in ids.values()]
