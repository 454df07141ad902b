"""A nano session can be replayed, taken apart, searched and judged."""

import numpy as np
import pytest

from tests.ttt_ssm_nano.small_tree import (
    lessons,
    poisoned,
    small_base,
    small_tree,
    start,
    teach,
)
from ttt.branching.bisect import Question, bisect
from ttt.branching.blame import blame
from ttt.branching.fork import fork
from ttt.branching.lineage import lineage
from ttt.branching.merge import MergeConfig, merge
from ttt.branching.replay import state_at
from ttt.branching.revert import FIRST_ORDER, revert
from ttt.errors import ConfigError, SignatureMismatchError
from ttt.spine.change import Outcome
from ttt.store.blobs import read_blob
from ttt.store.commits import Place
from ttt.store.gc import collect
from ttt_ssm_nano.learner import Learner
from ttt_ssm_nano.online_config import online
from ttt_ssm_nano.plastic_ssm import NanoBase
from ttt_ssm_nano.replayer import SUMS_FADE, SUMS_STAY, NanoReplayer, parse_probe
from ttt_ssm_nano.session_state import decode_state

TRUSTING = {"rollback_tol": 1e9, "heldout_tol": None, "glitch_factor": None}
"""No probe objects, so that poison gets in: the history is what must get it out again."""
COMMITS, POISONED = 200, 137


