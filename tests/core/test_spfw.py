"""The write guard: whatever the step, the budget holds afterwards."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt.core.budget_search import Segment, course_of, rises_since, within_budget
from ttt.core.canaries import CanarySet, encode_canaries
from ttt.core.model import ModelConfig, random_model
from ttt.core.objective import AutoRegressive, Masked
from ttt.core.spfw import Anchor, StepGuide, into_ball, safe_step, set_back
from ttt.core.spfw_config import SpfwConfig
from ttt.errors import ConfigError

WIDTH = 16


class Letters:
    """A tokenizer for the tests: one id for each character."""

    vocab_size = 97

    def encode(self, text: str) -> list[int]:
        return [4 + ord(character) % 93 for character in text]

    def encode_with_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        return self.encode(text), [(i, i + 1) for i in range(len(text))]

    def decode(self, ids: list[int]) -> str:
        return "".join(chr(33 + token_id % 93) for token_id in ids)


TEXTS = ("the tide comes in twice a day", "def add(a, b): return a + b", "uno dos tres cuatro")


def canary_set(backbone: str, objective: str, scale: float = 12.0) -> CanarySet:
    config = ModelConfig(backbone=backbone, vocab_size=97, width=WIDTH, layers=1, hidden=16)
    model = random_model(config, seed=3)
    model.embed.weight.mul_(scale)
    return encode_canaries(
        TEXTS,
        model=model,
        encoder=Letters(),
        objective=AutoRegressive() if objective == "ar" else Masked(mask_probability=0.3),
    )


SETS = {(b, o): canary_set(b, o) for b in ("gru", "ssm") for o in ("ar", "mlm")}


def noise(seed: int) -> torch.Tensor:
    return torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=400)
@given(
    key=st.sampled_from(sorted(SETS)),
    seed=st.integers(0, 2**31),
    scales=st.lists(st.sampled_from([1e-4, 0.01, 0.1, 1.0, 30.0]), min_size=1, max_size=8),
    budget=st.sampled_from([0.0, 0.001, 0.05, 0.5]),
    limit=st.sampled_from([0.002, 0.1, 1.0]),
    shrink=st.sampled_from(["line", "radial"]),
    radius=st.sampled_from([None, 0.5]),
)
def test_after_every_commit_the_budget_holds(key, seed, scales, budget, limit, shrink, radius):
    probe = SETS[key]
    config = SpfwConfig(
        budget_nats=budget, canary_limit_nats=limit, shrink=shrink, ball_radius=radius
    )
    zero_DD = torch.zeros(WIDTH, WIDTH)
    anchor = Anchor(adapter_DD=zero_DD, reading=probe.read(zero_DD))
    adapter_DD, now = zero_DD, anchor.reading
    for i, scale in enumerate(scales):
        safe = safe_step(
            adapter_DD,
            scale * noise(seed + i),
            now=now,
            anchor=anchor,
            probe=probe,
            guide=StepGuide(config=config),
        )
        if safe.adapter_DD is None:
            assert safe.fraction == 0.0
            continue
        adapter_DD, now = safe.adapter_DD, safe.reading
        exact_C = probe.losses_float64(adapter_DD) - probe.losses_float64(zero_DD)
        assert float(exact_C.mean()) <= budget + 1e-4
        assert float(exact_C.max()) <= limit + 1e-4
        if radius is not None:
            assert float(adapter_DD.norm()) <= radius * (1 + 1e-6)


@pytest.mark.parametrize("key", sorted(SETS))
def test_earlier_learning_gives_way_only_where_that_keeps_more_of_the_step(key):
    probe, zero_DD = SETS[key], torch.zeros(WIDTH, WIDTH)
    anchor = Anchor(adapter_DD=zero_DD, reading=probe.read(zero_DD))
    here_DD, now, gave_way = zero_DD, anchor.reading, []
    for i in range(40):
        step_DD = 0.1 * noise(i)
        taken, kept = (
            safe_step(
                here_DD,
                step_DD,
                now=now,
                anchor=anchor,
                probe=probe,
                guide=StepGuide(config=SpfwConfig(give_way=share)),
            )
            for share in (0.05, 0.0)
        )
        if taken.gave_way:
            gave_way.append((taken.fraction, kept.fraction))
            back_DD = 0.95 * here_DD
            moved_DD = back_DD + taken.fraction * (here_DD + step_DD - here_DD)
            assert torch.allclose(taken.adapter_DD, moved_DD, atol=1e-5)
        if taken.adapter_DD is not None:
            here_DD, now = taken.adapter_DD, taken.reading
    assert gave_way, "nothing gave way"
    assert all(more > less for more, less in gave_way)


@pytest.mark.parametrize("key", sorted(SETS))
def test_what_giving_way_makes_room_for_is_foreseen(key):
    probe, zero_DD = SETS[key], torch.zeros(WIDTH, WIDTH)
    anchor = Anchor(adapter_DD=zero_DD, reading=probe.read(zero_DD))
    here_DD, step_DD = 0.2 * noise(1), 0.2 * noise(2)
    now, full = probe.read(here_DD), probe.read(here_DD + step_DD)
    course = course_of(now, full, anchor.reading)
    line = Segment(origin_DD=here_DD, origin=now, full=full, course=course)
    back = set_back(line, anchor, 0.05)
    assert torch.allclose(back.origin_DD, 0.95 * here_DD)
    before, expected = course.starts, back.course.starts
    mean, *each = rises_since(anchor.reading, back.origin)
    assert abs(expected[0] - mean) < 0.1 * abs(before[0] - mean)
    assert all(found <= bound + 1e-6 for found, bound in zip(each, expected[1:], strict=True))


def test_a_step_that_fits_is_taken_whole_and_one_that_does_not_is_shortened_not_refused():
    probe = SETS["gru", "ar"]
    zero_DD = torch.zeros(WIDTH, WIDTH)
    anchor = Anchor(adapter_DD=zero_DD, reading=probe.read(zero_DD))
    guide = StepGuide(config=SpfwConfig(budget_nats=0.05))

    def take(step_DD):
        return safe_step(
            zero_DD, step_DD, now=anchor.reading, anchor=anchor, probe=probe, guide=guide
        )

    small = take(1e-4 * noise(0))
    assert small.fraction == 1.0
    assert torch.equal(small.adapter_DD, 1e-4 * noise(0))
    large = take(3.0 * noise(0))
    assert 0.0 < large.fraction < 1.0
    used = float((large.reading.losses_C - anchor.reading.losses_C).mean())
    assert used > 0.6 * 0.05, "the search stops far below what the budget allows"


def test_radial_shrinking_scales_all_that_was_learned():
    probe = SETS["ssm", "ar"]
    zero_DD = torch.zeros(WIDTH, WIDTH)
    anchor = Anchor(adapter_DD=zero_DD, reading=probe.read(zero_DD))
    learned_DD, step_DD = 0.01 * noise(1), 3.0 * noise(2)
    safe = safe_step(
        learned_DD,
        step_DD,
        now=probe.read(learned_DD),
        anchor=anchor,
        probe=probe,
        guide=StepGuide(config=SpfwConfig(shrink="radial")),
    )
    assert 0.0 < safe.fraction < 1.0
    assert torch.allclose(safe.adapter_DD, safe.fraction * (learned_DD + step_DD), atol=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_never_within_the_budget(bad):
    probe = SETS["gru", "ar"]
    zero_DD = torch.zeros(WIDTH, WIDTH)
    anchor = Anchor(adapter_DD=zero_DD, reading=probe.read(zero_DD))
    step_DD = 0.001 * noise(0)
    step_DD[3, 4] = bad
    safe = safe_step(
        zero_DD,
        step_DD,
        now=anchor.reading,
        anchor=anchor,
        probe=probe,
        guide=StepGuide(config=SpfwConfig()),
    )
    assert safe.adapter_DD is None
    assert not within_budget(safe.reading, anchor.reading, SpfwConfig())


def test_a_step_the_cone_removes_entirely_is_suppressed():
    probe = SETS["ssm", "ar"]
    zero_DD = torch.zeros(WIDTH, WIDTH)
    anchor = Anchor(adapter_DD=zero_DD, reading=probe.read(zero_DD))
    single = encode_canaries(
        TEXTS[:1],
        model=random_model(
            ModelConfig(backbone="ssm", vocab_size=97, width=WIDTH, layers=1, hidden=16), seed=3
        ),
        encoder=Letters(),
        objective=AutoRegressive(),
    )
    uphill_DD = single.read(zero_DD).gradients_CDD()[0]
    guide = StepGuide(config=SpfwConfig(cone=True), projection=single)
    safe = safe_step(
        zero_DD, uphill_DD, now=anchor.reading, anchor=anchor, probe=probe, guide=guide
    )
    assert safe.suppressed
    assert safe.adapter_DD is None


def test_the_null_space_leaves_its_features_untouched_at_any_step_size():
    probe = SETS["gru", "ar"]
    basis_DR = probe.directions_DR(4)
    guide = StepGuide(config=SpfwConfig(null_space_rank=4), forbidden_DR=basis_DR)
    step_DD, _ = guide.project(100.0 * noise(6), torch.zeros(WIDTH, WIDTH))
    assert float((step_DD @ basis_DR).abs().max()) < 1e-3
    assert float(step_DD.norm()) > 100.0


def test_the_ball_is_exact():
    centre_DD, target_DD = noise(1), noise(1) + 5.0 * noise(2)
    inside_DD = into_ball(target_DD, centre_DD, 2.0)
    assert float((inside_DD - centre_DD).norm()) == pytest.approx(2.0, rel=1e-5)
    assert into_ball(target_DD, centre_DD, None) is target_DD
    assert into_ball(target_DD, centre_DD, 1e6) is target_DD


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget_nats": math.nan},
        {"budget_nats": -0.1},
        {"canary_limit_nats": math.inf},
        {"eps_cos": 1.0},
        {"stall_ratio": 0.0},
        {"ball_radius": 0.0},
        {"passes": 0},
        {"probes_max": 0},
    ],
)
def test_a_limit_outside_its_range_is_an_error(wrong):
    with pytest.raises(ConfigError):
        SpfwConfig(**wrong)
