"""A past through its forks, and the names of commits."""

import pytest

from tests.branching.toy import Toy, new_session, no_model, random_lessons, teach
from ttt.branching.fork import checkout_name, fork
from ttt.branching.lineage import lineage, position, resolve, shown
from ttt.errors import ConfigError, NotFoundError
from ttt.store.commits import Place
from ttt.store.tags import put_tag


@pytest.fixture
def family(tmp_path):
    toy = Toy()
    parent = teach(new_session(tmp_path, "parent"), toy, random_lessons(4))
    child = teach(
        fork(parent, Place(session_id="parent", n=2), "child", lend=no_model),
        toy,
        random_lessons(2),
    )
    return parent, child


def test_a_past_runs_through_the_forks_oldest_first(family):
    _, child = family
    assert [shown(entry.place) for entry in lineage(child)] == [
        "parent:0", "parent:1", "parent:2", "child:0", "child:1", "child:2",
    ]  # fmt: skip
    assert [shown(entry.place) for entry in lineage(child, 1)][-1] == "child:1"


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("2", "child:2"), ("0", "child:0"), ("head", "child:2"), ("head~1", "child:1"),
        ("first", "child:1"), ("parent:3", "parent:3"), ("parent:head", "parent:4"),
        ("parent:head~4", "parent:0"),
    ],
)  # fmt: skip
def test_a_commit_has_names(family, address, place):
    _, child = family
    put_tag(child, "first", 1)
    assert shown(resolve(child, address)) == place


@pytest.mark.parametrize("address", ["3", "head~3", "nobody:1", "unknown", "parent:9"])
def test_a_commit_that_is_not_there_is_not_found(family, address):
    with pytest.raises(NotFoundError):
        resolve(family[1], address)


@pytest.mark.parametrize("address", ["", "head~", "a:b:c", "head~x", ":", "~1"])
def test_what_is_no_name_is_refused_with_the_names_there_are(family, address):
    with pytest.raises(ConfigError, match="names no commit"):
        resolve(family[1], address)


def test_a_commit_of_another_branch_is_not_in_the_past(family):
    _, child = family
    with pytest.raises(NotFoundError, match="not in this session's past"):
        position(lineage(child), Place(session_id="parent", n=3))


def test_a_checkout_is_named_after_its_commit(family):
    place = Place(session_id="parent", n=2)
    assert checkout_name(place, ()) == "parent-at-2"
    assert checkout_name(place, ["parent-at-2", "parent-at-2-2"]) == "parent-at-2-3"
    long = checkout_name(Place(session_id="x" * 64, n=12345678), ())
    assert len(long) <= 64
    assert long.endswith("-at-12345678")
