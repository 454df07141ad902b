"""Named alternatives: backbones, objectives, rules, gate checks, signals.

A registry is filled while modules are imported (built-ins) or by a caller's own plug-in, and may be
frozen afterwards, so that nothing a model reads or writes later can swap an implementation.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

from ttt.errors import ConfigError, UnknownNameError

Item = TypeVar("Item")


class Registry(Generic[Item]):
    """An ordered mapping from name to implementation that refuses silent replacement.

    Args:
        kind: What it holds, in the singular, for error messages, e.g. `"backbone"`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, Item] = {}
        self._frozen = False

    def register(self, name: str, item: Item) -> Item:
        """Add one implementation and return it.

        Raises:
            ConfigError: The registry is frozen, or the name is taken.
        """
        if self._frozen:
            raise ConfigError(f"Cannot register {self.kind} {name!r}: the registry is frozen.")
        if name in self._items:
            raise ConfigError(f"A {self.kind} named {name!r} is registered already.")
        self._items[name] = item
        return item

    def get(self, name: str) -> Item:
        """Return the implementation called `name`.

        Raises:
            UnknownNameError: There is none; the message lists those there are.
        """
        if name not in self._items:
            raise UnknownNameError(self.kind, name, self.names())
        return self._items[name]

    def names(self) -> tuple[str, ...]:
        """All names, in the order they were registered."""
        return tuple(self._items)

    def freeze(self) -> None:
        """Refuse every later `register`."""
        self._frozen = True

    def __iter__(self) -> Iterator[tuple[str, Item]]:
        return iter(self._items.items())

    def __contains__(self, name: str) -> bool:
        return name in self._items
