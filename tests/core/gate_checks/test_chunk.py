import math

import numpy as np
import pytest

from ttt.core.gate_checks.chunk import CARRY_CHARS, ChunkText, GateConfig
from ttt.errors import ConfigError


@pytest.mark.parametrize("name", ["min_entropy_bits", "ood_loss_nats", "control_share"])
@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf])
def test_a_limit_that_could_never_refuse_is_an_error_which_names_it(name, bad):
    with pytest.raises(ConfigError, match=name):
        GateConfig(**{name: bad})


def test_a_share_over_one_is_an_error_and_one_is_not():
    assert GateConfig(min_diversity=1.0).min_diversity == 1.0
    with pytest.raises(ConfigError, match="share"):
        GateConfig(min_diversity=1.01)


def test_only_the_end_of_the_carry_is_used():
    chunk = ChunkText(text="now", carry="x" * 100 + "y", token_ids=np.arange(3))
    assert chunk.carried == "x" * (CARRY_CHARS - 1) + "y"
    assert chunk.views.text == chunk.carried + "now"


def test_token_ids_may_come_as_a_list():
    assert ChunkText(text="a b", token_ids=[1, 2]).tokens.entropy_bits == 1.0


def test_a_lone_surrogate_can_be_judged():
    chunk = ChunkText(text="a\ud800b", token_ids=np.arange(3))
    assert chunk.deflate_relative > 0
    assert chunk.charset.control_share > 0


@pytest.mark.parametrize(
    ("config", "reads"),
    [
        (GateConfig(), True),
        (GateConfig(text_chars_max=2), False),
        (GateConfig(enabled=False), False),
    ],
)
def test_reading_ahead_leaves_nothing_to_the_rules_and_reads_nothing_they_would_not(config, reads):
    chunk = ChunkText(text="a b", token_ids=[1, 2])
    chunk.read(config)
    known = chunk.__dict__.keys()
    readings = {"text_bytes", "tokens", "charset", "deflate_ratio", "deflate_relative", "overrides"}
    assert known >= readings if reads else known.isdisjoint(readings)
