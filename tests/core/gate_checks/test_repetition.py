import numpy as np
import pytest

from ttt.core.gate_checks.chunk import ChunkText, GateConfig
from ttt.core.gate_checks.repetition import low_diversity, low_entropy

CONFIG = GateConfig()
PROSE = (
    "The harbour was quiet that morning, and the boats came in one after another with the tide. "
    "On the quay the baskets were weighed, the prices chalked on a board, and nobody hurried."
)


def chunk(ids, text=PROSE):
    return ChunkText(text=text, token_ids=np.array(ids, dtype=np.int64))


def test_one_token_repeated_has_low_entropy():
    verdict = low_entropy(chunk([7] * 128), CONFIG)
    assert verdict.reasons == ("low_entropy",)
    assert verdict.readings["token_entropy"] == 0


def test_the_entropy_limit_itself_passes():
    assert low_entropy(chunk([1, 2] * 64), CONFIG).allowed
    assert not low_entropy(chunk([1, 2] * 63 + [1, 1]), CONFIG).allowed


@pytest.mark.parametrize("ids", [[], [5], [1, 2], [1, 2, 3, 1]])
def test_a_short_message_is_not_blamed_for_being_short(ids):
    assert low_entropy(chunk(ids), CONFIG).allowed


def test_a_short_message_that_only_repeats_is_blamed():
    assert not low_entropy(chunk([5, 5, 5, 5]), CONFIG).allowed


def test_diversity_is_held_to_its_limit_on_both_sides():
    limit = GateConfig(min_diversity=0.1)
    assert low_diversity(chunk([i % 13 for i in range(130)]), limit).allowed
    verdict = low_diversity(chunk([i % 12 for i in range(130)]), limit)
    assert verdict.reasons == ("low_diversity",)
    assert verdict.readings["token_diversity"] == pytest.approx(12 / 130)


def test_a_phrase_repeated_is_seen_though_its_tokens_are_many():
    phrase = "buy our blue pills before night falls and call this number now, today. "
    verdict = low_diversity(chunk(range(128), text=phrase * 7), CONFIG)
    assert verdict.reasons == ("low_diversity",)
    assert low_diversity(chunk(range(128)), CONFIG).allowed
