"""The scan against its naive twin: values, gradients, accuracy, operator registration."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.chosen_once import chosen_once
from ttt.core import scan as module
from ttt.core.scan import blocked_scan, naive_scan, scan, scan_path
from ttt.errors import ConfigError

WAYS = {"numba": scan, "torch": blocked_scan}
SHAPES = [(1, 1, 1), (3, 1, 5), (1, 2, 60), (2, 63, 60), (3, 128, 64), (1, 1024, 7)]


@pytest.fixture(params=WAYS, scope="module")
def way(request):
    """A test that asks for it runs once for each fast way."""
    assert scan_path("cpu") == "numba"
    return WAYS[request.param]


def arguments(shape, *, seed=0, dtype=torch.float64, decay=None):
    """Random a, x and s0 that ask for gradients; `decay` fixes a."""
    generator = torch.Generator().manual_seed(seed)
    batch, _, width = shape
    if decay is None:
        a = torch.sigmoid(torch.randn(shape, generator=generator, dtype=torch.float64) + 3.0)
    else:
        a = torch.full(shape, decay, dtype=torch.float64)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    s0 = torch.randn(batch, width, generator=generator, dtype=torch.float64)
    return [value.to(dtype).requires_grad_() for value in (a, x, s0)]


def values_and_gradients(function, inputs, *, seed=1):
    states = function(*inputs)
    generator = torch.Generator().manual_seed(seed)
    up = torch.randn(states.shape, generator=generator, dtype=torch.float64).to(states.dtype)
    return [states.detach(), *torch.autograd.grad(states, inputs, up)]


def worst_error(got, wanted):
    """Largest error of each result over the largest value of that result."""
    pairs = zip(got, wanted, strict=True)
    return max(
        float((g.double() - w).abs().max() / w.abs().max().clamp_min(1e-30)) for g, w in pairs
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_equal_the_naive_twin_in_float64(way, shape):
    inputs = arguments(shape)
    wanted = values_and_gradients(naive_scan, inputs)
    assert worst_error(values_and_gradients(way, inputs), wanted) <= 1e-12


def float32_error(way, shape, *, seed=0, decay=None):
    narrow = arguments(shape, seed=seed, dtype=torch.float32, decay=decay)
    wide = [value.detach().double().requires_grad_() for value in narrow]
    wanted = values_and_gradients(naive_scan if shape[1] <= 1024 else blocked_scan, wide)
    return worst_error(values_and_gradients(way, narrow), wanted)


@given(
    exponent=st.floats(-6.0, 0.0, exclude_min=True, exclude_max=True),
    slow=st.booleans(),
    seed=st.integers(0, 99),
)
def test_float32_is_right_for_any_constant_decay(way, exponent, slow, seed):
    decay = 1.0 - 10.0**exponent if slow else 10.0**exponent
    assert float32_error(way, (1, 257, 3), seed=seed, decay=decay) <= 1e-4


@pytest.mark.parametrize("length", [1024, 8192])
@pytest.mark.parametrize("decay", [2e-6, 1e-4, 0.5, 0.99, 1 - 1e-3, 1 - 1e-4, 1 - 2e-6])
def test_float32_is_right_over_long_sequences(way, decay, length):
    assert float32_error(way, (1, length, 4), decay=decay) <= 1e-4


def test_float32_is_right_where_rounding_always_errs_to_one_side(way):
    a = torch.full((1, 8192, 1), 1 - 1e-3)
    x = torch.ones(1, 8192, 1)
    wanted = blocked_scan(a.double(), x.double())
    assert worst_error([way(a, x)], [wanted]) <= 1e-4


def test_float32_loses_almost_nothing_on_selective_decays(way):
    assert float32_error(way, (2, 1024, 60)) <= 5e-7


def test_a_tiny_decay_neither_kills_the_state_nor_its_gradient(way):
    # The closed form with cumprod is wrong from the third token here, and its gradient is NaN.
    inputs = arguments((1, 1024, 2), dtype=torch.float32, decay=1e-4)
    for value in values_and_gradients(way, inputs):
        assert torch.isfinite(value).all()
        assert (value.abs().amax(dim=tuple(range(1, value.ndim))) > 0).all()


def test_gradcheck_passes(way):
    assert torch.autograd.gradcheck(way, arguments((2, 5, 3)))


def test_the_gradient_can_be_differentiated_again(way):
    assert torch.autograd.gradgradcheck(way, arguments((2, 4, 2)))


def test_a_sequence_in_pieces_equals_the_whole(way):
    a, x, s0 = (value.detach() for value in arguments((2, 63, 60), dtype=torch.float32))
    head = way(a[:, :17], x[:, :17], s0)
    tail = way(a[:, 17:], x[:, 17:], head[:, -1])
    pieces, whole = torch.cat([head, tail], dim=1), way(a, x, s0)
    if way is scan:
        assert torch.equal(pieces, whole)
    assert worst_error([pieces], [whole.double()]) <= 5e-7


def test_no_start_means_zeros(way):
    a, x, s0 = (value.detach() for value in arguments((2, 9, 4)))
    assert torch.equal(way(a, x), way(a, x, torch.zeros_like(s0)))


def test_a_later_token_never_reaches_back(way):
    a, x, s0 = (value.detach() for value in arguments((1, 40, 3)))
    changed = x.clone()
    changed[:, 25:] += 1.0
    assert torch.equal(way(a, x, s0)[:, :25], way(a, changed, s0)[:, :25])


def test_arguments_are_left_alone(way):
    inputs = [value.detach() for value in arguments((2, 63, 5))]
    copies = [value.clone() for value in inputs]
    way(*inputs)
    assert all(torch.equal(i, c) for i, c in zip(inputs, copies, strict=True))


def test_slices_and_transposes_give_the_same_as_their_copies(way):
    generator = torch.Generator().manual_seed(0)
    both = torch.rand(5, 31, 12, generator=generator, dtype=torch.float64)
    a = both[..., :6].transpose(0, 1)[::2].requires_grad_()
    x = both[..., 6:].transpose(0, 1)[::2].detach().requires_grad_()
    s0 = torch.rand(6, 16, generator=generator, dtype=torch.float64).T.requires_grad_()
    wanted = values_and_gradients(naive_scan, [a, x, s0])
    assert worst_error(values_and_gradients(way, [a, x, s0]), wanted) <= 1e-12


def test_a_gradient_that_is_an_expanded_scalar_is_read_rightly(way):
    inputs = arguments((2, 63, 5))
    got = torch.autograd.grad(way(*inputs).sum(), inputs)
    wanted = torch.autograd.grad(naive_scan(*inputs).sum(), inputs)
    assert worst_error(got, wanted) <= 1e-12


def test_half_precision_is_computed_in_float32(way):
    a, x, s0 = arguments((2, 63, 60), dtype=torch.bfloat16)
    wanted = way(a.float(), x.float(), s0.float())
    states = way(a, x, s0)
    assert states.dtype == torch.float32
    assert torch.equal(states, wanted)
    assert {g.dtype for g in torch.autograd.grad(states.sum(), (a, x, s0))} == {torch.bfloat16}


@pytest.mark.parametrize("position", [0, 1, 2], ids=["a", "x", "s0"])
def test_nan_stays_visible_until_the_end_of_its_channel(way, position):
    inputs = [value.detach() for value in arguments((1, 63, 3))]
    inputs[position][(0, 30, 1) if position < 2 else (0, 1)] = torch.nan
    states = way(*inputs)
    first = 30 if position < 2 else 0
    assert states[0, first:, 1].isnan().all()
    assert states[0, :, [0, 2]].isfinite().all()
    assert states[0, :first, 1].isfinite().all()


def test_the_same_call_gives_the_same_bits(way):
    inputs = arguments((2, 200, 33), dtype=torch.float32)
    first, second = (values_and_gradients(way, inputs) for _ in range(2))
    assert all(torch.equal(f, s) for f, s in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("a", "x", "s0", "what"),
    [
        ((1, 4, 3), (1, 4, 2), None, "(1, 4, 2)"),
        ((1, 4, 3), (1, 5, 3), None, "(1, 5, 3)"),
        ((1, 0, 3), (1, 0, 3), None, "length >= 1"),
        ((1, 4, 3), (1, 4, 3), (2, 3), "(2, 3)"),
        ((1, 4, 3), (1, 4, 3), (1, 2), "(1, 2)"),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(a, x, s0, what):
    # Below the run-time shape check of the tests, which production does not have.
    start = None if s0 is None else torch.zeros(s0)
    with pytest.raises(ConfigError) as caught:
        module._checked(torch.zeros(a), torch.zeros(x), start)
    assert what in str(caught.value)


def test_the_operator_is_registered_as_torch_demands(way):
    path = "numba" if way is scan else "torch"
    inputs = arguments((2, 5, 3))
    torch.library.opcheck(torch.ops.ttt.scan.default, (*inputs, path))
    a, x, s0 = (value.detach() for value in inputs)
    backward = torch.ops.ttt.scan_backward.default
    torch.library.opcheck(backward, (a, way(a, x, s0), s0, x, path))


@pytest.fixture
def environment(monkeypatch):
    """Set TTT_SCAN as if the process had started with it."""
    with chosen_once(monkeypatch, "TTT_SCAN", scan_path) as start_with:
        yield start_with


@pytest.mark.parametrize("name", ["naive", "torch", "numba"])
def test_the_environment_names_the_way(environment, name):
    environment(name)
    assert scan_path("cpu") == name
    inputs = arguments((2, 20, 4))
    wanted = values_and_gradients(naive_scan, inputs)
    assert worst_error(values_and_gradients(scan, inputs), wanted) <= 1e-12


def test_an_unknown_way_is_refused_by_name(environment):
    environment("fast")
    with pytest.raises(ConfigError, match="naive, torch, numba, triton, not 'fast'"):
        scan_path("cpu")


@pytest.mark.parametrize("there", [False, True])
def test_an_accelerator_gets_its_kernels_and_never_the_loops(environment, monkeypatch, there):
    monkeypatch.setattr(module, "has_triton", lambda: there)
    assert scan_path("cuda") == ("triton" if there else "torch")
    assert scan_path("mps") == "torch"
    assert scan_path("cpu") == "numba"
    environment("numba")
    with pytest.raises(ConfigError, match="'cuda'"):
        scan_path("cuda")


def test_kernels_are_refused_where_they_cannot_run(environment, monkeypatch):
    monkeypatch.setattr(module, "has_triton", lambda: True)
    environment("triton")
    with pytest.raises(ConfigError, match="'cuda', and this runs on 'cpu'"):
        scan_path("cpu")
    assert scan_path("cuda") == "triton"


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def on_cuda(function):
    """The same function, computed there."""
    return lambda *inputs: function(*(value.cuda() for value in inputs)).cpu()


@needs_cuda
@pytest.mark.parametrize("name", ["triton", "torch"])
@pytest.mark.parametrize("shape", [*SHAPES, (3, 200, 17), (2, 64, 16), (1, 65, 33)], ids=str)
def test_cuda_equals_the_naive_twin(environment, name, shape):
    environment(name)
    inputs = arguments(shape)
    wanted = values_and_gradients(naive_scan, inputs)
    assert worst_error(values_and_gradients(on_cuda(scan), inputs), wanted) <= 1e-12


@needs_cuda
@pytest.mark.parametrize("name", ["triton", "torch"])
@pytest.mark.parametrize("decay", [2e-6, 1e-4, 0.5, 0.99, 1 - 1e-4, 1 - 2e-6])
def test_cuda_keeps_its_digits_over_a_long_text(environment, name, decay):
    environment(name)
    assert float32_error(on_cuda(scan), (1, 8192, 24), decay=decay) <= 1e-4
    assert float32_error(on_cuda(scan), (1, 8192, 24)) <= 5e-7


@needs_cuda
def test_a_gradient_of_a_gradient_on_cuda_equals_that_of_the_twin(environment):
    def second(function):
        inputs = arguments((2, 70, 5))
        (first,) = torch.autograd.grad(
            function(*inputs).pow(2).sum(), inputs[:1], create_graph=True
        )
        return torch.autograd.grad(first.pow(2).sum(), inputs)

    environment("triton")
    assert worst_error(second(on_cuda(scan)), second(naive_scan)) <= 1e-11
