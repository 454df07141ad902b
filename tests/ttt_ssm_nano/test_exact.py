"""Sums in pairs of doubles and least squares on them, against exact fractions."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ttt_ssm_nano import arithmetic

sizes = st.floats(min_value=1e-3, max_value=1e15).flatmap(
    lambda size: st.sampled_from([size, -size])
)
factors = st.sampled_from([1.0, 0.9, 0.37])


def pair(sum_2: np.ndarray) -> Fraction:
    return Fraction(float(sum_2[0].item())) + Fraction(float(sum_2[1].item()))


@given(values=st.lists(sizes, min_size=1, max_size=12), factor=factors, data=st.data())
def test_a_value_can_be_taken_out_of_a_faded_sum(values, factor, data):
    total = np.zeros((1, 2, 1))
    wanted = Fraction(0)
    for value in values:
        total = arithmetic.add_faded(total, factor, np.array([1]), np.array([[value]]))
        wanted = wanted * Fraction(factor) + Fraction(value)
    largest = Fraction(max(map(abs, values)))
    assert abs(pair(total[0]) - wanted) <= len(values) * largest / 2**100
    n = data.draw(st.integers(0, len(values) - 1))
    times = len(values) - 1 - n if factor != 1.0 else 0
    left = arithmetic.take_out(total[0], factor, times, 0, np.array([values[n]]))
    wanted -= Fraction(values[n]) * Fraction(factor) ** times
    assert abs(pair(left) - wanted) <= 4 * len(values) * largest / 2**100


@given(value=sizes, other=sizes, factor=factors, times=st.integers(0, 9))
def test_fading_is_undone_by_unfading(value, other, factor, times):
    total = arithmetic.add_faded(np.zeros((1, 2, 1)), factor, np.array([0]), np.array([[value]]))
    later = arithmetic.add_faded(total, factor, np.array([times]), np.array([[other]]))
    unfade = times if factor != 1.0 else 0
    left = arithmetic.take_out(later[0], factor, 0, unfade, np.array([other]))
    tolerance = Fraction(max(abs(value), abs(other))) / Fraction(factor) ** times / 2**98
    assert abs(pair(left) - Fraction(value)) <= tolerance


def sums(h_TS: np.ndarray, y_TY: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    gram, cross = arithmetic.statistics(h_TS[None], y_TY[None])
    pairs = [np.stack([one, np.zeros_like(one)], axis=1) for one in (gram, cross)]
    return pairs[0], pairs[1]


def test_least_squares_minimises_what_it_says():
    draw = np.random.default_rng(3)
    h_TS, y_TY = draw.normal(size=(40, 9)), draw.normal(size=(40, 4))
    anchor = draw.normal(size=(4, 9))
    W_o = arithmetic.solve(*sums(h_TS, y_TY), anchor[None], 0.3)[0]
    slope = (W_o @ h_TS.T - y_TY.T) @ h_TS + 0.3 * (W_o - anchor)
    assert np.abs(slope).max() < 1e-12


def test_a_badly_conditioned_problem_is_solved_to_the_last_digits():
    draw = np.random.default_rng(4)
    h_TS = draw.normal(size=(60, 3)) @ draw.normal(size=(3, 9)) * 1e4
    h_TS += draw.normal(size=h_TS.shape) * 1e-1
    y_TY, anchor = draw.normal(size=(60, 4)), draw.normal(size=(4, 9))
    gram, cross = sums(h_TS, y_TY)
    W_o = arithmetic.solve(gram, cross, anchor[None], 0.1)[0]
    whole = np.zeros((9, 9))
    whole[np.tril_indices(9)] = gram[0, 0]
    whole += np.tril(whole, -1).T
    for y in range(4):
        for s in range(9):
            row = sum(Fraction(float(whole[s, k])) * Fraction(float(W_o[y, k])) for k in range(9))
            pull = Fraction(0.1) * (Fraction(float(anchor[y, s])) - Fraction(float(W_o[y, s])))
            miss = float(Fraction(float(cross[0, 0, y, s])) + pull - row)
            # The residual of the nearest doubles to the solution: half a digit of each W_o.
            assert abs(miss) <= 1e-15 * float(np.abs(whole[s]) @ np.abs(W_o[y])) + 1e-15


def test_without_data_the_readout_is_the_anchor_to_the_bit():
    anchor = np.random.default_rng(5).normal(size=(1, 4, 6))
    W_o = arithmetic.solve(np.zeros((1, 2, 21)), np.zeros((1, 2, 4, 6)), anchor, 0.1)
    assert np.array_equal(W_o, anchor)


def test_what_is_no_sum_of_squares_gives_nan():
    gram = np.zeros((1, 2, 21))
    gram[0, 0, 0] = -1.0
    W_o = arithmetic.solve(gram, np.ones((1, 2, 4, 6)), np.zeros((1, 4, 6)), 0.1)
    assert np.isnan(W_o).any()
