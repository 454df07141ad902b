"""Muon against torch.optim.Muon, against a singular value decomposition, and at its edges."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ttt.errors import ConfigError
from ttt.optim import muon as module
from ttt.optim.muon import Muon, muon_step, newton_schulz
from ttt.optim.muon_config import QUINTIC, MuonConfig

SHAPES = [(1, 1), (1, 9), (9, 1), (6, 6), (16, 60), (63, 16), (64, 64)]
STEPS = 6


def matrix(*shape, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def relative(got, wanted):
    got, wanted = got.detach().double(), wanted.detach().double()
    return float((got - wanted).norm() / wanted.norm())


# --- Newton-Schulz --------------------------------------------------------------------------------


def by_decomposition(g_NM, steps):
    """The same quintic on the singular values of `g / |g|`, one by one."""
    u, s, v = torch.linalg.svd(g_NM / g_NM.norm(), full_matrices=False)
    a, b, c = QUINTIC
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    return u @ torch.diag(s) @ v


@pytest.mark.parametrize("steps", [1, 5, 7])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_iteration_acts_on_singular_values_alone(shape, steps):
    g_NM = matrix(*shape, dtype=torch.float64)
    assert relative(newton_schulz(g_NM, steps), by_decomposition(g_NM, steps)) <= 1e-10
    assert relative(newton_schulz(g_NM.float(), steps), by_decomposition(g_NM, steps)) <= 1e-4


@pytest.mark.parametrize("shape", [(6, 6), (16, 60), (64, 20)], ids=str)
def test_singular_values_end_near_one(shape):
    left, _, right = torch.linalg.svd(matrix(*shape), full_matrices=False)
    spread = torch.linspace(0.05, 1.0, min(shape))
    values = torch.linalg.svdvals(newton_schulz(left @ torch.diag(spread) @ right))
    assert float(values.min()) >= 0.65
    assert float(values.max()) <= 1.3


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (8, 8)], ids=str)
def test_a_stack_equals_its_matrices_one_by_one(shape):
    stack = matrix(2, 3, *shape)
    got = newton_schulz(stack)
    assert got.shape == stack.shape
    for i in range(2):
        for j in range(3):
            assert relative(got[i, j], newton_schulz(stack[i, j])) <= 1e-5


def test_a_transposed_matrix_gives_the_transposed_result():
    g_NM = matrix(7, 19, dtype=torch.float64)
    assert relative(newton_schulz(g_NM.mT), newton_schulz(g_NM).mT) <= 1e-12


def test_the_argument_is_left_alone_even_in_the_type_of_the_iteration():
    # torch.optim.Muon divides a bfloat16 argument in place, and with it its momentum.
    g_NM = matrix(300, 260, dtype=torch.bfloat16)
    before = g_NM.clone()
    newton_schulz(g_NM, dtype=torch.bfloat16)
    assert torch.equal(g_NM, before)


def test_bfloat16_stays_close_to_float32():
    g_NM = matrix(256, 300)
    half = newton_schulz(g_NM, dtype=torch.bfloat16)
    assert half.dtype == torch.float32
    assert relative(half, newton_schulz(g_NM)) <= 3e-2
    assert not torch.equal(half, newton_schulz(g_NM))


@given(exponent=st.integers(-6, 36))
def test_the_size_of_the_gradient_does_not_matter(exponent):
    # Up to where the plain Frobenius norm would overflow float32 and beyond.
    g_NM = matrix(9, 5)
    assert relative(newton_schulz(g_NM * 10.0**exponent), newton_schulz(g_NM)) <= 1e-4


def test_a_zero_gradient_gives_a_zero_step():
    assert torch.equal(newton_schulz(torch.zeros(2, 4, 6)), torch.zeros(2, 4, 6))


def test_a_vanishing_gradient_is_not_blown_up_to_full_size():
    step = newton_schulz(torch.full((4, 4), 1e-12))
    assert step.isfinite().all()
    assert float(step.norm()) <= 0.05


@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_never_cleaned_away(poison):
    stack = matrix(3, 6, 4)
    stack[1, 2, 3] = poison
    got = newton_schulz(stack)
    assert got[1].isnan().all()
    assert got[[0, 2]].isfinite().all()


def test_a_vector_is_refused_with_its_shape():
    # Below the run-time shape check of the tests, which production does not have.
    with pytest.raises(ConfigError, match=r"\(5,\)"):
        newton_schulz.__wrapped__(torch.ones(5))


# --- one step -------------------------------------------------------------------------------------


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_momentum_follows_one_formula_for_every_shape(shape, nesterov):
    config = MuonConfig(momentum=0.7, nesterov=nesterov, adjust_lr="none")
    buffer = torch.zeros(shape)
    wanted = torch.zeros(shape)
    for seed in range(4):
        g = matrix(*shape, seed=seed)
        wanted = 0.7 * wanted + g
        ahead = g + 0.7 * wanted if nesterov else wanted
        update, buffer = muon_step(g, buffer, config=config)
        assert torch.allclose(buffer, wanted, rtol=1e-6, atol=1e-6)
        assert relative(update, newton_schulz(ahead)) <= 1e-4


def test_a_step_changes_none_of_its_arguments_and_shares_no_memory():
    g, buffer = matrix(5, 7), torch.zeros(5, 7)
    copy = g.clone()
    update, new = muon_step(g, buffer, config=MuonConfig(momentum=0.0))
    update.zero_()
    new.zero_()
    assert torch.equal(g, copy)
    assert torch.equal(buffer, torch.zeros(5, 7))


@pytest.mark.parametrize(
    ("name", "shape", "factor"),
    [
        ("none", (8, 2), 1.0),
        ("none", (2, 8), 1.0),
        ("original", (8, 2), 2.0),
        ("original", (2, 8), 1.0),
        ("match_rms_adamw", (16, 4), 0.8),
        ("match_rms_adamw", (4, 16), 0.8),
    ],
)
def test_the_shape_changes_the_rate_as_stated_and_nothing_else(name, shape, factor):
    g = matrix(*shape)
    update, _ = muon_step(g, torch.zeros(shape), config=MuonConfig(adjust_lr=name))
    assert relative(update, factor * newton_schulz(g)) <= 1e-5


def test_matching_adamw_gives_the_root_mean_square_it_is_named_for():
    config = MuonConfig(adjust_lr="match_rms_adamw")
    for shape in ((40, 40), (30, 90), (90, 30)):
        update, _ = muon_step(matrix(*shape), torch.zeros(shape), config=config)
        assert 0.14 <= float(update.square().mean().sqrt()) <= 0.26


@pytest.mark.parametrize(
    "wrong",
    [
        {"lr": -0.1},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"momentum": 1.0},
        {"momentum": -0.1},
        {"momentum": float("nan")},
        {"weight_decay": -1.0},
        {"weight_decay": float("nan")},
        {"ns_steps": 0},
        {"ns_steps": 101},
        {"adjust_lr": "auto"},
    ],
    ids=str,
)
def test_a_setting_outside_its_range_is_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Muon([torch.nn.Parameter(torch.ones(2, 2))], **wrong)


def test_the_ends_of_the_ranges_are_allowed():
    MuonConfig(lr=0.0, momentum=0.0, weight_decay=0.0, ns_steps=1)
    MuonConfig(momentum=0.999, ns_steps=100, adjust_lr="none")


# --- the optimizer --------------------------------------------------------------------------------


def parameters(shapes, *, dtype=torch.float32):
    weights = [matrix(*shape, seed=9 + i, dtype=dtype) for i, shape in enumerate(shapes)]
    return [torch.nn.Parameter(weight) for weight in weights]


def descend(optimizer, weights, *, steps=STEPS, start=0):
    """Give every parameter a fixed gradient sequence."""
    for step in range(start, start + steps):
        for i, weight in enumerate(weights):
            weight.grad = matrix(*weight.shape, seed=100 * step + i, dtype=weight.dtype)
        optimizer.step()


needs_oracle = pytest.mark.skipif(
    not hasattr(torch.optim, "Muon"), reason="this torch has no Muon to compare with"
)


@needs_oracle
@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
@pytest.mark.parametrize("momentum", [0.95, 0.5, 0.0])
def test_several_steps_equal_those_of_torch(momentum, adjust):
    # torch keeps (1 - momentum) times our buffer, and the iteration divides that factor out. It
    # iterates in bfloat16 whatever the size, hence the tolerance of the weights.
    shapes = [(6, 6), (16, 60), (63, 16), (16, 60), (256, 260)]
    ours, theirs = parameters(shapes), parameters(shapes)
    starts = [weight.detach().clone() for weight in ours]
    common = {"lr": 0.03, "momentum": momentum, "weight_decay": 0.1, "nesterov": True}
    mine = Muon(ours, adjust_lr=adjust, **common)
    oracle = torch.optim.Muon(theirs, adjust_lr_fn=adjust, **common)
    descend(mine, ours)
    descend(oracle, theirs)
    for our, their, start in zip(ours, theirs, starts, strict=True):
        kept = (1.0 - momentum) * mine.state[our]["momentum_buffer"]
        assert relative(kept, oracle.state[their]["momentum_buffer"]) <= 1e-6
        assert relative(our - start, their - start) <= 3e-2


def test_the_optimizer_takes_the_steps_of_the_function():
    shapes = [(6, 6), (16, 60), (6, 6), (60, 16)]
    config = MuonConfig(lr=0.03, momentum=0.8, weight_decay=0.2)
    weights = parameters(shapes)
    optimizer = Muon(weights, lr=0.03, momentum=0.8, weight_decay=0.2)
    wanted = [weight.detach().clone() for weight in weights]
    buffers = [torch.zeros(shape) for shape in shapes]
    for step in range(STEPS):
        descend(optimizer, weights, steps=1, start=step)
        for i, weight in enumerate(weights):
            update, buffers[i] = muon_step(weight.grad, buffers[i], config=config)
            wanted[i] = (1.0 - 0.03 * 0.2) * wanted[i] - 0.03 * update
    for weight, expected in zip(weights, wanted, strict=True):
        assert relative(weight, expected) <= 1e-5


def test_decay_uses_the_plain_rate_whatever_the_adjustment():
    weight = torch.nn.Parameter(torch.ones(8, 2))
    weight.grad = torch.zeros(8, 2)
    Muon([weight], lr=0.1, weight_decay=0.5, adjust_lr="original").step()
    assert torch.allclose(weight, torch.full((8, 2), 0.95))


@pytest.mark.parametrize("pays", [True, False])
def test_only_large_matrices_iterate_in_bfloat16_where_it_is_fast(monkeypatch, pays):
    monkeypatch.setattr(module, "half_pays", lambda device_type: pays)

    def step_of(shape, dtype):
        weight = torch.nn.Parameter(torch.zeros(shape, dtype=dtype))
        weight.grad = matrix(*shape, dtype=dtype)
        Muon([weight], lr=1.0, adjust_lr="none").step()
        return -weight.detach(), weight.grad

    small, gradient = step_of((255, 256), torch.float32)
    assert relative(small, newton_schulz(gradient)) <= 1e-5
    large, gradient = step_of((256, 256), torch.float32)
    kind = torch.bfloat16 if pays else torch.float32
    assert relative(large, newton_schulz(gradient, dtype=kind)) <= 1e-5
    double, gradient = step_of((256, 256), torch.float64)
    assert relative(double, newton_schulz(gradient)) <= 1e-12


@pytest.mark.parametrize("nesterov", [True, False])
def test_bfloat16_parameters_keep_their_momentum(nesterov):
    shape = (256, 256)
    weight = parameters([shape], dtype=torch.bfloat16)[0]
    weight.grad = 8.0 * matrix(*shape, dtype=torch.bfloat16)
    optimizer = Muon([weight], momentum=0.5, nesterov=nesterov)
    optimizer.step()
    assert relative(optimizer.state[weight]["momentum_buffer"], weight.grad) <= 1e-2


def test_a_resumed_optimizer_goes_on_bit_for_bit():
    shapes = [(6, 6), (16, 60)]
    whole, first = parameters(shapes), parameters(shapes)
    descend(Muon(whole), whole, steps=6)
    before = Muon(first)
    descend(before, first, steps=3)
    second = [torch.nn.Parameter(weight.detach().clone()) for weight in first]
    resumed = Muon(second)
    resumed.load_state_dict(before.state_dict())
    descend(resumed, second, steps=3, start=3)
    assert all(torch.equal(w, s) for w, s in zip(whole, second, strict=True))


def test_groups_have_their_own_settings_and_schedules_may_write_the_rate():
    still, moving = parameters([(4, 4), (4, 4)])
    optimizer = Muon([{"params": [still], "lr": 0.0}, {"params": [moving]}], lr=0.5)
    before = [still.detach().clone(), moving.detach().clone()]
    descend(optimizer, [still, moving], steps=1)
    assert torch.equal(still, before[0])
    assert not torch.equal(moving, before[1])
    optimizer.param_groups[1]["lr"] = float("nan")
    with pytest.raises(ConfigError, match="lr"):
        optimizer.step()


def test_a_parameter_without_a_gradient_stays():
    first, second = parameters([(4, 4), (4, 4)])
    second_before = second.detach().clone()
    first.grad = matrix(4, 4)
    Muon([first, second], weight_decay=0.5).step()
    assert torch.equal(second, second_before)


def test_a_gradient_that_is_not_finite_shows_in_its_own_matrix_only():
    broken, sound = parameters([(4, 4), (4, 4)])
    broken.grad, sound.grad = matrix(4, 4), matrix(4, 4)
    broken.grad[0, 0] = torch.nan
    Muon([broken, sound]).step()
    assert broken.isnan().all()
    assert sound.isfinite().all()


@pytest.mark.parametrize("shape", [(5,), (), (2, 3, 4)], ids=str)
def test_other_than_matrices_are_refused_with_their_shape(shape):
    good, bad = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(shape))
    with pytest.raises(ConfigError) as caught:
        Muon([good, bad])
    assert str(shape) in str(caught.value)
    optimizer = Muon([good])
    with pytest.raises(ConfigError):
        optimizer.add_param_group({"params": [bad]})
    assert len(optimizer.param_groups) == 1


def test_a_closure_is_evaluated_with_gradients_and_its_loss_returned():
    weight = torch.nn.Parameter(torch.eye(3))
    optimizer = Muon([weight], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return float(loss.detach())

    assert optimizer.step(closure) == 3.0
    assert optimizer.step(closure) < 3.0