def at(session, n):
    return Place(session_id=session.session_id, n=n)


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A session of 200 short lessons, one of which is poison, and the one that never saw it."""
    root = tmp_path_factory.mktemp("tree")
    workshop, config = small_tree(root), online("rls", chunk=8, buffer_len=8, **TRUSTING)
    learner, clean = Learner(small_base(), config), lessons(COMMITS, chunk=8)
    seen = [*clean[: POISONED - 1], poisoned(clean[POISONED - 1], 50.0), *clean[POISONED:]]
    session = teach(start(root, "seen", config), learner, seen)
    never = fork(session, at(session, POISONED - 1), "never", lend=workshop.replayer)
    return workshop, session, teach(never, learner, clean[POISONED:])


def test_bisect_finds_a_poisoned_input_among_200_commits_in_at_most_8_probes(long):
    workshop, session, _ = long
    probe, entries = workshop.probe(session, "seed=5"), lineage(session)
    found = bisect(
        entries,
        20,
        COMMITS,
        question=Question(threshold=0.05),
        measure=lambda entry, _: probe.loss(read_blob(session.root, entry.commit.blob)),
    )
    assert found.entry.place.n == POISONED
    assert len(found.readings) <= 8


def test_blame_names_the_poisoned_input(long):
    workshop, session, _ = long
    probe, entries = workshop.probe(session, ""), lineage(session)
    moved = blame(
        entries,
        20,
        COMMITS,
        predict=lambda entry, _: probe.predict(read_blob(session.root, entry.commit.blob)),
        top=1,
    )
    assert moved[0].entry.place.n == POISONED


def test_replay_equals_bit_for_bit_the_run_that_never_saw_it(long):
    workshop, session, never = long
    child = fork(session, at(session, COMMITS), "replayed", lend=workshop.replayer)
    done = revert(
        child, at(session, POISONED), method="replay", replayer=workshop.replayer(session)
    )
    assert done.exact
    assert done.lessons_replayed == COMMITS - POISONED
    assert done.session.head.blob == never.head.blob


def test_subtraction_equals_it_to_1e_9_without_replay(long):
    workshop, session, never = long
    child = fork(session, at(session, COMMITS), "subtracted", lend=workshop.replayer)
    done = revert(
        child, at(session, POISONED), method="subtract", replayer=workshop.replayer(session)
    )
    assert (done.exact, done.statement, done.lessons_replayed) == (True, SUMS_STAY, 0)
    left, wanted, poison = (
        decode_state(read_blob(s.root, s.head.blob)).W_o_YS for s in (done.session, never, session)
    )
    assert np.abs(left - wanted).max() <= 1e-9
    assert np.abs(poison - wanted).max() > 1e-3


def test_pruned_states_are_computed_again_to_the_very_digest(tmp_path):
    workshop = small_tree(tmp_path)
    replayer = NanoReplayer(small_base(), online("rls"))
    session = teach(start(tmp_path, "alice"), replayer.learner, lessons(12))
    wanted = read_blob(tmp_path, lineage(session)[4].commit.blob)
    assert collect(tmp_path, keep=2).pruned == 10
    assert state_at(tmp_path, lineage(session, 4), workshop.replayer(session)) == wanted


@pytest.mark.parametrize("rule", ["muon", "sgd"])
def test_a_rule_without_sums_subtracts_to_first_order_and_replays_exactly(tmp_path, rule):
    workshop, config = small_tree(tmp_path), online(rule, **TRUSTING)
    learner, chunks = Learner(small_base(), config), lessons(6)
    session = teach(start(tmp_path, "alice", config), learner, chunks)
    never = teach(start(tmp_path, "never", config), learner, [*chunks[:2], *chunks[3:]])
    replayer = workshop.replayer(session)
    guess = revert(session, at(session, 3), method="subtract", replayer=replayer)
    assert (guess.exact, guess.statement) == (False, FIRST_ORDER)
    other = fork(session, at(session, 6), "other", lend=workshop.replayer)
    exact = revert(other, at(session, 3), method="replay", replayer=replayer)
    assert exact.session.head.blob == never.head.blob


def test_with_forgetting_the_statement_says_what_stays(tmp_path):
    workshop, config = small_tree(tmp_path), online("rls", forgetting=0.9, **TRUSTING)
    session = teach(start(tmp_path, "a", config), Learner(small_base(), config), lessons(5))
    replayer = workshop.replayer(session)
    done = revert(session, at(session, 3), method="subtract", replayer=replayer)
    assert done.statement == SUMS_FADE


def test_a_merge_of_forks_is_judged_on_held_out_data(tmp_path):
    workshop = small_tree(tmp_path)
    learner, chunks = NanoReplayer(small_base(), online("rls")).learner, lessons(9)
    root = teach(start(tmp_path, "root"), learner, chunks[:3])
    left, right = (fork(root, at(root, 3), name, lend=workshop.replayer) for name in "lr")
    left, right = teach(left, learner, chunks[3:6]), teach(right, learner, chunks[6:])
    replayer = workshop.replayer(left)
    # One that counts for nothing changes nothing, so this is certain to do no harm.
    alone = MergeConfig(shares=(1.0, 0.0))
    good = merge(left, [right], config=alone, replayer=replayer)
    assert good.outcome is Outcome.COMMITTED
    wild = MergeConfig(method="task_arithmetic", scale=1e4)
    bad = merge(good.session, [right], config=wild, replayer=replayer)
    assert (bad.outcome, bad.reasons) == (Outcome.REVERTED, ("heldout_loss",))


def test_a_session_of_another_base_is_refused_by_name(tmp_path):
    session = start(tmp_path, "alice")
    base = small_base()
    other = NanoBase(
        a_raw_S=base.a_raw_S,
        W_u_UX=base.W_u_UX,
        B_SU=base.B_SU,
        W_o_YS=np.nextafter(base.W_o_YS, 1.0),
    )
    stranger = NanoReplayer(other, online("rls"))
    with pytest.raises(SignatureMismatchError, match="alice"):
        revert(session, at(session, 0), method="replay", replayer=stranger)


@pytest.mark.parametrize(
    "words", ["seed=x", "seed=1 nu=2", "steps=0", "steps=1000001", "mode=cubic", "mu=", "a b"]
)
def test_words_that_name_no_probe_are_refused_with_those_that_do(words):
    with pytest.raises(ConfigError, match=r"seed=7 mu=0\.1 steps=200"):
        parse_probe(words, mode="linear")


def test_a_probe_has_defaults_and_a_number_is_its_seed():
    plant, steps = parse_probe("7", mode="nonlinear")
    assert (plant.seed, plant.mode, plant.mu, steps) == (7, "nonlinear", None, 200)
    plant, steps = parse_probe("mu=0.2, steps=50 mode=linear", mode="nonlinear")
    assert (plant.mu, plant.mode, steps) == (0.2, "linear", 50)
