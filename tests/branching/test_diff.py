"""Differences are true norms, cosines, shares and ranks."""

import numpy as np
import pytest

from ttt.branching.diff import diff
from ttt.errors import CorruptArtifactError, SignatureMismatchError
from ttt.store.tensor_files import encode_arrays


def state(**arrays):
    return encode_arrays({name.replace("_", ".", 1): x for name, x in arrays.items()})


def test_each_figure_is_what_its_name_says():
    a = np.arange(12.0).reshape(3, 4)
    b = a.copy()
    b[0] += 2.0
    (row,) = diff(state(plastic_w=a), state(plastic_w=b))
    assert row.norm_a == pytest.approx(np.linalg.norm(a))
    assert row.norm_delta == pytest.approx(4.0)
    assert row.relative == pytest.approx(4.0 / np.linalg.norm(a))
    assert row.cosine == pytest.approx(
        float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b)))
    )
    assert row.changed == pytest.approx(1 / 3)
    assert row.rank == 1


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_the_rank_is_that_of_the_difference(rank):
    rng = np.random.default_rng(rank)
    step = rng.normal(size=(5, rank)) @ rng.normal(size=(rank, 7))
    a = rng.normal(size=(5, 7))
    (row,) = diff(state(plastic_w=a), state(plastic_w=a + step))
    assert row.rank == rank


def test_nothing_is_divided_by_zero_and_vectors_have_no_rank():
    (row,) = diff(state(plastic_v=np.zeros(3)), state(plastic_v=np.ones(3)))
    assert (row.relative, row.cosine, row.rank) == (None, None, None)
    assert row.changed == 1.0


def test_huge_weights_have_a_cosine_too():
    big = np.full((2, 2), 1e200)
    (row,) = diff(state(plastic_w=big), state(plastic_w=-big))
    assert row.cosine == pytest.approx(-1.0)


def test_the_memory_is_shown_on_request_and_histories_may_grow():
    a = state(plastic_w=np.ones((1, 1)), optim_p=np.ones(2), session_h=np.ones(1))
    b = state(plastic_w=np.ones((1, 1)), optim_p=np.zeros(2), session_h=np.ones(2))
    assert [row.name for row in diff(a, b)] == ["plastic.w"]
    assert [row.name for row in diff(a, b, everything=True)] == ["optim.p", "plastic.w"]


def test_states_of_different_models_are_refused():
    with pytest.raises(SignatureMismatchError, match=r"plastic\.w"):
        diff(state(plastic_w=np.ones((1, 2))), state(plastic_w=np.ones((2, 1))))
    with pytest.raises(CorruptArtifactError):
        diff(b"no state", state(plastic_w=np.ones((2, 1))))
