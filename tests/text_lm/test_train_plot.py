"""The curves of a training as a picture."""

import struct

import pytest

from ttt.text_lm.train_plot import train_curve

LINE = {"lr": 0.01, "tokens_per_s": 900.0, "objective": "ar"}
LINES = [
    LINE | {"step": step, "loss": 6.0 - step / 50, "objective": "mlm" if step % 5 == 0 else "ar"}
    | ({"val_loss": 6.1 - step / 50} if step % 20 == 0 else {})
    for step in range(1, 101)
]  # fmt: skip


@pytest.mark.parametrize("lines", [LINES, LINES[:1], [LINES[4]]], ids=["many", "one", "masked"])
def test_a_log_of_any_length_is_drawn(lines):
    png = train_curve(lines, title="mine")
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == (1100, 880)


def test_the_same_log_gives_the_same_bytes_and_another_one_others():
    assert train_curve(LINES, title="a") == train_curve(LINES, title="a")
    assert train_curve(LINES, title="a") != train_curve(LINES[:50], title="a")
