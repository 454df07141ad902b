"""Which memories say the same: within a session a repetition, across sessions a campaign.

Texts are compared by their shingles, runs of `SHINGLE_WORDS` words as the gate reads them (case,
accents, look-alike letters and invisible characters undone). A memory most of whose shingles an
earlier one has is its duplicate. A shingle that stands in sessions of several origins is no
coincidence at this length: whoever plants a sentence from many accounts, wrapped in other words
each time, is found by it.

Not covered: paraphrase, translation, and sentences shorter than a shingle.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from ttt.core.normalise import Views
from ttt.text_lm.sleep.harvest import Memory

SHINGLE_WORDS: Final = 8
"""Own: shorter runs are also set phrases, which people use independently of each other."""
DUPLICATE_SHARE: Final = 0.7
"""Share of a memory's shingles that an earlier memory has, from which it is a duplicate. Own."""
CAMPAIGN_ORIGINS: Final = 3
"""Sessions of so many origins that have a shingle in common make a campaign. Own: two people may
quote one source."""
_WORD = re.compile(r"\w+")


def shingles(text: str) -> frozenset[bytes]:
    """Digests of all runs of words; the whole text where it is shorter than one."""
    words = _WORD.findall(Views(text=text).lowered)
    runs = max(1, len(words) - SHINGLE_WORDS + 1)
    return frozenset(
        hashlib.blake2b(" ".join(words[at : at + SHINGLE_WORDS]).encode(), digest_size=8).digest()
        for at in range(runs)
    )


def duplicates(memories: Sequence[Memory]) -> dict[str, str]:
    """The places of memories that repeat an earlier one, each with the place of that one.

    Args:
        memories: Oldest first.
    """
    found: dict[str, str] = {}
    where: defaultdict[bytes, list[int]] = defaultdict(list)
    for number, memory in enumerate(memories):
        own = shingles(memory.text)
        shared = Counter(earlier for shingle in own for earlier in where[shingle])
        nearest = shared.most_common(1)
        if nearest and nearest[0][1] >= DUPLICATE_SHARE * len(own):
            found[memory.place] = memories[nearest[0][0]].place
            continue
        for shingle in own:
            where[shingle].append(number)
    return found


def campaigns(memories: Sequence[Memory]) -> dict[str, int]:
    """The places of memories that share a shingle across origins, each with how many origins."""
    origins: defaultdict[bytes, set[str]] = defaultdict(set)
    each = {memory.place: _long_shingles(memory.text) for memory in memories}
    for memory in memories:
        for shingle in each[memory.place]:
            origins[shingle].add(memory.root_session_id)
    most = {
        place: max((len(origins[one]) for one in own), default=0) for place, own in each.items()
    }
    return {place: count for place, count in most.items() if count >= CAMPAIGN_ORIGINS}


def _long_shingles(text: str) -> frozenset[bytes]:
    """None for a text shorter than a shingle: anybody may say good morning."""
    words = _WORD.findall(Views(text=text).lowered)
    return shingles(text) if len(words) >= SHINGLE_WORDS else frozenset()
