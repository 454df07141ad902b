"""Numbers out of small tensors, compiled and by torch."""

import math

import pytest
import torch

from ttt.core.scalars import naive_numbers, numbers
from ttt.errors import ConfigError


def matrix(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(1,), (63, 60), (64, 64)], ids=str)
def test_means_and_products_are_right_to_double_precision(shape):
    a, b = matrix(0, *shape), matrix(1, *shape)
    wide = naive_numbers(means=[a.double()], products=[(a.double(), b.double())])
    assert numbers(means=[a], products=[(a, b)]) == pytest.approx(wide, rel=1e-12, abs=1e-12)


def test_a_transposed_matrix_keeps_its_places():
    a, b = matrix(0, 5, 7), matrix(1, 7, 5)
    (found,) = numbers(products=[(a, b.T)])
    assert found == pytest.approx(float((a.double() * b.T.double()).sum()), rel=1e-12)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_what_is_not_finite_stays_so(broken):
    a = matrix(0, 4, 40)
    a[2, 33] = broken
    assert not any(map(math.isfinite, numbers(means=[a], products=[(a, a)])))


def test_other_types_keep_their_precision():
    a = matrix(0, 3, 3).double()
    assert numbers(products=[(a, a)]) == pytest.approx([float((a * a).sum())], rel=1e-15)


def test_a_product_of_two_shapes_is_refused():
    with pytest.raises(ConfigError, match=r"\(2, 3\)"):
        numbers(products=[(matrix(0, 2, 3), matrix(0, 3, 2))])
