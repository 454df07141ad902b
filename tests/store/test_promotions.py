"""Which base is current: a chain of records, of which the newest is the pointer."""

import json
import threading
from dataclasses import replace

import pytest

from ttt.errors import BusyError, CorruptArtifactError, StorageError
from ttt.store.fsck import fsck
from ttt.store.layout import promotions as folder_of
from ttt.store.promotions import (
    CURRENT,
    FIRST_BASE,
    Decision,
    append_promotion,
    current_base,
    read_promotions,
    resolved_base,
    standing,
)


def decided(act="promote", model_id="one", *, before=FIRST_BASE, after=None, **more):
    return Decision(
        act=act,
        model_id=model_id,
        outcome=more.pop("outcome", "committed"),
        before=before,
        after=model_id if after is None else after,
        **more,
    )


def test_an_untouched_tree_has_the_programs_own_base(tmp_path):
    assert current_base(tmp_path) == FIRST_BASE
    assert read_promotions(tmp_path) == ()
    assert resolved_base(tmp_path, CURRENT) == FIRST_BASE
    assert resolved_base(tmp_path, "mine") == "mine"


def test_the_newest_record_is_the_pointer(tmp_path):
    append_promotion(tmp_path, decided(readings={"core_rise": -0.01}, note="good"))
    append_promotion(tmp_path, decided(model_id="two", before="one"))
    assert current_base(tmp_path) == "two"
    first, second = read_promotions(tmp_path)
    assert (first.n, second.n) == (0, 1)
    assert first.decision == decided(readings={"core_rise": -0.01}, note="good")
    assert fsck(tmp_path).ok


def test_a_decision_on_another_base_than_the_current_one_is_refused(tmp_path):
    append_promotion(tmp_path, decided())
    with pytest.raises(BusyError, match="'one' now"):
        append_promotion(tmp_path, decided(model_id="two"))
    assert current_base(tmp_path) == "one"


def test_the_same_decision_asked_again_is_written_once(tmp_path):
    assert append_promotion(tmp_path, decided()) == append_promotion(tmp_path, decided())
    assert len(read_promotions(tmp_path)) == 1


def test_of_many_at_once_one_wins(tmp_path):
    won, lost = [], []

    def decide(k):
        try:
            won.append(append_promotion(tmp_path, decided(model_id=f"m{k}")))
        except BusyError as error:
            lost.append(error)

    threads = [threading.Thread(target=decide, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert current_base(tmp_path) == won[0].decision.model_id


def test_a_rollback_goes_back_one_promotion_at_a_time(tmp_path):
    steps = [
        decided(),
        decided(model_id="two", before="one"),
        decided("reject", "three", before="two", after="two"),
        decided("promote", "four", before="two", after="two", outcome="refused"),
    ]
    for step in steps:
        append_promotion(tmp_path, step)
    stands = standing(read_promotions(tmp_path))
    assert (stands.current, stands.earlier) == ("two", (FIRST_BASE, "one"))
    assert stands.statuses == {"one": "promoted", "two": "promoted", "three": "rejected"}
    append_promotion(tmp_path, decided("rollback", "one", before="two"))
    stands = standing(read_promotions(tmp_path))
    assert (stands.current, stands.earlier) == ("one", (FIRST_BASE,))
    assert stands.statuses == {"one": "promoted", "three": "rejected"}


@pytest.mark.parametrize("where", [0, 30, -3])
def test_a_flipped_byte_is_found(tmp_path, where):
    append_promotion(tmp_path, decided())
    path = folder_of(tmp_path) / "00000000.json"
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptArtifactError):
        current_base(tmp_path)
    assert not fsck(tmp_path).ok


def test_a_record_that_was_taken_out_or_moved_is_found(tmp_path):
    for before, name in ((FIRST_BASE, "one"), ("one", "two"), ("two", "three")):
        append_promotion(tmp_path, decided(model_id=name, before=before))
    folder = folder_of(tmp_path)
    data = (folder / "00000001.json").read_bytes()
    (folder / "00000001.json").unlink()
    with pytest.raises(CorruptArtifactError, match="gaps"):
        read_promotions(tmp_path)
    (folder / "00000001.json").write_bytes((folder / "00000002.json").read_bytes())
    with pytest.raises(CorruptArtifactError, match="not the record"):
        read_promotions(tmp_path)
    (folder / "00000001.json").write_bytes(data)
    assert len(read_promotions(tmp_path)) == 3


def test_a_record_of_another_chain_is_no_part_of_this_one(tmp_path):
    for root, note in ((tmp_path / "a", ""), (tmp_path / "b", "another")):
        append_promotion(root, decided(note=note))
        append_promotion(root, decided(model_id="two", before="one"))
    foreign = (folder_of(tmp_path / "b") / "00000001.json").read_bytes()
    (folder_of(tmp_path / "a") / "00000001.json").write_bytes(foreign)
    with pytest.raises(CorruptArtifactError, match="not the record"):
        read_promotions(tmp_path / "a")


def test_a_note_too_long_for_a_record_is_refused(tmp_path):
    from ttt.errors import ConfigError

    with pytest.raises(ConfigError, match="shorten the note"):
        append_promotion(tmp_path, decided(note="x" * (1 << 19)))
    assert current_base(tmp_path) == FIRST_BASE


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path):
    append_promotion(tmp_path, decided())
    folder = folder_of(tmp_path)
    kept = folder.rename(tmp_path / "elsewhere")
    folder.write_text("a file")
    with pytest.raises(StorageError):
        current_base(tmp_path)
    folder.unlink()
    kept.rename(folder)
    assert current_base(tmp_path) == "one"


def test_a_record_is_readable_by_a_person(tmp_path):
    append_promotion(tmp_path, replace(decided(), reasons=("core_rise",)))
    plain = json.loads((folder_of(tmp_path) / "00000000.json").read_text())
    assert plain["decision"]["reasons"] == ["core_rise"]
