"""Blocks, held-out windows and shares."""

import numpy as np
import pytest

from ttt.errors import ConfigError, InputError
from ttt.text_lm.windows import Mixture, Source


def source(count: int = 1000, *, length: int = 10, first: int = 0, **more: float) -> Source:
    """Tokens that are their own places, so that a window shows where it was cut."""
    tokens_T = np.arange(first, first + count, dtype=np.uint16)
    return Source(name="numbers", tokens_T=tokens_T, length=length, **more)


def test_no_training_window_touches_a_held_out_token():
    one = source(1003, val_fraction=0.1)
    held_out = set(one.validation(10_000).ravel())
    drawn = set(one.draw(5000, np.random.default_rng(0)).ravel())
    assert held_out
    assert not held_out & drawn
    assert len(drawn) > 0.85 * 1000


@pytest.mark.parametrize(("count", "fraction"), [(1003, 0.1), (20, 0.5), (999, 0.5), (437, 0.05)])
def test_every_training_block_is_drawn_about_equally_often_and_no_other(count, fraction):
    one = source(count, val_fraction=fraction)
    starts = one.draw(20_000, np.random.default_rng(0))[:, 0] // one.block_length
    blocks, times = np.unique(starts, return_counts=True)
    assert blocks.tolist() == sorted(set(range(one.blocks)) - set(one.held_out.tolist()))
    assert times.min() > 0.7 * times.max()


def test_windows_are_runs_of_the_text():
    for windows_BL in (source().draw(20, np.random.default_rng(0)), source().validation(20)):
        assert (np.diff(windows_BL, axis=1) == 1).all()


def test_the_held_out_share_is_about_what_was_asked_for():
    for fraction in (0.05, 0.1, 0.25, 0.5):
        one = source(10_000, val_fraction=fraction)
        share = len(one.held_out) / one.blocks
        assert share == pytest.approx(fraction, rel=0.15)


def test_validation_is_always_the_same_and_spread_over_the_text():
    one = source(10_000)
    windows_BL = one.validation(5)
    assert windows_BL.shape == (5, 10)
    assert (windows_BL == one.validation(5)).all()
    assert windows_BL.min() < 2000
    assert windows_BL.max() > 8000


def test_the_same_generator_draws_the_same_windows():
    first, second = (source().draw(8, np.random.default_rng(7)) for _ in range(2))
    assert (first == second).all()


def test_the_smallest_corpus_trains_on_one_window_and_holds_out_another():
    one = source(20)
    assert one.draw(1, np.random.default_rng(0)).max() < 10
    assert one.validation(9).min() >= 10


def test_a_corpus_without_room_for_both_is_too_small():
    with pytest.raises(InputError, match=r"19 tokens.*at least 20"):
        source(19)


@pytest.mark.parametrize("fraction", [0.0, -0.1, 0.6, float("nan")])
def test_a_held_out_share_outside_of_its_range_is_refused(fraction):
    with pytest.raises(ConfigError, match="val_fraction"):
        source(val_fraction=fraction)


def test_a_window_of_one_token_predicts_nothing_and_is_refused():
    with pytest.raises(ConfigError, match="at least 2"):
        source(length=1)


def test_sources_are_drawn_by_their_shares():
    mixture = Mixture(sources=(source(), source(100, first=5000)), shares=(0.25, 0.75))
    windows_BL = mixture.draw(4000, np.random.default_rng(0))
    assert (windows_BL[:, 0] >= 5000).mean() == pytest.approx(0.75, abs=0.03)


def test_without_shares_sources_are_drawn_by_their_sizes():
    mixture = Mixture(sources=(source(3000), source(1000, first=5000)))
    windows_BL = mixture.draw(4000, np.random.default_rng(0))
    assert (windows_BL[:, 0] >= 5000).mean() == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize("shares", [(0.5,), (0.5, 0.6), (float("nan"), 0.5)])
def test_shares_that_do_not_sum_to_one_over_the_sources_are_refused(shares):
    with pytest.raises(ConfigError, match="shares"):
        Mixture(sources=(source(), source()), shares=shares)
