"""The speed suite measures what it says: the same chunks for all, and all of them learned."""

import pytest

from benchmarks.speed import BURST, GUARDED, RATE, SHIPPED, SPFW, WARM_CHUNKS, monitor, take_turns
from benchmarks.speed_cases import CANARY, TOKENS, Unmonitored, random_base, readable_chunks
from benchmarks.speed_parts import part_rows
from ttt.core.objective import AutoRegressive
from ttt.core.rules import Sgd
from ttt.spine.change import Outcome

BASE = random_base("ssm", vocab_size=512, width=16, hidden=16)
CHUNKS = readable_chunks(BASE)


class Listener:
    """A loop that only remembers what it was given."""

    def __init__(self):
        self.heard = []

    def observe(self, chunk):
        self.heard.append(chunk)


def test_every_loop_gets_the_same_chunks_and_the_time_is_that_of_one():
    loops = {"a": Listener(), "b": Listener()}
    seconds = take_turns(loops, CHUNKS, 3, beside={"nothing": lambda: None})
    assert loops["a"].heard == loops["b"].heard
    assert len(loops["a"].heard) == WARM_CHUNKS + (1 + 3) * BURST
    assert {name: len(each) for name, each in seconds.items()} == {"a": 3, "b": 3, "nothing": 3}


def test_the_texts_suffice_for_a_session_without_repeating_and_are_of_full_length():
    assert len(CHUNKS) > WARM_CHUNKS
    assert all(len(chunk.token_ids) == TOKENS for chunk in CHUNKS)


def test_the_canary_of_the_case_of_record_is_short():
    assert len(BASE.encoder.encode(CANARY)) <= 24


@pytest.mark.parametrize("kind", [GUARDED, SPFW, SHIPPED])
def test_every_chunk_is_learned_whole(kind):
    session = monitor(BASE, "ar", Sgd(lr=RATE), kind)
    for chunk in CHUNKS[:60]:
        (event,) = session.observe(chunk)
        assert event.outcome is Outcome.COMMITTED
        assert event.spfw is None or event.spfw.probes == 0


def test_the_guarded_loop_learns_what_the_unmonitored_one_learns_where_nothing_is_clipped():
    plain = Unmonitored(BASE, AutoRegressive(), Sgd(lr=RATE))
    session = monitor(BASE, "ar", Sgd(lr=RATE), GUARDED)
    plain.observe(CHUNKS[0])
    session.observe(CHUNKS[0])
    assert plain.adapter_DD.equal(session.fast.state.adapter_DD)


def test_each_part_has_a_figure_for_both_backbones():
    rows = part_rows(1)
    for row in rows:
        assert all(float(cell) < 1e4 for title, cell in row.items() if title != "part")
    assert rows[0]["gru, %"] == rows[0]["ssm, %"] == "100.0"
