"""Every command on the history, called as the terminal and the service call it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.branching.toy import Toy, lesson, new_session, random_lessons, teach
from ttt.branching.arrays import weights_of
from ttt.branching.commands import COMMANDS
from ttt.branching.options import HISTORY, UPKEEP
from ttt.branching.screen import show_answer
from ttt.branching.store_commands import COMMANDS as ON_THE_TREE
from ttt.branching.weights import weights
from ttt.branching.workshop import Probe
from ttt.errors import ConfigError, NotFoundError
from ttt.store.domains import NANO, Domain
from ttt.store.tensor_files import encode_arrays


@dataclass
class ToyWorkshop:
    """The toy domain for commands; its probes are always the largest weight and all of them."""

    root: Path
    toy: Toy

    @property
    def domain(self) -> Domain:
        return NANO

    @property
    def figures(self) -> tuple[str, ...]:
        return ("size",)

    def replayer(self, session) -> Toy:
        return self.toy

    def probe(self, session, words: str) -> Probe:
        return Probe(
            shown=f"all weights {words}".strip(),
            loss=lambda state: float(np.abs(weights_of(state)["plastic.w"]).max()),
            predict=lambda state: weights_of(state)["plastic.w"],
        )


@pytest.fixture
def workshop(tmp_path):
    toy = Toy()
    lessons = random_lessons(5)
    lessons[2] = lesson(90, 90, 90)
    teach(new_session(tmp_path), toy, lessons)
    return ToyWorkshop(tmp_path, toy)


def call(workshop, command, **options):
    return COMMANDS[command](HISTORY[command](artifacts_root=workshop.root, **options), workshop)


def test_sessions_commits_and_forks_are_shown(workshop):
    made = call(workshop, "fork_session", parent_session_id="alice", child_session_id="bob", n="3")
    assert made.plain["parent"] == "alice:3"
    sessions = call(workshop, "list_sessions").plain["sessions"]
    assert [(one["session_id"], one["commits"]) for one in sessions] == [("alice", 6), ("bob", 1)]
    shown = call(workshop, "show_session", session_id="bob").plain
    assert (shown["root_session_id"], shown["head_event"]) == ("alice", "fork")
    commit = call(workshop, "show_session", session_id="bob", n="alice:2").plain
    assert (commit["n"], commit["event"]["type"]) == (2, "update")
    log = call(workshop, "log", session_id="bob", limit=3).plain["commits"]
    assert [(one["session_id"], one["n"]) for one in log] == [
        ("bob", 0), ("alice", 3), ("alice", 2),
    ]  # fmt: skip


def test_the_input_that_broke_it_is_found_blamed_and_taken_back(workshop):
    found = call(workshop, "bisect", session_id="alice", threshold=5.0)
    assert found.plain["found"] == "alice:3"
    assert "alice:3" in found.lines[0]
    blamed = call(workshop, "blame", session_id="alice", top=2).plain["inputs"]
    assert blamed[0]["commit"] == "alice:3"
    done = call(workshop, "revert", session_id="alice", n="3")
    assert done.ok
    assert (done.plain["reverted"], done.plain["head"], done.plain["exact"]) == ("alice:3", 6, True)
    assert call(workshop, "log", session_id="alice").plain["commits"][3]["taken_back"]


def test_a_recorded_figure_can_be_bisected_and_one_that_is_not_there_is_named(workshop):
    with pytest.raises(NotFoundError, match="records: no figure"):
        call(workshop, "bisect", session_id="alice", metric="loss", threshold=1.0)


def test_differences_are_between_any_two_commits(workshop):
    (row,) = call(workshop, "diff", session_id="alice", a="2", b="head").plain["tensors"]
    assert row["name"] == "plastic.w"
    assert row["norm_delta"] > 0.0
    assert call(workshop, "diff", session_id="alice", a="1", b="1").plain["tensors"][0]["rank"] == 0


def test_a_checkout_is_a_branch_named_after_its_commit(workshop):
    first = call(workshop, "checkout", session_id="alice", n="head~1")
    second = call(workshop, "checkout", session_id="alice", n="4")
    assert first.plain["session_id"] == "alice-at-4"
    assert second.plain["session_id"] == "alice-at-4-2"


def test_tags_name_commits(workshop):
    assert call(workshop, "tag", session_id="alice", name="good", n="2").plain == {
        "tags": {"good": 2}
    }
    assert call(workshop, "show_session", session_id="alice", n="good").plain["n"] == 2
    assert call(workshop, "tag", session_id="alice").rows == (("good", 2),)


def test_forks_are_merged(workshop):
    call(workshop, "fork_session", parent_session_id="alice", child_session_id="bob", n="2")
    done = call(workshop, "merge", session_id="alice", others=("bob",), method="ties")
    assert done.ok
    assert done.plain["ancestor"] == "alice:2"


def test_a_merge_that_is_refused_is_no_success(workshop, capsys):
    workshop.toy.tolerance = 1e-9
    call(workshop, "fork_session", parent_session_id="alice", child_session_id="bob", n="2")
    answer = call(workshop, "merge", session_id="alice", others=("bob",))
    assert show_answer(answer, json_output=True) == 1
    assert json.loads(capsys.readouterr().out)["outcome"] == "reverted"


def test_contradicting_switches_are_refused(workshop):
    with pytest.raises(ConfigError, match="exclude each other"):
        call(
            workshop,
            "fork_session",
            parent_session_id="alice",
            child_session_id="bob",
            copy_optimizer=True,
            reset_optimizer=True,
        )


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_answer_is_json_and_a_table(workshop, name, capsys):
    call(workshop, "fork_session", parent_session_id="alice", child_session_id="bob", n="2")
    given = {
        "fork_session": {"parent_session_id": "alice", "child_session_id": "carol"},
        "list_sessions": {},
        "outliers": {},
        "checkout": {"session_id": "alice", "n": "1"},
        "revert": {"session_id": "alice", "n": "1"},
        "merge": {"session_id": "alice", "others": ("bob",)},
        "bisect": {"session_id": "alice", "threshold": 5.0},
    }.get(name, {"session_id": "alice"})
    answer = call(workshop, name, **given)
    assert show_answer(answer, json_output=False) == 0
    header = capsys.readouterr().out.splitlines()[0]
    assert header.split("\t") == list(answer.columns)
    assert show_answer(answer, json_output=True) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(answer.plain))


@pytest.mark.parametrize("session_id", ["../x", "Alice", "a\nb", "x" * 300, ""])
def test_an_id_that_can_be_none_is_refused(workshop, session_id):
    with pytest.raises(ConfigError):
        call(workshop, "log", session_id=session_id)


def test_a_session_that_is_not_there_is_not_found_and_the_others_are_named(workshop):
    with pytest.raises(NotFoundError, match="alice"):
        call(workshop, "log", session_id="nobody")


def test_every_command_has_options_and_a_function():
    assert HISTORY.keys() == COMMANDS.keys()
    assert UPKEEP.keys() == ON_THE_TREE.keys()


def test_weights_show_true_singular_values_and_every_entry(workshop):
    (shown,) = call(workshop, "weights", session_id="alice", n="2").plain["weights"]
    matrix = np.array(shown["values"])
    assert list(matrix.shape) == shown["shape"]
    assert shown["averaged"] is False
    assert shown["singular_values"] == pytest.approx(np.linalg.svd(matrix, compute_uv=False))
    assert shown["norm"] == pytest.approx(np.linalg.norm(matrix))
    columns = np.linalg.norm(matrix, axis=0)
    assert sorted(columns) != pytest.approx(sorted(shown["singular_values"]))


def test_a_large_matrix_is_averaged_and_says_so():
    state = encode_arrays({"plastic.W": np.arange(256.0 * 128).reshape(256, 128)})
    (one,) = weights(state)
    assert (len(one.values), len(one.values[0]), one.averaged) == (64, 64, True)
    assert len(one.singular_values) == 128
    assert np.mean(one.values) == pytest.approx(np.arange(256.0 * 128).mean())
