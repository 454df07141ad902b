"""Merging is arithmetic on what the sessions learned since they parted, and is itself guarded."""

import math

import numpy as np
import pytest

from tests.branching.toy import Toy, new_session, no_model, random_lessons, teach, weights
from ttt.branching.arrays import arrays_of
from ttt.branching.fork import fork
from ttt.branching.merge import MergeConfig, merge, merged_weights, ties
from ttt.errors import ConfigError, SignatureMismatchError
from ttt.spine.change import Outcome
from ttt.store.blobs import read_blob
from ttt.store.commits import Place


@pytest.fixture
def family(tmp_path):
    toy = Toy()
    root = teach(new_session(tmp_path, "root"), toy, random_lessons(2))
    place = Place(session_id="root", n=2)
    left = teach(fork(root, place, "left", lend=no_model), toy, random_lessons(2, seed=1))
    right = teach(fork(root, place, "right", lend=no_model), toy, random_lessons(2, seed=2))
    return toy, root, left, right


def test_the_average_lies_between_them_and_shares_weigh_it(family):
    toy, _, left, right = family
    w_left, w_right = weights(left), weights(right)
    done = merge(left, [right], config=MergeConfig(shares=(3.0, 1.0)), replayer=toy)
    assert done.outcome is Outcome.COMMITTED
    assert done.ancestor == "root:2"
    np.testing.assert_allclose(weights(done.session), 0.75 * w_left + 0.25 * w_right)
    assert done.session.head.event["others"] == ["right:2"]


def test_task_arithmetic_adds_what_each_has_learned(family):
    toy, root, left, right = family
    w_root, w_left, w_right = weights(root), weights(left), weights(right)
    config = MergeConfig(method="task_arithmetic", scale=0.5)
    done = merge(left, [right], config=config, replayer=toy)
    expected = w_root + 0.5 * ((w_left - w_root) + (w_right - w_root))
    np.testing.assert_allclose(weights(done.session), expected)


def test_the_memory_starts_afresh(family):
    toy, _, left, right = family
    done = merge(left, [right], config=MergeConfig(), replayer=toy)
    state = arrays_of(read_blob(done.session.root, done.session.head.blob))
    assert (state["optim.total"] == 0.0).all()


def test_a_merge_that_does_harm_is_taken_back_and_nothing_is_committed(family):
    _, _, left, right = family
    strict = Toy(tolerance=1e-9)
    done = merge(left, [right], config=MergeConfig(), replayer=strict)
    assert done.outcome is Outcome.REVERTED
    assert done.reasons == ("harm",)
    assert done.session.head == left.head


def test_ties_trims_elects_and_averages_what_agrees():
    """The worked example: trimmed to the largest half, sign by mass, mean of those that agree."""
    deltas = np.array([[4.0, -1.0, 0.5, 3.0], [-2.0, 5.0, 0.1, 1.0]])
    np.testing.assert_allclose(ties(deltas, keep=0.5), [4.0, 5.0, 0.0, 3.0])
    np.testing.assert_allclose(ties(deltas, keep=1.0), [4.0, 5.0, 0.3, 2.0])


def test_ties_of_one_session_is_that_session_trimmed():
    delta = np.array([[[1.0, -9.0], [3.0, 0.2]]])
    np.testing.assert_allclose(ties(delta, keep=0.5), [[0.0, -9.0], [3.0, 0.0]])


def test_what_cannot_be_merged_is_refused(tmp_path, family):
    toy, _, left, right = family
    stranger = new_session(tmp_path, "stranger")
    foreign = new_session(tmp_path, "foreign", signature="other")
    with pytest.raises(ConfigError, match="no common past"):
        merge(left, [stranger], config=MergeConfig(), replayer=toy)
    with pytest.raises(SignatureMismatchError):
        merge(left, [foreign], config=MergeConfig(), replayer=toy)
    for others in ([], [left]):
        with pytest.raises(ConfigError, match="at least one other"):
            merge(left, others, config=MergeConfig(), replayer=toy)
    with pytest.raises(ConfigError, match="3 shares"):
        merge(left, [right], config=MergeConfig(shares=(1.0, 1.0, 1.0)), replayer=toy)
    with pytest.raises(SignatureMismatchError):
        merged_weights({"a": np.ones(2)}, [{"a": np.ones(3)}], MergeConfig())


@pytest.mark.parametrize(
    "wrong",
    [
        {"keep": 0.0}, {"keep": 1.5}, {"keep": math.nan}, {"scale": math.inf},
        {"shares": (-1.0, 2.0)}, {"shares": (0.0, 0.0)}, {"shares": (math.nan,)},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        MergeConfig(**wrong)
