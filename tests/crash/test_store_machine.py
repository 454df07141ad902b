"""The store does what a list in memory does, whatever is done to it, and in whatever order."""

import pytest

from tests.crash.processes import outcomes

EXAMPLES, LONG_EXAMPLES, PARTS = 150, 5000, 2


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "examples",
    [EXAMPLES, pytest.param(LONG_EXAMPLES, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])],
)
def test_no_order_of_requests_and_faults_tells_the_store_from_a_list(tmp_path, examples):
    share = examples // PARTS
    commands = [f"machine FOLDER --examples {share} --seed {k}" for k in range(PARTS)]
    for came in outcomes(tmp_path, *commands):
        assert came["failure"] == ""
        assert came["examples"] >= share
        assert came["looks"] > 5 * share
