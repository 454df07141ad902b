"""Learning one buffer: what is refused, undone and kept; many at once; and taking it out again."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ttt_ssm_nano.worlds import chunks_of, furthest, learn_all, rough_base
from ttt.errors import ConfigError, SignatureMismatchError
from ttt.optim.muon_config import MuonConfig
from ttt.spine.change import Outcome
from ttt_ssm_nano import arithmetic
from ttt_ssm_nano.learner import Learner
from ttt_ssm_nano.online_config import documented, online
from ttt_ssm_nano.plant import PlantConfig, simulate
from ttt_ssm_nano.session_state import ChunkInput, ChunkInputs, NanoStates

BASE = rough_base()
CALM = chunks_of(BASE, simulate(PlantConfig(seed=1, mu=0.05), 12 * 32))
OTHERS = [chunks_of(BASE, simulate(PlantConfig(seed=s, mu=0.05), 12 * 32)) for s in (2, 3, 4)]
ANY = {"glitch_factor": None, "heldout_tol": None, "rollback_tol": 1e9, "restart": False}
"""Every update is kept: then every later decision is the same with and without a chunk."""


def glitched(chunk: ChunkInput, size: float = 1e5) -> ChunkInput:
    y_TY, x_TX = chunk.y_TY.copy(), chunk.x_TX.copy()
    y_TY[5:8] += size
    x_TX[6:9, :4] += size
    return replace(chunk, x_TX=x_TX, y_TY=y_TY)


@pytest.mark.parametrize("rule", ["rls", "muon", "sgd"])
def test_every_rule_predicts_better_than_its_base_most_of_the_time(rule):
    learner, ratios = Learner(BASE, online(rule)), []
    for world in (CALM, *OTHERS):
        state = learner.fresh()
        for chunk in world:
            learned = learner.learn(state, chunk)
            state = learned.state
            ratios.append(learned.event["pre_loss"] / learned.event["base_loss"])
    assert np.median(ratios) < 1.0


def test_least_squares_nearly_finds_the_plant():
    learner = Learner(BASE, online("rls"))
    state = learn_all(learner, CALM[:-1])
    assert learner.loss(state, CALM[-1]) < 0.1 * learner.loss(learner.fresh(), CALM[-1])


@pytest.mark.parametrize("name", ["h_S", "x_TX", "y_TY"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("rule", ["rls", "muon"])
def test_what_is_not_finite_is_never_learned_with_every_switch_off(name, bad, rule):
    learner = Learner(BASE, online(rule, **ANY))
    state = learner.learn(learner.fresh(), CALM[0]).state
    array = getattr(CALM[1], name).copy()
    array.flat[1] = bad
    learned = learner.learn(state, replace(CALM[1], **{name: array}))
    assert learned.receipt.outcome is Outcome.REFUSED
    assert "non_finite:base_loss" in learned.event["reasons"]
    assert learned.event["base_loss"] is None
    assert learned.state.finite()
    assert furthest(learned.state, state, "plastic.") == 0.0
    assert furthest(learned.state, state, "optim.") == 0.0


def test_an_update_that_is_not_finite_is_undone_with_every_switch_off():
    learner = Learner(BASE, online("rls", ridge=0.0, state_norm_max=1e300, **ANY))
    nothing = replace(CALM[0], x_TX=0.0 * CALM[0].x_TX, y_TY=0.0 * CALM[0].y_TY)
    learned = learner.learn(learner.fresh(), nothing)
    assert learned.receipt.outcome is Outcome.REVERTED
    assert learned.event["reasons"] == ["non_finite:state"]
    assert furthest(learned.state, learner.fresh(), "plastic.") == 0.0


def test_what_the_data_say_nothing_about_stays_at_the_base():
    few = chunks_of(BASE, simulate(PlantConfig(seed=1, mu=0.05), 4), steps=4)
    learner = Learner(BASE, online("rls", chunk=4, buffer_len=4, **ANY))
    learned = learner.learn(learner.fresh(), few[0])
    assert learned.event["type"] == "update"
    moved_YS = learned.state.W_o_YS - BASE.W_o_YS
    h_TS = arithmetic.features(
        BASE.decay_S,
        BASE.W_u_UX[None],
        BASE.B_SU[None],
        few[0].h_S[None],
        few[0].x_TX[None],
    )[0]
    seen = np.linalg.svd(h_TS, full_matrices=False)[2]
    assert np.abs(moved_YS).max() > 1e-6
    assert np.abs(moved_YS - moved_YS @ seen.T @ seen).max() < 1e-9


def test_a_glitch_is_skipped_once_there_is_something_to_compare_with():
    learner = Learner(BASE, online("rls"))
    state = learner.fresh()
    for number, chunk in enumerate([*CALM[:4], glitched(CALM[4])]):
        learned = learner.learn(state, chunk)
        state = learned.state
        assert ("glitch" in learned.event["reasons"]) == (number == 4)
    early = learner.learn(learn_all(learner, CALM[:2]), glitched(CALM[2]))
    assert "glitch" not in early.event["reasons"]


def test_what_stays_as_bad_is_no_glitch_but_another_plant():
    """Two buffers may see one lie; a gate that goes on refusing would never learn again."""
    learner = Learner(BASE, online("rls"))
    state = learn_all(learner, CALM[:4])
    reasons = []
    for chunk in (glitched(CALM[4]), glitched(CALM[5]), glitched(CALM[6]), CALM[7]):
        learned = learner.learn(state, chunk)
        reasons.append("glitch" in learned.event["reasons"])
        state = learned.state
    assert reasons == [True, True, False, False]


def test_buffers_that_share_steps_may_see_one_lie_more_often():
    settings = online("rls", chunk=16, buffer_len=32)
    assert settings.apart == 2
    learner = Learner(BASE, settings)
    state = learn_all(learner, CALM[:4])
    reasons = []
    for _ in range(4):
        learned = learner.learn(state, glitched(CALM[4]))
        reasons.append("glitch" in learned.event["reasons"])
        state = learned.state
    assert reasons == [True, True, True, False]


def test_a_glitch_judges_no_later_update():
    learner = Learner(BASE, online("rls"))
    before = learn_all(learner, CALM[:4])
    after = learner.learn(before, glitched(CALM[4])).state
    assert furthest(after, before, "session.heldout") == 0.0
    assert after.chunks_read == 5


def test_an_update_that_hurts_on_the_held_out_buffer_is_undone():
    settings = online("muon", glitch_factor=None, restart=False, optimizer=MuonConfig(lr=0.5))
    learner = Learner(BASE, settings)
    state = learner.learn(learner.fresh(), CALM[0]).state
    learned = learner.learn(state, CALM[1])
    assert learned.event["type"] == "reverted"
    assert "heldout_loss" in learned.event["reasons"]
    assert learned.event["heldout_after"] > learned.event["heldout_before"]
    assert furthest(learned.state, state, "plastic.") == 0.0


def test_the_held_out_buffer_is_not_in_the_gradient():
    learner = Learner(BASE, online("muon"))
    one = learner.learn(learner.fresh(), CALM[0]).state
    other = learner.learn(learner.fresh(), OTHERS[0][0]).state
    weights = one.weights()
    one_on = learner.learn(learner.with_weights(one, weights), CALM[1])
    other_on = learner.learn(learner.with_weights(other, weights), CALM[1])
    assert one_on.event["grad_norm"] == other_on.event["grad_norm"]
    assert one_on.event["heldout_before"] != other_on.event["heldout_before"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"grad_norm_max": 1e-12}, "grad_norm"),
        ({"state_norm_max": 1e-12}, "state_norm"),
        ({"rollback_tol": 0.0, "optimizer": MuonConfig(lr=5.0)}, "buffer_loss"),
    ],
)
def test_each_limit_speaks(settings, reason):
    learner = Learner(BASE, online("muon", **settings))
    learned = learner.learn(learner.fresh(), CALM[0])
    assert reason in learned.event["reasons"]
    assert furthest(learned.state, learner.fresh(), "plastic.") == 0.0


def test_a_session_that_its_base_overtakes_twice_begins_anew():
    learner = Learner(BASE, online("rls"))
    state = learn_all(learner, CALM)
    spoiled = learner.with_weights(state, {"plastic.W_o": state.W_o_YS + 1.0})
    learned = learner.learn(spoiled, CALM[0])
    assert learned.event["restart"] is True
    alone = learner.learn(learner.fresh(), CALM[0]).state
    assert furthest(learned.state, alone, "plastic.") == 0.0
    assert furthest(learned.state, alone, "optim.gram") == 0.0
    never = Learner(BASE, online("rls", restart=False))
    assert never.learn(spoiled, CALM[0]).event["restart"] is False


def test_the_same_state_and_input_give_the_same_bits():
    learner = Learner(BASE, online("rls"))
    one, other = (learn_all(Learner(BASE, online("rls")), CALM) for _ in range(2))
    assert one.fingerprint() == other.fingerprint()
    assert learner.fresh().fingerprint() != one.fingerprint()


@pytest.mark.parametrize("settings", [online("rls"), online("muon"), online("sgd"), documented()])
def test_many_sessions_at_once_get_what_each_would_alone(settings):
    learner = Learner(BASE, settings)
    worlds = [CALM, *OTHERS]
    worlds[2] = [*worlds[2][:5], glitched(worlds[2][5]), *worlds[2][6:]]
    alone = [learner.fresh() for _ in worlds]
    states = NanoStates.stacked(alone)
    for k in range(8):
        chunks = [world[k] for world in worlds]
        many = learner.learn_many(states, ChunkInputs.stacked(chunks))
        learned = [learner.learn(s, c) for s, c in zip(alone, chunks, strict=True)]
        states, alone = many.states, [one.state for one in learned]
        for n, one in enumerate(learned):
            assert states.member(n).fingerprint() == one.state.fingerprint()
            assert many.receipts[n] == one.receipt
            assert many.events[n] == one.event


def test_reading_alone_moves_nothing_that_was_learned():
    learner = Learner(BASE, online("rls"))
    state = learn_all(learner, CALM[:3])
    read = learner.read(state, CALM[3])
    assert furthest(read, state, "plastic.") == furthest(read, state, "optim.") == 0.0
    assert read.chunks_read == 4
    assert np.array_equal(read.arrays["session.heldout_y"][0], CALM[3].y_TY)


# --- unlearning -----------------------------------------------------------------------------------


@given(
    forgetting=st.sampled_from([1.0, 0.9]),
    learned=st.lists(st.booleans(), min_size=2, max_size=9),
    size=st.sampled_from([0.0, 1e2, 1e5]),
    data=st.data(),
)
def test_unlearning_equals_never_having_learned(forgetting, learned, size, data):
    learner = Learner(BASE, online("rls", forgetting=forgetting, **ANY))
    learned[data.draw(st.integers(0, len(learned) - 1))] = True
    number = data.draw(st.sampled_from([n for n, yes in enumerate(learned) if yes]))
    chunks = list(CALM[: len(learned)])
    chunks[number] = glitched(chunks[number], size)
    with_it, without = learner.fresh(), learner.fresh()
    for n, (chunk, yes) in enumerate(zip(chunks, learned, strict=True)):
        with_it = (learner.learn(with_it, chunk).state) if yes else learner.read(with_it, chunk)
        kept = yes and n != number
        without = learner.learn(without, chunk).state if kept else learner.read(without, chunk)
    left = learner.unlearn(with_it, chunks[number], number=number)
    scale = float(np.max(np.abs(without.W_o_YS)))
    assert furthest(left, without, "plastic.") <= 1e-9 * scale
    assert furthest(left, without, "optim.chunks") == 0.0
    assert furthest(left, without, "session.") == 0.0


def test_a_huge_glitch_leaves_no_trace_behind():
    learner = Learner(BASE, online("rls", **ANY))
    chunks = [*CALM[:4], glitched(CALM[4], 1e6), *CALM[5:]]
    spoiled = learn_all(learner, chunks)
    without = learner.fresh()
    for n, chunk in enumerate(chunks):
        step = learner.read if n == 4 else lambda s, c: learner.learn(s, c).state
        without = step(without, chunk)
    assert learner.loss(spoiled, CALM[6]) > 1e3 * learner.loss(without, CALM[6])
    left = learner.unlearn(spoiled, chunks[4], number=4)
    assert furthest(left, without, "plastic.") <= 1e-9


def test_chunks_can_be_taken_out_one_after_another_down_to_the_base():
    learner = Learner(BASE, online("rls", forgetting=0.9, **ANY))
    state = learn_all(learner, CALM)
    for number in (11, 3, 10, 0, 1, 2, 9, 8, 7, 6, 4, 5):
        state = learner.unlearn(state, CALM[number], number=number)
    assert furthest(state, learner.fresh(), "plastic.") <= 1e-12


def test_what_was_never_learned_takes_nothing_out():
    learner = Learner(BASE, online("rls", **ANY))
    state = learner.read(learner.learn(learner.fresh(), CALM[0]).state, CALM[1])
    assert learner.unlearn(state, CALM[1], number=1) is state


def test_unlearning_is_refused_where_it_could_not_be_exact():
    learner = Learner(BASE, online("rls", **ANY))
    state = learn_all(learner, CALM[:4])
    with pytest.raises(ConfigError, match="has read chunks 0 to 3, and no 4"):
        learner.unlearn(state, CALM[4], number=4)
    with pytest.raises(ConfigError, match="Is this the input that was learned"):
        learner.unlearn(state, glitched(CALM[1]), number=1)
    with pytest.raises(ConfigError, match="went into the anchor"):
        learner.unlearn(learner.reset_memory(state), CALM[1], number=1)
    muon = Learner(BASE, online("muon"))
    with pytest.raises(ConfigError, match="The rule muon keeps no sums"):
        muon.unlearn(learn_all(muon, CALM[:2]), CALM[1], number=1)


# --- other ways to change a session ---------------------------------------------------------------


@pytest.mark.parametrize("rule", ["rls", "muon", "sgd"])
def test_a_reset_memory_predicts_as_before_and_remembers_nothing(rule):
    learner = Learner(BASE, online(rule))
    state = learn_all(learner, CALM[:6])
    reset = learner.reset_memory(state)
    assert learner.loss(reset, CALM[6]) == learner.loss(state, CALM[6])
    again = learner.learn(reset, CALM[6])
    assert learner.loss(again.state, CALM[7]) < learner.loss(learner.fresh(), CALM[7])
    fresh = learner.fresh()
    for name in reset.arrays:
        if name.startswith("optim.") and name != "optim.anchor":
            assert np.array_equal(reset.arrays[name], fresh.arrays[name])


def test_other_weights_must_be_known_of_the_same_shape_and_finite():
    learner = Learner(BASE, online("rls"))
    state = learner.fresh()
    moved = learner.with_weights(state, {"plastic.W_o": state.W_o_YS + 1.0})
    assert np.array_equal(moved.W_o_YS, state.W_o_YS + 1.0)
    for weights in (
        {"plastic.X": np.ones(3)},
        {"plastic.W_o": state.W_o_YS[:, 1:]},
        {"plastic.W_o": state.W_o_YS * np.nan},
    ):
        with pytest.raises(ConfigError, match="matrix"):
            learner.with_weights(state, weights)


def test_a_state_of_another_base_and_a_buffer_of_another_length_are_refused():
    learner = Learner(BASE, online("rls"))
    other = Learner(rough_base(5, 3), online("rls"))
    with pytest.raises(SignatureMismatchError, match="another base"):
        learner.learn(other.fresh(), CALM[0])
    with pytest.raises(SignatureMismatchError, match="another base"):
        learner.learn(Learner(BASE, online("muon")).fresh(), CALM[0])
    short = replace(CALM[0], x_TX=CALM[0].x_TX[:-1])
    with pytest.raises(ConfigError, match="A buffer has the shapes"):
        learner.learn(learner.fresh(), short)


def test_a_longer_buffer_counts_each_step_once_and_is_judged_on_what_lies_before():
    seen = simulate(PlantConfig(seed=1, mu=0.05), 12 * 32)
    long = Learner(BASE, online("rls", chunk=32, buffer_len=64, **ANY))
    short = Learner(BASE, online("rls", **ANY))
    singles, doubles = chunks_of(BASE, seen), chunks_of(BASE, seen)
    doubles = [
        ChunkInput(
            h_S=one.h_S,
            x_TX=np.concatenate([one.x_TX, two.x_TX]),
            y_TY=np.concatenate([one.y_TY, two.y_TY]),
        )
        for one, two in pairwise(singles)
    ]
    state = learn_all(long, doubles[:4])
    wanted = learn_all(short, singles[1:5])
    assert furthest(state, wanted, "plastic.W_o") <= 1e-9
    assert np.array_equal(state.arrays["session.heldout_y"][0], doubles[2].y_TY)
    fresh = Learner(BASE, online("rls", buffer_len=64))
    events, after = [], fresh.fresh()
    for chunk in doubles[:3]:
        learned = fresh.learn(after, chunk)
        after = learned.state
        events.append(learned.event["heldout_before"])
    assert [one is None for one in events] == [True, True, False]
