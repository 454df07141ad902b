"""One starter model, in miniature."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load

from ttt.core.fisher import split_fisher
from ttt.core.model import ModelConfig
from ttt.core.restore import restore_model
from ttt.core.tokens import BytePairs
from ttt.text_lm import evaluate
from ttt.text_lm.corpus import STDLIB
from ttt.text_lm.evaluate import held_out_losses
from ttt.text_lm.fit import FitConfig
from ttt.text_lm.starter_training import STDLIB_SHARE, Job, Recipe, mix_sources, train_starter
from ttt.text_lm.tokenizer import train_tokenizer

TEXTS = {
    "long": "the cat sat on the mat again " * 200,
    "short": "a dog ran " * 200,
    STDLIB: "Return the value. " * 200,
}
ENCODER = train_tokenizer(TEXTS.values(), vocab_size=280)
TINY = Recipe(
    backbone="gru",
    layers=1,
    width=8,
    hidden=8,
    fit=FitConfig(seq_len=8, batch_size=4, steps=5, seed=1),
)


@pytest.fixture
def job(monkeypatch):
    monkeypatch.setattr(evaluate, "FISHER_TOKENS_MIN", 1000)
    return Job(recipe=TINY, texts=TEXTS, tokenizer_json=ENCODER.json)


def test_documentation_has_its_share_and_books_theirs_by_length():
    mixture = mix_sources(TEXTS, ENCODER, 33)
    long, short, stdlib = mixture.shares
    assert stdlib == STDLIB_SHARE
    sizes = [source.training_tokens for source in mixture.sources]
    assert long / short == pytest.approx(sizes[0] / sizes[1])
    assert long + short + stdlib == pytest.approx(1.0)


def test_every_text_ends_with_the_token_that_says_so():
    for source, text in zip(mix_sources(TEXTS, ENCODER, 33).sources, TEXTS.values(), strict=True):
        assert source.tokens_T.tolist() == [*ENCODER.encode(text), 2]
        assert source.tokens_T.dtype == np.uint16


def test_weights_are_halves_and_the_recorded_losses_are_theirs(job):
    trained = train_starter(job)
    weights, fisher = split_fisher(load(trained.weights))
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    assert fisher.A_DD.dtype == fisher.G_DD.dtype == torch.float32
    figures = trained.figures
    model = restore_model(ModelConfig(**figures["config"]), weights)
    source = mix_sources(TEXTS, ENCODER, TINY.fit.segment_length).sources[0]
    again = held_out_losses(
        model, source.validation(24), BytePairs(job.tokenizer_json), mlm_length=TINY.fit.seq_len
    )
    assert figures["held_out"]["long"] == again
    assert figures["tokens_seen"] == 5 * 4 * 8
    assert figures["fisher_tokens"] >= 1000


def test_the_same_job_gives_the_same_bytes_and_another_seed_others(job):
    other = dataclasses.replace(TINY, fit=dataclasses.replace(TINY.fit, seed=2))
    first, second, third = (
        train_starter(one).weights for one in (job, job, dataclasses.replace(job, recipe=other))
    )
    assert first == second != third
