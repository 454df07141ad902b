"""The plain loop is the monitor written down twice: the same readings, the same decisions."""

from dataclasses import replace

import pytest
import torch

from benchmarks.naive_loop import NaiveLoop, doubling_scan
from benchmarks.speed_cases import CANARY, random_base, readable_chunks
from ttt.core.objective import AutoRegressive
from ttt.core.rollback import RollbackConfig
from ttt.core.rules import Sgd
from ttt.core.scan import naive_scan
from ttt.guarded.system import SafetyConfig
from ttt.monitors.config import MonitorConfig
from ttt.monitors.gradient import Monitor


@pytest.mark.parametrize("length", [1, 2, 63])
def test_the_loop_free_scan_is_the_recurrence(length):
    generator = torch.Generator().manual_seed(0)
    a_BLD = torch.rand(2, length, 5, generator=generator)
    x_BLD = torch.randn(2, length, 5, generator=generator)
    s_BD = torch.randn(2, 5, generator=generator)
    for start in (None, s_BD):
        wanted = naive_scan(a_BLD, x_BLD, start)
        assert torch.allclose(doubling_scan(a_BLD, x_BLD, start), wanted, atol=1e-5)


@pytest.mark.parametrize("backbone", ["gru", "ssm"])
@pytest.mark.parametrize("influence", [True, False])
def test_the_plain_loop_and_the_monitor_agree_chunk_by_chunk(backbone, influence):
    base = random_base(backbone, vocab_size=512, width=16, hidden=24)
    base.model.embed.weight.mul_(6.0)
    chunks = readable_chunks(base, tokens=48)[:8]
    naive = NaiveLoop(base.model, base.encoder, CANARY, lr=0.5, influence=influence)
    config = MonitorConfig(
        objective_name="ar",
        objective=AutoRegressive(),
        rule=Sgd(lr=0.5),
        canary_texts=(CANARY,),
        safety=SafetyConfig(mode="gate_rollback", rollback=RollbackConfig()),
        read="adapted",
    )
    monitor = Monitor(base, config)
    outcomes = set()
    for chunk in [replace(chunks[0], starts_document=True), *chunks[1:]]:
        (ours,), plain = monitor.observe(chunk), naive.observe(chunk)
        assert plain.outcome == ours.outcome
        assert plain.loss == pytest.approx(ours.losses.read, abs=1e-4)
        assert plain.grad_norm == pytest.approx(ours.signals.grad_norm, rel=1e-3)
        assert plain.update_norm == pytest.approx(ours.signals.attempted_update_norm, rel=1e-3)
        assert plain.canary_before == pytest.approx(ours.canary.before, abs=1e-4)
        assert plain.canary_after == pytest.approx(ours.canary.after, abs=1e-4)
        assert plain.canary_grad_cos == pytest.approx(ours.signals.grad_canary_cos, abs=1e-3)
        assert plain.token_entropy == pytest.approx(ours.signals.token_entropy)
        assert len(plain.influence) == (10 if influence else 0)
        outcomes.add(plain.outcome)
    assert "committed" in outcomes
