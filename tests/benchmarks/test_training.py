"""The training suite: its builds compute the same loss, so their times are those of one job."""

import pytest

from benchmarks import training, training_builds
from benchmarks.training_builds import BUILDS, OURS, fit_config, flops_per_step, started
from ttt.core import scan
from ttt.text_lm.fit import fit


@pytest.fixture
def small(monkeypatch):
    sizes = {"WIDTH": 16, "LAYERS": 2, "VOCABULARY": 300, "SEQ_LEN": 16, "BATCH": 2}
    for name, value in sizes.items():
        monkeypatch.setattr(training_builds, name, value)


@pytest.mark.parametrize("name", BUILDS)
def test_every_build_trains_the_same_model_on_the_same_windows(small, monkeypatch, name):
    losses = {}
    for one in (OURS, name):
        monkeypatch.setenv("TTT_SCAN", BUILDS[one].scan)
        scan.scan_path.cache_clear()
        losses[one] = []
        report = lambda done, kept=losses[one]: kept.append(done.loss) or len(kept) == 2  # noqa: E731
        fit(started(BUILDS[one]), fit_config(BUILDS[one]), report=report)
    scan.scan_path.cache_clear()
    assert losses[name] == pytest.approx(losses[OURS], rel=2e-2)
    assert losses[name][0] == pytest.approx(losses[OURS][0], rel=1e-3)


def test_a_row_holds_shares_and_ratios_of_the_same_round():
    flops = flops_per_step()
    product_s = 2 * training_builds.PEAK_SIDE**3 / 1e11
    steps = {OURS: [2 * flops / 1e11] * 3, "plain loop": [6 * flops / 1e11] * 3}
    row = training._row("plain loop", steps, [product_s] * 3)
    assert (row["share of peak"], row["x ours"], row["ratio at least"]) == ("17%", "3.00", "3.0")
    assert training._row(OURS, steps, [product_s] * 3)["share of peak"] == "50%"
