"""bfloat16 as bits: read and rounded as torch does it, for every number there is."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ttt.core.scan import scan_path

pytestmark = pytest.mark.skipif(scan_path() != "numba", reason="numba cannot run here")


def written(numbers: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    from ttt.core.half_numba import bits_of, shift_of, write

    out = torch.zeros(numbers.shape, dtype=dtype)
    write(numbers.numpy(), shift_of(out), bits_of(out))
    return out


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.equal(one.isnan(), other.isnan()) and torch.equal(
        one[~one.isnan()].view(torch.int16 if one.dtype == torch.bfloat16 else torch.int32),
        other[~other.isnan()].view(torch.int16 if one.dtype == torch.bfloat16 else torch.int32),
    )


def test_every_bfloat16_is_read_as_it_is():
    from ttt.core.half_numba import bits_of, read, shift_of

    every = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.bfloat16)
    row = np.empty(2**16, np.float32)
    read(bits_of(every), shift_of(every), row)
    assert same(torch.from_numpy(row), every.float())


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50))
def test_any_bits_are_rounded_as_torch_rounds_them(bits):
    numbers = torch.from_numpy(np.array(bits, np.uint32).view(np.float32).copy())
    assert same(written(numbers, torch.bfloat16), numbers.bfloat16())
    assert same(written(numbers, torch.float32), numbers)


def test_ties_go_to_even_and_what_is_too_large_to_infinity():
    odd, even = 0x3F818000, 0x3F808000  # Halfway above an odd and above an even number.
    largest = 0x7F7FFFFF
    numbers = torch.tensor([odd, even, largest], dtype=torch.int32).view(torch.float32)
    found = written(numbers, torch.bfloat16).view(torch.int16).tolist()
    assert found == [0x3F82, 0x3F80, 0x7F80]
