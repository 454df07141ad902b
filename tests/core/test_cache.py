"""The neural cache: certified cost, exact forgetting."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ttt.core import cache as module
from ttt.core.cache import CacheConfig, NeuralCache, blend, cache_block, unit
from ttt.core.closed_form import Batch
from ttt.errors import ConfigError


def some_batch(rows: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        features_ND=torch.randn(rows, 8, generator=generator),
        targets_N=torch.randint(0, 11, (rows,), generator=generator),
    )


def filled(chunks: int) -> NeuralCache:
    cache = NeuralCache()
    for chunk in range(chunks):
        cache = cache.remember(cache_block(some_batch(6, chunk), chunk=chunk), rows_max=1000)
    return cache


@pytest.mark.parametrize("shape", [(7,), (5, 128)])
def test_a_unit_vector_is_that_of_the_library_to_the_bit(shape):
    features = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for each in (features, 0.0 * features, 1e-20 * features):
        assert torch.equal(unit(each), torch.nn.functional.normalize(each, dim=-1))


def test_it_equals_the_definition():
    cache, batch = filled(3), some_batch(5, 99)
    answers_N = cache.log_probabilities(batch, sharpness=7.0)
    for feature_D, target, answer in zip(
        batch.features_ND, batch.targets_N, answers_N, strict=True
    ):
        scores_M = torch.tensor(
            [7.0 * torch.cosine_similarity(feature_D, key_D, dim=0) for key_D in cache.keys_MD]
        )
        share = scores_M.softmax(0)[cache.values_M == target].sum()
        assert answer.exp() == pytest.approx(float(share), abs=1e-6)


def test_forgetting_a_chunk_equals_never_having_seen_it():
    batch = some_batch(5, 99)
    cache = NeuralCache()
    for chunk in (0, 2, 3):
        cache = cache.remember(cache_block(some_batch(6, chunk), chunk=chunk), rows_max=1000)
    forgotten = filled(4).forget(1)
    assert forgotten.digest == cache.digest
    assert torch.equal(
        forgotten.log_probabilities(batch, sharpness=7.0),
        cache.log_probabilities(batch, sharpness=7.0),
    )
    assert forgotten.digest != filled(4).digest


def test_rows_that_fill_the_keys_up_are_no_keys(monkeypatch):
    batch, plain = some_batch(5, 99), filled(4)
    monkeypatch.setattr(module, "lacking", lambda count, unit: 3)
    more = NeuralCache(plain.blocks)
    assert torch.equal(more.keys_MD, plain.keys_MD)
    assert len(more) == len(plain)
    torch.testing.assert_close(
        more.log_probabilities(batch, sharpness=7.0), plain.log_probabilities(batch, sharpness=7.0)
    )


def test_the_oldest_chunks_make_room():
    cache = filled(2).remember(cache_block(some_batch(6, 9), chunk=9), rows_max=12)
    assert [block.chunk for block in cache.blocks] == [1, 9]
    tiny = filled(2).remember(cache_block(some_batch(6, 9), chunk=9), rows_max=1)
    assert [block.chunk for block in tiny.blocks] == [9]


@given(
    st.lists(st.floats(-40, 0), min_size=1, max_size=9),
    st.floats(0, 0.9),
    st.sampled_from([-math.inf, -50.0, -1.0, 0.0]),
)
def test_the_cache_never_costs_more_than_its_certificate(model_log_probs, weight, cached):
    config = CacheConfig(weight=weight)
    model_N = torch.tensor(model_log_probs, dtype=torch.float64)
    blended_N = blend(model_N, torch.full_like(model_N, cached), config.weight)
    assert bool((blended_N >= model_N - config.certified_nats - 1e-9).all())


@pytest.mark.parametrize("weight", [-0.1, 1.0, math.nan])
def test_a_weight_outside_its_range_is_an_error(weight):
    with pytest.raises(ConfigError, match="cache_lambda"):
        CacheConfig(weight=weight)
