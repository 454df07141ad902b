import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.gate import reference_of
from benchmarks.gate_texts import load
from ttt.lib.text_stats import (
    REFERENCE_BYTES,
    REFERENCE_RATIO,
    deflate_ratio,
    measure_reference,
    reference_ratio,
    token_stats,
)


@given(st.lists(st.integers(-5, 9000), min_size=1, max_size=200))
def test_entropy_equals_its_definition(ids):
    stats = token_stats(np.array(ids))
    shares = [count / len(ids) for count in Counter(ids).values()]
    assert stats.entropy_bits == pytest.approx(-sum(p * math.log2(p) for p in shares), abs=1e-9)
    assert stats.diversity == len(set(ids)) / len(ids)
    assert stats.entropy_bits >= 0


def test_entropy_of_equally_frequent_tokens_is_the_logarithm_of_their_number():
    assert token_stats(np.tile(np.arange(8), 16)).entropy_bits == pytest.approx(3.0)
    assert token_stats(np.zeros(128, dtype=np.int32)).entropy_bits == 0.0


def test_an_empty_chunk_has_no_entropy_and_is_not_called_repetitive():
    stats = token_stats(np.array([], dtype=np.int64))
    assert (stats.tokens, stats.entropy_bits, stats.diversity) == (0, 0.0, 1.0)


def test_deflate_is_low_for_repetition_and_about_one_for_noise():
    assert deflate_ratio(b"spam " * 100) < 0.05
    assert deflate_ratio(random.Random(0).randbytes(500)) > 0.99
    assert deflate_ratio(b"") == 1.0


def test_the_stream_is_raw_without_header_and_checksum():
    # RFC 1951: one byte as a fixed-Huffman block takes 3 + 8 + 7 bits = 3 bytes; zlib adds 6.
    assert deflate_ratio(b"a") == 3.0


def test_the_reference_is_the_table_at_its_lengths_and_between_them_in_between():
    for length, ratio in zip(REFERENCE_BYTES, REFERENCE_RATIO, strict=True):
        assert reference_ratio(length) == pytest.approx(ratio)
    middle = reference_ratio(round(math.sqrt(128 * 256)))
    assert middle == pytest.approx((reference_ratio(128) + reference_ratio(256)) / 2, abs=2e-3)


@given(st.integers(0, 10**7))
def test_the_reference_never_leaves_the_table(length):
    assert min(REFERENCE_RATIO) <= reference_ratio(length) <= max(REFERENCE_RATIO)


def test_the_reference_falls_with_length():
    assert list(REFERENCE_RATIO) == sorted(REFERENCE_RATIO, reverse=True)


def test_relative_ratio_has_two_tails_around_ordinary_text():
    prose = (
        b"The harbour was quiet that morning, and the boats came in one after another with the "
        b"tide. On the quay the baskets were weighed, the prices chalked on a board, and nobody "
        b"hurried, because the train to the city would not leave before noon on a Saturday."
    )

    def relative(text: bytes) -> float:
        return deflate_ratio(text) / reference_ratio(len(text))

    assert 0.9 < relative(prose) < 1.2
    assert relative(b"buy now " * 60) < 0.2
    assert relative(random.Random(0).randbytes(500)) > 1.5


def test_the_reference_gives_each_class_equal_weight():
    noise = random.Random(0).randbytes(32 * 40)
    flat = b"a" * 32 * 4000
    table = measure_reference({"noise": [noise], "flat": [flat]})
    expected = (deflate_ratio(noise[:32]) + deflate_ratio(flat[:32])) / 2
    assert table[0] == pytest.approx(expected, abs=0.02)


@pytest.mark.usefixtures("data_dir")
def test_the_committed_reference_is_what_the_shared_texts_measure():
    # Another Python has another standard library, so its code class may move a little.
    assert reference_of(load("tune")) == pytest.approx(REFERENCE_RATIO, abs=0.02)
