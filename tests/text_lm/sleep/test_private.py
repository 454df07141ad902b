"""What one person would not want a shared model to repeat."""

import pytest

from ttt.text_lm.sleep.private import holds_private


@pytest.mark.parametrize(
    "text",
    [
        "write to ada.lovelace+x@example.org today",
        "it is 4111 1111 1111 1111, expiring soon",
        "it is 4111111111111111.",
        "my IBAN is DE89 3704 0044 0532 0130 00, thanks",
        "the key is sk-abcdefghijklmnop1234",
        "AKIAIOSFODNN7EXAMPLE1 opens it",
    ],
)
def test_it_is_found(text):
    assert holds_private(text)


@pytest.mark.parametrize(
    "text",
    [
        "see you @ noon, or @home",
        "319454 2024-05-18 and 62232260889 2024-05-27",
        "0000000001111 and 4111 1111 1111 1112",
        "pi is 3.141592653589793238",
        "version 10.0.244.7:5432 of 1969",
        "a decorator such as @functools.cache",
        "ask for it",
    ],
)
def test_the_like_of_it_is_not(text):
    assert not holds_private(text)


def test_a_long_text_is_read_in_linear_time():
    assert not holds_private("1 " * 200_000)
    assert not holds_private("a" * 400_000)
