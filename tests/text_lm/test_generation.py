"""Writing: the state is carried, one seed gives one text, and everything has its end."""

import math

import pytest
import torch

from ttt.core.base import Base
from ttt.core.model import ModelConfig, random_model
from ttt.core.starter import load_starter
from ttt.core.stepping import make_stepper
from ttt.core.tokens import EOS_ID
from ttt.errors import ConfigError, InputError, PredictionError
from ttt.text_lm.generation import READ_TOKENS, GenerationConfig, Writer, generate
from ttt.text_lm.sampling import Sampling
from ttt.text_lm.tokenizer import train_tokenizer

ENCODER = train_tokenizer(["The cat sat on the mat.\n" * 5], vocab_size=270)
PROMPT = ENCODER.encode("The cat")


@pytest.fixture(params=["gru", "ssm"])
def base(request) -> Base:
    config = ModelConfig(backbone=request.param, vocab_size=270, width=16, layers=2, hidden=24)
    return Base(name="x", model=random_model(config, seed=3), encoder=ENCODER, fisher=None)


def config(**given) -> GenerationConfig:
    sampling = Sampling(temperature=given.pop("temperature", 1.0), top_k=None)
    return GenerationConfig(sampling=sampling, **({"stop_ids": ()} | given))


def adapter(scale=0.3):
    return scale * torch.randn(16, 16, generator=torch.Generator().manual_seed(5))


def test_each_token_has_the_log_probability_that_the_whole_prefix_gives_it(base):
    tokens = list(generate(base, PROMPT, config(max_new_tokens=40), adapter_DD=adapter()))
    ids = [token.token_id for token in tokens]
    logits_BLV, _ = base.model(torch.tensor([PROMPT + ids]), adapter_DD=adapter())
    log_probs_LV = logits_BLV[0, len(PROMPT) - 1 : -1].log_softmax(dim=1)
    for place, token in enumerate(tokens):
        assert token.log_prob == pytest.approx(float(log_probs_LV[place, ids[place]]), abs=1e-4)


@pytest.mark.parametrize("backbone", ["gru", "ssm"])
def test_a_starter_model_writes_what_re_running_the_whole_prefix_writes(backbone):
    base = load_starter(backbone)
    prompt = base.encoder.encode("It was the best of times")
    greedy = GenerationConfig(sampling=Sampling(temperature=0.0), max_new_tokens=30, stop_ids=())
    ids = [token.token_id for token in generate(base, prompt, greedy)]
    whole = list(prompt)
    with torch.no_grad():
        for _ in range(30):
            logits_V = base.model(torch.tensor([whole]))[0][0, -1]
            logits_V[[0, 1, 3]] = -math.inf
            whole.append(int(logits_V.argmax()))
    assert ids == whole[len(prompt) :]


def test_the_prefix_is_read_once_however_long_the_text_becomes(base, monkeypatch):
    reads = []
    features = type(base.model).features

    def counted(self, tokens_BL, state_BNH=None):
        reads.append(tokens_BL.shape[1])
        return features(self, tokens_BL, state_BNH)

    monkeypatch.setattr(type(base.model), "features", counted)
    assert len(list(generate(base, PROMPT, config(max_new_tokens=50)))) == 50
    assert reads[0] == len(PROMPT)
    assert all(length == 1 for length in reads[1:])  # The naive stepper's; the compiled has none.


def test_text_can_be_gone_on_with_from_the_state(base):
    first = generate(base, PROMPT, config(max_new_tokens=7))
    ids = [token.token_id for token in first]
    _, end_BNH = base.model.features(torch.tensor([PROMPT + ids]))
    torch.testing.assert_close(first.state, end_BNH, rtol=1e-4, atol=1e-5)
    kept = first.state
    more = ENCODER.encode(" sat")
    resumed = generate(base, more, config(seed=4), state=first.state)
    at_once = generate(base, PROMPT + ids + more, config(seed=4))
    assert [t.token_id for t in resumed] == [t.token_id for t in at_once]
    assert torch.equal(first.state, kept)


def test_asking_for_the_state_on_the_way_changes_nothing(base):
    plain = [token.token_id for token in generate(base, PROMPT, config(max_new_tokens=9))]
    watched = generate(base, PROMPT, config(max_new_tokens=9))
    ids, states = [], []
    for token in watched:
        ids.append(token.token_id)
        states.append((watched.state, watched.state.clone()))
        torch.testing.assert_close(
            watched.state,
            base.model.features(torch.tensor([PROMPT + ids]))[1],
            rtol=1e-4,
            atol=1e-5,
        )
    assert ids == plain
    assert all(torch.equal(state, copy) for state, copy in states)


def test_one_seed_gives_one_text_and_another_another(base):
    one, same, other = (
        [token.token_id for token in generate(base, PROMPT, config(seed=seed))]
        for seed in (1, 1, 2)
    )
    assert one == same != other


def test_a_writer_writes_what_the_function_does(base):
    writer = Writer(base)
    for seed in (1, 2):
        expected = list(generate(base, PROMPT, config(seed=seed)))
        assert list(writer.generate(PROMPT, config(seed=seed))) == expected


