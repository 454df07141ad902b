"""Compiled loops: what they may and may not do to arithmetic, and life without a cache folder."""

import math

import numba
import numpy as np
import pytest
from numba.core import codegen, config

from ttt.lib.compiled import (
    _use_wide_vectors,
    can_compile,
    compiled,
    compiled_exactly,
    compiled_sum,
)

LOOP = (
    "def square(values, out):\n    for i in range(values.size):\n        out[i] = values[i] ** 2\n"
)


@pytest.fixture(autouse=True)
def fresh_cache(monkeypatch, tmp_path):
    """Machine code of an earlier run was compiled with the options of that run."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def double(values, out):
    for i in range(values.size):
        out[i] = 2.0 * values[i]


def difference_of_large(values, out):
    for i in range(values.size):
        out[i] = (values[i] + 1e20) - 1e20


def reciprocal(values, out):
    for i in range(values.size):
        out[i] = 1.0 / values[i]


def run(function, *values):
    source = np.array(values)
    out = np.empty_like(source)
    compiled(function)(source, out)
    return out


def test_numba_is_there():
    assert can_compile()


def test_a_compiled_loop_computes_what_it_says():
    assert run(double, 1.5, -2.0).tolist() == [3.0, -4.0]


def test_nan_and_infinity_pass_through():
    assert np.array_equal(run(double, np.nan, np.inf, -np.inf), [np.nan, np.inf, -np.inf], True)


@pytest.mark.parametrize(
    ("has", "given", "used"),
    [
        ("+avx2,+avx512vl", None, "+avx2,+avx512vl,-prefer-256-bit"),
        ("+avx2,-avx512vl", None, None),
        ("+avx2,+avx512vl", "+avx2", "+avx2"),
    ],
)
def test_vectors_are_as_wide_as_the_processor_has_them(has, given, used, monkeypatch):
    monkeypatch.setattr(codegen, "get_host_cpu_features", lambda: has)
    monkeypatch.setattr(config, "CPU_FEATURES", given)
    _use_wide_vectors.__wrapped__()
    assert vars(config)["CPU_FEATURES"] == used


def test_sums_are_not_reordered():
    assert run(difference_of_large, 1.0).tolist() == [0.0]


def added(values, out):
    total = 0.0
    for value in values:
        total += value
    out[0] = total


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_sum_in_any_order_is_right_to_rounding_and_keeps_what_is_not_finite(broken):
    values, out = np.random.default_rng(0).normal(size=1001), np.empty(1)
    compiled_sum(added)(values, out)
    assert out[0] == pytest.approx(math.fsum(values), rel=1e-12)
    values[500] = broken
    compiled_sum(added)(values, out)
    assert not np.isfinite(out[0])


def rounding_error_of_a_square(values, out):
    for i in range(values.size):
        out[i] = values[i] * values[i] - 1.0


def test_an_exactly_compiled_loop_rounds_every_operation():
    value = 1.0 + 2.0**-53 * 2  # Its square is 1 + 2^-51 + 2^-104, which no double holds.
    source, out = np.array([value]), np.empty(1)
    compiled_exactly(rounding_error_of_a_square)(source, out)
    assert out[0] == 2.0**-51


def test_a_division_by_zero_gives_infinity():
    assert run(reciprocal, 0.0, -0.0).tolist() == [np.inf, -np.inf]


def test_machine_code_is_kept_where_the_environment_says(fresh_cache):
    run(double, 1.0)
    assert list(fresh_cache.rglob("*.nbc"))


def test_a_wrapper_around_the_loop_is_looked_through():
    def wrapper(*arguments):
        pytest.fail("the wrapper was compiled or called")

    wrapper.__wrapped__ = double
    assert run(wrapper, 4.0).tolist() == [8.0]


def test_a_loop_with_no_place_for_its_machine_code_still_compiles():
    namespace = {}
    exec(compile(LOOP, "<nowhere>", "exec"), namespace)
    assert run(namespace["square"], 3.0).tolist() == [9.0]
