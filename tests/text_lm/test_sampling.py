"""Drawing a token: what is kept, how often each comes, and what is never drawn from."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt.core.tokens import EOS_ID
from ttt.errors import ConfigError, PredictionError
from ttt.lib.compiled import can_compile
from ttt.text_lm import sampling
from ttt.text_lm.sampling import NEVER, Sampling, draw, kept, naive_draw

RANDOM = np.random.default_rng(0)
EASY = Sampling(temperature=1.0, top_k=None)


def scores(vocabulary: int, rows: int = 1, scale: float = 3.0) -> np.ndarray:
    return (scale * RANDOM.normal(size=(rows, vocabulary))).astype(np.float32)


@pytest.mark.skipif(not can_compile(), reason="numba does not work here")
@pytest.mark.parametrize("vocabulary", [8, 63, 4096, 5000])
@pytest.mark.parametrize("top_k", [1, 5, 50, 4000, None])
@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.0, 20.0])
@pytest.mark.parametrize("top_p", [0.001, 0.6, 1.0])
def test_the_compiled_draw_equals_its_twin(vocabulary, top_k, temperature, top_p):
    config = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    logits_BV, uniforms_B = scores(vocabulary, rows=4), RANDOM.random(4)
    logits_BV[1] = np.round(logits_BV[1])  # Many are equal.
    logits_BV[2, 4::2] = -math.inf  # Many are impossible.
    ids_B, log_probs_B = draw(logits_BV, config, uniforms_B)
    for b in range(4):
        token_id, log_prob = naive_draw(logits_BV[b], config, float(uniforms_B[b]))
        assert ids_B[b] == token_id
        assert log_probs_B[b] == pytest.approx(log_prob, abs=1e-6)


@given(st.lists(st.floats(-50, 50, width=32), min_size=5, max_size=40), st.floats(0, 0.999999))
def test_any_scores_give_an_id_that_may_be_drawn_and_its_log_probability(row, uniform):
    logits_V = np.array(row, dtype=np.float32)
    ids_1, log_probs_1 = draw(logits_V[None], EASY, np.array([uniform]))
    assert ids_1[0] not in NEVER
    exact = float(logits_V[ids_1[0]]) - np.logaddexp.reduce(logits_V.astype(np.float64))
    assert log_probs_1[0] == pytest.approx(exact, abs=1e-5)


def test_each_id_is_drawn_as_often_as_it_is_likely():
    logits_V = scores(12, scale=1.0)[0]
    uniforms = (np.arange(20_000) + 0.5) / 20_000
    ids, _ = draw(np.repeat(logits_V[None], 20_000, axis=0), EASY, uniforms)
    counts = np.bincount(ids, minlength=12) / 20_000
    ids_K, probs_K = kept(logits_V, EASY)
    assert counts[ids_K] == pytest.approx(probs_K, abs=1e-3)


def test_temperature_zero_takes_the_likeliest_and_of_equal_ones_the_lowest_id():
    logits_1V = np.array([[9.0, 9.0, 1.0, 9.0, 4.0, 4.0, 2.0]], dtype=np.float32)
    for uniform in (0.0, 0.5, 0.999):
        config = Sampling(temperature=0.0, top_k=None)
        assert draw(logits_1V, config, np.array([uniform]))[0][0] == 4


def test_top_k_keeps_exactly_so_many_and_of_equal_ones_the_lower_ids():
    logits_V = np.array([0, 0, 0, 0, 1, 2, 1, 1, 0], dtype=np.float32)
    ids_K, _ = kept(logits_V, Sampling(top_k=3))
    assert ids_K.tolist() == [5, 4, 6]
    drawn = {
        int(draw(logits_V[None], Sampling(top_k=3), np.array([u]))[0][0])
        for u in np.linspace(0, 0.999, 50)
    }
    assert drawn == {4, 5, 6}


def test_top_p_keeps_the_fewest_likeliest_that_reach_the_share():
    logits_V = np.log(np.array([1e-9, 1e-9, 0.1, 1e-9, 0.5, 0.3, 0.1], dtype=np.float32))
    for share, expected in [(0.4, [4]), (0.5, [4, 5]), (0.79, [4, 5]), (0.95, [4, 5, 2, 6])]:
        config = Sampling(temperature=1.0, top_k=None, top_p=share)
        ids_K, probs_K = kept(logits_V, config)
        # At .5 the last bit decides: rounding may leave the first a hair short of it.
        assert ids_K.tolist() == expected or share == 0.5
        assert probs_K.sum() == pytest.approx(1.0)


def test_the_log_probability_is_the_models_own_whatever_the_settings():
    logits_1V = scores(100)
    narrow = Sampling(temperature=0.1, top_k=1)
    (token_id,), (log_prob,) = draw(logits_1V, narrow, np.array([0.5]))
    exact = float(logits_1V[0, token_id]) - np.logaddexp.reduce(logits_1V[0].astype(np.float64))
    assert log_prob == pytest.approx(exact, abs=1e-6)
    assert log_prob < -0.01


def test_ids_that_are_no_text_are_never_drawn_even_where_they_are_likeliest():
    logits_1V = np.full((1, 6), -5.0, dtype=np.float32)
    logits_1V[0, NEVER] = 50.0
    for config in (EASY, Sampling(top_k=1), Sampling(temperature=0.0), Sampling(top_p=0.1)):
        (token_id,), (log_prob,) = draw(logits_1V, config, np.array([0.0]))
        assert token_id == EOS_ID
        assert log_prob == pytest.approx(-55.0 - math.log(3), abs=1e-4)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize(
    "config", [EASY, Sampling(), Sampling(temperature=0.0), Sampling(top_p=0.5)]
)
def test_scores_that_are_not_finite_are_refused(monkeypatch, compiled, bad, config):
    monkeypatch.setattr(sampling, "can_compile", lambda: compiled and can_compile())
    for place in (0, 7, 299):
        logits_BV = scores(300, rows=2)
        logits_BV[1, place] = bad
        with pytest.raises(PredictionError, match="not finite"):
            draw(logits_BV, config, np.array([0.1, 0.2]))
    with pytest.raises(PredictionError):
        draw(np.full((1, 300), -math.inf, np.float32), config, np.array([0.1]))
    only_mask = np.full((1, 300), -math.inf, np.float32)
    only_mask[0, 3] = 0.0
    with pytest.raises(PredictionError):
        draw(only_mask, config, np.array([0.1]))


def test_without_the_compiler_the_twin_draws_the_same(monkeypatch):
    logits_BV, uniforms_B = scores(500, rows=3), RANDOM.random(3)
    fast = draw(logits_BV, Sampling(), uniforms_B)
    monkeypatch.setattr(sampling, "can_compile", lambda: False)
    slow = draw(logits_BV, Sampling(), uniforms_B)
    assert fast[0].tolist() == slow[0].tolist()
    assert fast[1] == pytest.approx(slow[1], abs=1e-6)


def test_the_scores_are_left_as_they_are():
    logits_BV = scores(300)
    before = logits_BV.copy()
    draw(logits_BV, Sampling(), np.array([0.5]))
    assert np.array_equal(logits_BV, before)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"temperature": -0.1}, "at least 0, not -0.1"),
        ({"temperature": math.nan}, "not nan"),
        ({"temperature": math.inf}, "not inf"),
        ({"top_k": 0}, "top_k must be at least 1, not 0"),
        ({"top_p": 0.0}, r"lie in \(0, 1\], not 0.0"),
        ({"top_p": 1.01}, "not 1.01"),
        ({"top_p": math.nan}, "not nan"),
    ],
)
def test_settings_outside_their_range_are_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        Sampling(**given)


def test_top_k_above_the_vocabulary_is_refused_and_the_whole_vocabulary_is_not():
    Sampling(top_k=300).check_vocabulary(300)
    Sampling(top_k=None).check_vocabulary(300)
    with pytest.raises(ConfigError, match=r"at most the 300 ids.*not 301"):
        Sampling(top_k=301).check_vocabulary(300)
