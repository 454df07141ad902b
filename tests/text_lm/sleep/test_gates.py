"""The gates, both sides of each limit, and what they are measured on."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ttt.errors import CorruptArtifactError
from ttt.store.tensor_files import encode_arrays
from ttt.text_lm.sleep.gates import (
    GateLimits,
    HeldOut,
    Losses,
    decode_held_out,
    encode_held_out,
    gate_verdict,
)

BEFORE = Losses(core=3.0, memory=5.0, mixed=3.4, canary=4.0)
AFTER = Losses(core=3.0, memory=4.5, mixed=3.3, canary=4.0)
LIMITS = GateLimits(core_rise_max=0.25, canary_rise_max=0.5, core_ratio=0.8)
ROWS = HeldOut(core=((1, 5, 6), (1, 7)), memory=((1, 8, 9, 10),), canary=((1, 11),))


@pytest.mark.parametrize(
    ("changed", "reasons"),
    [
        ({}, ()),
        ({"core": 3.25}, ()),
        ({"core": 3.26}, ("core_rise",)),
        ({"core": math.nan}, ("core_rise", "non_finite:core_rise")),
        ({"mixed": 3.4}, ("mixed_not_lower",)),
        ({"mixed": 3.39}, ()),
        ({"canary": 4.5}, ()),
        ({"canary": 4.51}, ("canary_rise",)),
        ({"canary": math.inf}, ("canary_rise", "non_finite:canary_rise")),
        ({"core": 4.0, "mixed": 4.0}, ("core_rise", "mixed_not_lower")),
    ],
)
def test_a_candidate_fails_by_every_gate_it_fails(changed, reasons):
    verdict = gate_verdict(BEFORE, replace(AFTER, **changed), LIMITS)
    assert verdict.reasons == reasons
    assert verdict.allowed == (not reasons)


def test_held_out_rows_come_back():
    data = encode_held_out(ROWS)
    assert decode_held_out(data, where="here", vocab_size=12) == ROWS


def test_rows_outside_of_the_vocabulary_are_refused():
    with pytest.raises(CorruptArtifactError, match="vocabulary of 11"):
        decode_held_out(encode_held_out(ROWS), where="here", vocab_size=11)


@pytest.mark.parametrize("lengths", [[], [1, 5], [3, 3]])
def test_rows_that_do_not_add_up_are_refused(lengths):
    arrays = {
        f"{name}.{part}": np.array([1, 2, 3, 4, 5] if part == "ids" else lengths, np.int64)
        for name in ("core", "memory", "canary")
        for part in ("ids", "lengths")
    }
    with pytest.raises(CorruptArtifactError, match="add up"):
        decode_held_out(encode_arrays(arrays), where="here", vocab_size=12)


def test_a_file_without_rows_is_refused():
    with pytest.raises(CorruptArtifactError, match="no held-out rows"):
        decode_held_out(encode_arrays({"x": np.zeros(1)}), where="here", vocab_size=12)
