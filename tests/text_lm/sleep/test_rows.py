"""Rows side by side: padding changes nothing."""

import pytest
import torch

from ttt.core.tokens import BOS_ID
from ttt.monitors.setup import named_base
from ttt.text_lm.sleep.rows import examples_of, loss_of, rows_of

TEXTS = (
    "The river runs.",
    "In the evening the lights of the village could be seen from the windows of the house.",
    "Nobody had lived there for years, but the garden was still green.",
)


@pytest.fixture(scope="module", params=["starter-gru", "starter-ssm"])
def base(request, tmp_path_factory):
    return named_base(tmp_path_factory.mktemp("tree"), request.param)


def test_a_long_text_is_cut_into_rows_that_predict_every_token_once(base):
    ids = base.encoder.encode(TEXTS[1])
    rows = rows_of(TEXTS[1], base.encoder, seq_len=5)
    assert [one for row in rows for one in row[1:]] == ids
    assert {row[0] for row in rows} == {BOS_ID}
    assert max(len(row) for row in rows) == 6


def test_no_text_has_no_rows(base):
    assert rows_of("", base.encoder, seq_len=5) == []


def test_the_loss_of_rows_together_is_that_of_each_alone(base):
    each = [rows_of(text, base.encoder, seq_len=64)[0] for text in TEXTS]
    tokens = [len(row) - 1 for row in each]
    alone = [loss_of(base.model, [row]) for row in each]
    mean = sum(n * loss for n, loss in zip(tokens, alone, strict=True)) / sum(tokens)
    assert loss_of(base.model, each) == pytest.approx(mean, abs=1e-5)
    assert loss_of(base.model, each, batch_size=2) == pytest.approx(mean, abs=1e-5)


def test_fast_weights_are_read_through(base):
    rows = [rows_of(TEXTS[1], base.encoder, seq_len=64)[0]]
    width = base.model.config.width
    none_DD, some_DD = torch.zeros(width, width), 0.1 * torch.eye(width)
    assert loss_of(base.model, rows, adapter_DD=none_DD) == pytest.approx(loss_of(base.model, rows))
    assert loss_of(base.model, rows, adapter_DD=some_DD) != pytest.approx(loss_of(base.model, rows))


def test_only_what_stands_in_a_row_is_predicted():
    examples = examples_of([(1, 5, 6), (1, 7)])
    assert examples.targets_N.tolist() == [5, 6, 7]
    assert examples.positions_N.tolist() == [0, 1, 2]
    assert examples.inputs_BS.tolist() == [[1, 5], [1, 0]]
