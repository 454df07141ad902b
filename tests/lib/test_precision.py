"""Half precision is chosen by what the processor is, and only where that is known."""

import pytest
import torch

from ttt.lib.precision import half_pays


@pytest.fixture(autouse=True)
def asked_anew():
    half_pays.cache_clear()
    yield
    half_pays.cache_clear()


@pytest.mark.parametrize("question", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_a_processor_with_one_of_the_instructions_has_it(monkeypatch, question):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert not half_pays("cpu")
    half_pays.cache_clear()
    monkeypatch.setattr(torch.cpu, question, lambda: True)
    assert half_pays("cpu")


def test_a_torch_that_no_longer_answers_means_single_precision(monkeypatch):
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, question, raising=False)
    assert not half_pays("cpu")


def test_a_device_that_nobody_has_measured_keeps_single_precision():
    assert not half_pays("mps")
