"""The compiled loops against NumPy, torch's autograd and Muon's own iteration, on odd sizes."""

import numpy as np
import pytest
import torch

from ttt.optim.muon import newton_schulz
from ttt_ssm_nano import arithmetic, kernels

draw = np.random.default_rng(0)
N, T, S, U, X, Y = 3, 13, 11, 7, 6, 4


def numbers(*shape: int) -> np.ndarray:
    array = draw.normal(size=shape)
    array.flags.writeable = False
    return array


def test_one_set_of_weights_may_serve_all_sessions():
    decay_S, W_u, B = np.linspace(0.1, 0.9, S), numbers(1, U, X), numbers(1, S, U)
    h_NS, x_NTX = numbers(N, S), numbers(N, T, X)
    shared = arithmetic.features(decay_S, W_u, B, h_NS, x_NTX)
    each = arithmetic.features(decay_S, np.repeat(W_u, N, 0), np.repeat(B, N, 0), h_NS, x_NTX)
    assert np.array_equal(shared, each)
    W_o, y_NTY = numbers(1, Y, S), numbers(N, T, Y)
    one = arithmetic.misses(shared, y_NTY, W_o)
    assert np.array_equal(one, arithmetic.misses(shared, y_NTY, np.repeat(W_o, N, 0)))


def test_losses_are_means_over_outputs_and_time():
    miss_NTY = numbers(N, T, Y)
    error_NT, loss_N = arithmetic.losses(miss_NTY)
    assert np.allclose(error_NT, (miss_NTY**2).mean(2), rtol=1e-14)
    assert np.allclose(loss_N, (miss_NTY**2).mean((1, 2)), rtol=1e-14)


def test_gradients_equal_autograd_back_through_time():
    decay_S = np.linspace(0.2, 0.95, S)
    W_u, B, W_o = numbers(1, U, X), numbers(1, S, U), numbers(1, Y, S)
    h_NS, x_NTX, y_NTY = numbers(1, S), numbers(1, T, X), numbers(1, T, Y)
    leaves = [torch.tensor(w[0], requires_grad=True) for w in (W_u, B, W_o)]
    h_S, loss = torch.tensor(h_NS[0]), torch.zeros((), dtype=torch.float64)
    for t in range(T):
        h_S = torch.tensor(decay_S) * h_S + leaves[1] @ (leaves[0] @ torch.tensor(x_NTX[0, t]))
        loss = loss + (leaves[2] @ h_S - torch.tensor(y_NTY[0, t])).square().mean() / T
    wanted = [g.numpy() for g in torch.autograd.grad(loss, leaves)]
    h_NTS = arithmetic.features(decay_S, W_u, B, h_NS, x_NTX)
    miss_NTY = arithmetic.misses(h_NTS, y_NTY, W_o)
    found = arithmetic.inner_gradients(decay_S, (W_u, B, W_o), x_NTX, miss_NTY)
    assert np.allclose(found[0][0], wanted[0], rtol=1e-10)
    assert np.allclose(found[1][0], wanted[1], rtol=1e-10)
    assert np.allclose(arithmetic.readout_gradient(h_NTS, miss_NTY)[0], wanted[2], rtol=1e-10)


@pytest.mark.parametrize("shape", [(4, 32), (16, 6), (5, 5), (1, 9)])
@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e200, 0.0])
def test_muon_is_the_muon_of_the_library(shape, scale):
    g_NRC = scale * np.random.default_rng(1).normal(size=(2, *shape))
    wanted = newton_schulz(torch.tensor(g_NRC), 5).numpy()
    assert np.allclose(arithmetic.orthogonalised(g_NRC, 5), wanted, rtol=1e-10, atol=1e-12)


def test_muon_never_cleans_what_is_not_finite():
    g_NRC = np.ones((1, 3, 5))
    g_NRC[0, 1, 2] = np.nan
    assert np.isnan(arithmetic.orthogonalised(g_NRC, 5)).all()


@pytest.mark.parametrize("steps", [1, 3, 4, 13])
def test_statistics_are_sums_of_products(steps):
    h_NTS, y_NTY = numbers(N, steps, S), numbers(N, steps, Y)
    gram_NP, cross_NYS = arithmetic.statistics(h_NTS, y_NTY)
    whole = np.einsum("nts,ntk->nsk", h_NTS, h_NTS)
    assert np.allclose(gram_NP, whole[:, *np.tril_indices(S)], rtol=1e-12, atol=1e-12)
    wanted = np.einsum("nty,nts->nys", y_NTY, h_NTS)
    assert np.allclose(cross_NYS, wanted, rtol=1e-12, atol=1e-12)


def test_medians_and_norms():
    values = numbers(4, 9)
    counts = np.array([0.0, 1.0, 4.0, 9.0])
    wanted = [0.0, values[1, 8], np.median(values[2, 5:]), np.median(values[3])]
    assert np.allclose(arithmetic.medians(values, counts), wanted)
    assert np.allclose(arithmetic.norms(values), np.linalg.norm(values, axis=1))


def test_a_session_has_the_same_bits_alone_and_among_others():
    h_NTS, y_NTY = numbers(N, T, S), numbers(N, T, Y)
    anchor, times = numbers(N, Y, S), np.zeros(N, np.int64)

    def readouts(pick: slice) -> np.ndarray:
        gram, cross = arithmetic.statistics(h_NTS[pick], y_NTY[pick])
        count = len(gram)
        gram = arithmetic.add_faded(np.zeros((count, 2, gram.shape[1])), 1.0, times[pick], gram)
        cross = arithmetic.add_faded(np.zeros((count, 2, Y, S)), 1.0, times[pick], cross)
        return arithmetic.solve(gram, cross, anchor[pick], 0.1)

    together = readouts(slice(None))
    for n in range(N):
        assert np.array_equal(readouts(slice(n, n + 1))[0], together[n])


def test_what_comes_out_cannot_be_written_into():
    with pytest.raises(ValueError, match="read-only"):
        arithmetic.norms(numbers(2, 3))[0] = 1.0


def test_folding_equals_sums_in_whole_numbers_and_sees_every_bit():
    arrays = [numbers(N, 2 * kernels.LANES + 5), numbers(N, 3, 7)]
    lanes_NL = arithmetic.folded(arrays)
    for n in range(N):
        lanes = [0] * kernels.LANES
        for array in arrays:
            for k, word in enumerate(array[n].reshape(-1).view(np.uint64).tolist()):
                lane = k % kernels.LANES
                lanes[lane] = (lanes[lane] * int(kernels.MULTIPLIER) + word) % 2**64
        assert lanes_NL[n].tolist() == lanes
    for k in range(arrays[0].shape[1]):
        other = arrays[0].copy()
        other[0, k] = np.nextafter(other[0, k], np.inf)
        moved_NL = arithmetic.folded([other, arrays[1]])
        assert (moved_NL[0] != lanes_NL[0]).any()
        assert (moved_NL[1:] == lanes_NL[1:]).all()
