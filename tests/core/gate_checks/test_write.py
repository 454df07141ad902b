import math

import pytest

from ttt.core.gate_checks.chunk import ChunkWrite, GateConfig
from ttt.core.gate_checks.write import ood_heavy_write

CONFIG = GateConfig(ood_loss_nats=8.0, ood_grad_norm=2.0)


def ruling(loss, norm):
    return ood_heavy_write(ChunkWrite(loss_nats=loss, grad_norm=norm), CONFIG)


def test_high_loss_and_high_gradient_together_are_refused():
    assert ruling(8.1, 2.1).reasons == ("ood_heavy_write",)


@pytest.mark.parametrize(("loss", "norm"), [(8.0, 9.0), (99.0, 2.0), (3.0, 0.5), (8.1, 0.0)])
def test_either_alone_and_the_limits_themselves_pass(loss, norm):
    assert ruling(loss, norm).allowed


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_refused_beside_a_harmless_one(bad):
    assert not ruling(bad, 0.1).allowed
    assert not ruling(0.1, bad).allowed
    assert "non_finite:loss_nats" in ruling(bad, 0.1).reasons
