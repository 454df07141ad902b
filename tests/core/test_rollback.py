"""Both sides of every limit, and NaN on none of them."""

import math

import pytest

from ttt.core.rollback import Rise, RollbackConfig, rollback_verdict
from ttt.errors import ConfigError
from ttt.lib.stats import RobustHistory

QUIET = RobustHistory(values=tuple(0.001 * (-1) ** i for i in range(20)))
LIMITS = RollbackConfig(rise_nats_max=0.5, z_max=6.0, drift_nats_max=1.0)


@pytest.mark.parametrize(
    ("rise", "history", "reasons"),
    [
        (Rise(start=1.0, before=1.0, after=1.5), RobustHistory(), ()),
        (Rise(start=1.0, before=1.0, after=1.51), RobustHistory(), ("canary_rise",)),
        (Rise(start=1.0, before=1.0, after=1.2), QUIET, ("canary_z",)),
        (Rise(start=1.0, before=1.0, after=1.005), QUIET, ()),
        (Rise(start=1.0, before=1.9, after=2.0), RobustHistory(), ()),
        (Rise(start=1.0, before=1.9, after=2.01), RobustHistory(), ("drift_budget",)),
        (
            Rise(start=1.0, before=1.0, after=3.0),
            QUIET,
            ("canary_rise", "canary_z", "drift_budget"),
        ),
        (Rise(start=3.0, before=2.0, after=1.0), QUIET, ()),
    ],
)
def test_each_limit_has_two_sides(rise, history, reasons):
    verdict = rollback_verdict(rise, history, LIMITS)
    assert verdict.reasons == reasons
    assert verdict.allowed is not bool(reasons)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("enabled", [True, False])
def test_what_is_not_finite_is_over_every_limit(bad, enabled):
    config = RollbackConfig(enabled=enabled)
    verdict = rollback_verdict(Rise(start=1.0, before=1.0, after=bad), QUIET, config)
    assert not verdict.allowed
    assert ({"canary_rise", "drift_budget"} <= set(verdict.reasons)) is enabled
    assert not rollback_verdict(Rise(start=1.0, before=bad, after=1.0), QUIET, config).allowed


def test_a_damaging_rise_is_reported_even_when_nothing_judges_it():
    verdict = rollback_verdict(
        Rise(start=0.0, before=0.0, after=9.0), QUIET, RollbackConfig(enabled=False)
    )
    assert verdict.allowed
    assert verdict.readings["canary_delta"] == 9.0


@pytest.mark.parametrize("field", ["rise_nats_max", "z_max", "drift_nats_max", "z_floor_nats"])
@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_a_limit_outside_its_range_is_an_error(field, bad):
    with pytest.raises(ConfigError, match=field):
        RollbackConfig(**{field: bad})
