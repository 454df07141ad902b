"""No flipped byte is handed out as right: it is told, or the view it stands in is made anew."""

from collections import Counter

import pytest

from tests.crash.flips import build, flip, subjects
from tests.crash.processes import outcomes

FLIPS_MIN = 7000
KINDS = {"format", "base", "blob", "commit", "view", "review", "run", "tag", "index", "model"}
KINDS |= {"training", "promotion"}


@pytest.mark.timeout(600)
def test_every_flipped_byte_of_a_tree_is_told_or_does_no_harm(tmp_path):
    (came,) = outcomes(tmp_path, "flips FOLDER")
    assert came["silent"] == []
    assert came["flips"] >= FLIPS_MIN
    ends = Counter(came["counts"])
    assert {kind.rpartition(" ")[0] for kind in ends} == KINDS
    assert all(kind in ("view", "index") for kind, end in map(str.split, ends) if end != "detected")


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_million_flipped_bytes(tmp_path):
    halves = outcomes(tmp_path, *(f"flips FOLDER --rounds 64 --seed {seed}" for seed in (1, 2)))
    assert [came["silent"] for came in halves] == [[], []]
    assert sum(came["flips"] for came in halves) >= 1_000_000


# --- in this process, where planted bugs are seen (tests/mutants) ---------------------------------


@pytest.mark.parametrize("kind", "index view blob tag review training promotion".split())
def test_each_kind_of_file_is_watched(tmp_path, kind):
    root = tmp_path / "tree"
    build(root)
    watched = [one for one in subjects(root) if one.kind == kind][:2]
    assert watched
    came = flip(root, step=4, only=watched)
    assert came["silent"] == []
    assert came["flips"] > 20
