"""The change of which base is the current one: a pointer from one finished model to another.

The weights of both stay as they are, so taking it back is going back to the old name. What must
hold of the new base is asked by whoever builds the transaction (`ttt/text_lm/sleep/promotion.py`);
the switch on disk is the record of a committed receipt (`ttt/store/promotions.py`).
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from ttt.changes.plastic_state import PlasticHolder, PlasticUpdate

KIND: Final = "promotion"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseChoice:
    """A base, by its name and by what it is."""

    model_id: str
    weights_sha256: str
    """Digest of its weights file."""

    def fingerprint(self) -> str:
        """SHA-256 over name and digest."""
        return hashlib.sha256(f"{self.model_id}\0{self.weights_sha256}".encode()).hexdigest()

    def finite(self) -> bool:
        """A name holds no numbers; the weights were verified when they were saved and read."""
        return True


def switch_base(holder: PlasticHolder[BaseChoice], to: BaseChoice) -> PlasticUpdate[BaseChoice]:
    """Point to another base."""
    return PlasticUpdate(kind=KIND, holder=holder, propose=lambda _: to)