def test_fast_weights_change_what_is_written_and_zero_ones_do_not(base):
    texts = [
        [token.token_id for token in generate(base, PROMPT, config(), adapter_DD=adapter_DD)]
        for adapter_DD in (None, torch.zeros(16, 16), adapter(2.0))
    ]
    assert texts[0] == texts[1] != texts[2]


def test_another_distribution_may_score_the_next_token(base):
    """A mixture of frozen base and fast weights, written as the reading guard would."""
    stepper = make_stepper(base.model)
    heads = (stepper.head(), stepper.head(adapter()))

    def mixture(features_D):
        return torch.stack([head(features_D).log_softmax(0) for head in heads]).logsumexp(0)

    tokens = list(generate(base, PROMPT, config(), next_token=mixture))
    ids = [token.token_id for token in tokens]
    parts = []
    for adapter_DD in (None, adapter()):
        logits_BLV, _ = base.model(torch.tensor([PROMPT + ids]), adapter_DD=adapter_DD)
        parts.append(logits_BLV[0, len(PROMPT) - 1 : -1].softmax(dim=1))
    mixed_LV = (0.5 * (parts[0] + parts[1])).log()
    for place, token in enumerate(tokens):
        assert token.log_prob == pytest.approx(float(mixed_LV[place, ids[place]]), abs=1e-4)
        # Whatever was learned, what is written has at least half the base's probability.
        assert token.log_prob >= float(parts[0][place, ids[place]].log()) - math.log(2) - 1e-4


def test_a_text_ends_at_its_length_and_says_so(base):
    tokens = list(generate(base, PROMPT, config(max_new_tokens=3)))
    assert [token.finish for token in tokens] == ["", "", "length"]
    assert next(generate(base, PROMPT, config(max_new_tokens=1))).finish == "length"


def always(*ids):
    """A distribution that is certain of one id after the other."""
    coming = iter(ids)

    def score(features_D):
        logits_V = torch.full((270,), -math.inf)
        logits_V[next(coming)] = 0.0
        return logits_V

    return score


def test_a_text_ends_with_its_document_and_at_any_stop_id(base):
    ids = ENCODER.encode("a b")
    tokens = list(generate(base, PROMPT, GenerationConfig(), next_token=always(*ids, EOS_ID)))
    assert "".join(token.text for token in tokens) == "a b"
    assert [token.finish for token in tokens] == [*([""] * len(ids)), "stop_id"]
    tokens = list(generate(base, PROMPT, config(stop_ids=(ids[1],)), next_token=always(*ids)))
    assert ("".join(token.text for token in tokens), tokens[-1].finish) == ("a", "stop_id")


def test_a_text_ends_before_a_stop_text_and_what_was_held_back_is_given_out(base):
    score = always(*ENCODER.encode("the dog ran"))
    tokens = list(generate(base, PROMPT, config(stop=(" ran", "zz")), next_token=score))
    assert "".join(token.text for token in tokens) == "the dog"
    assert tokens[-1].finish == "stop"
    held = ENCODER.encode("the z")
    tokens = list(
        generate(
            base, PROMPT, config(stop=("zz",), max_new_tokens=len(held)), next_token=always(*held)
        )
    )
    assert "".join(token.text for token in tokens) == "the z"
    assert tokens[-1].finish == "length"


def test_after_its_end_a_text_has_no_further_token(base):
    generation = generate(base, PROMPT, config(max_new_tokens=1))
    next(generation)
    assert list(generation) == []


def test_a_long_prompt_is_read_in_pieces_to_the_same_state(base):
    long = ENCODER.encode("The cat sat on the mat. " * 700)
    assert len(long) > READ_TOKENS
    generation = generate(base, long, config(max_new_tokens=1))
    _, end_BNH = base.model.features(torch.tensor([long]))
    torch.testing.assert_close(generation.state, end_BNH, rtol=1e-4, atol=1e-5)


def test_weights_that_are_not_finite_write_nothing(base):
    broken = adapter()
    broken[3, 4] = math.nan
    with pytest.raises(PredictionError, match="not finite"):
        next(generate(base, PROMPT, config(), adapter_DD=broken))


@pytest.mark.parametrize(
    ("prompt", "settings", "error", "words"),
    [
        ([], {}, InputError, "prompt is empty"),
        ([270], {}, InputError, r"0\.\.269, not 270"),
        ([-1], {}, InputError, "not -1"),
        ([5], {"stop_ids": (270,)}, ConfigError, r"stop id must lie in 0\.\.269, not 270"),
        ([5], {"max_new_tokens": 0}, ConfigError, "max_new_tokens must be at least 1, not 0"),
        ([5], {"stop": ("a", "")}, ConfigError, "stop text must not be empty"),
        ([5], {"sampling": Sampling(top_k=271)}, ConfigError, "at most the 270 ids"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(
    base, prompt, settings, error, words
):
    with pytest.raises(error, match=words):
        generate(base, prompt, GenerationConfig(**settings))


def test_fast_weights_and_a_distribution_are_not_both_taken(base):
    with pytest.raises(ConfigError, match="not both"):
        generate(base, PROMPT, config(), adapter_DD=adapter(), next_token=always(5))
