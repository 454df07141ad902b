"""A registry refuses silent replacement, and everything once it is frozen."""

import pytest

from ttt.errors import ConfigError, UnknownNameError
from ttt.lib.registry import Registry


def filled() -> Registry[int]:
    registry: Registry[int] = Registry("number")
    registry.register("two", 2)
    registry.register("one", 1)
    return registry


def test_names_come_in_the_order_they_were_registered():
    registry = filled()
    assert registry.names() == ("two", "one")
    assert list(registry) == [("two", 2), ("one", 1)]
    assert registry.get("one") == 1
    assert "one" in registry
    assert "three" not in registry


def test_an_unknown_name_is_an_error_that_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"number 'three'.*two, one"):
        filled().get("three")


def test_a_name_that_is_taken_is_not_replaced():
    registry = filled()
    with pytest.raises(ConfigError, match="'one' is registered already"):
        registry.register("one", 3)
    assert registry.get("one") == 1


def test_a_frozen_registry_takes_nothing_more():
    registry = filled()
    registry.freeze()
    with pytest.raises(ConfigError, match="frozen"):
        registry.register("three", 3)
    assert registry.names() == ("two", "one")
