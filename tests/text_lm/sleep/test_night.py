"""One night, whole or not at all, and the next one from what was promoted."""

import shutil
from dataclasses import asdict

import pytest

from tests.text_lm.sleep.nights import core_file, options, slept, tell
from ttt.core.model import signature
from ttt.errors import ConfigError, InputError, NotFoundError, StorageError
from ttt.monitors.setup import named_base
from ttt.store import models as stored
from ttt.store.fsck import fsck
from ttt.store.models import read_model
from ttt.store.promotions import current_base
from ttt.text_lm.models import show_model
from ttt.text_lm.sleep import night as module
from ttt.text_lm.sleep import training
from ttt.text_lm.sleep.gates import HELD_OUT, decode_held_out
from ttt.text_lm.sleep.manifest import read_manifest
from ttt.text_lm.sleep.night import free_candidate_id, sleep
from ttt.text_lm.sleep.promotion import promote

ID = "starter-gru-sleep-1"


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    return core_file(tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    root = tmp_path_factory.mktemp("told") / "tree"
    tell(root)
    return root


@pytest.fixture(scope="module")
def night(tmp_path_factory, told, core):
    """A tree in which one night was slept, its `Night`, and its progress."""
    root = tmp_path_factory.mktemp("night") / "tree"
    shutil.copytree(told, root)
    return root, *slept(root, core)


@pytest.fixture
def root(tmp_path, told):
    shutil.copytree(told, tmp_path / "tree")
    return tmp_path / "tree"


def test_a_night_leaves_a_candidate_that_knows_more(night):
    root, found, _ = night
    assert found.candidate_id == ID
    assert found.trial.verdict.allowed
    assert found.trial.after.memory < found.trial.before.memory
    info = show_model(root, ID)
    assert (info.status, info.parents) == ("sleep_candidate", ("starter-gru",))
    base = named_base(root, ID)
    assert signature(base.model) != signature(named_base(root, "starter-gru").model)
    assert base.fisher is not None
    assert fsck(root).ok


def test_the_base_stays_current_until_somebody_promotes(night):
    root, *_ = night
    assert current_base(root) == "starter-gru"


def test_progress_tells_every_stage_in_order(night):
    _, _, told = night
    stages = list(dict.fromkeys(stage for stage, *_ in told))
    assert stages == [
        "harvesting", "auditing", "encoding_corpus", "consolidating", "measuring", "saving",
    ]  # fmt: skip
    assert ("auditing", 6, 6) in told
    assert ("consolidating", 8, 8) in told


def test_the_manifest_says_what_the_candidate_was_made_from(night):
    root, found, _ = night
    manifest = read_manifest(root, ID)
    places = {one["place"] for one in manifest["memories"]}
    assert places == {f"day-{k}:{n}" for k in range(3) for n in (1, 2)}
    assert sum(one["held_out"] for one in manifest["memories"]) == 1
    assert manifest["losses"] == {
        "before": asdict(found.trial.before),
        "after": asdict(found.trial.after),
    }
    assert manifest["gate"]["allowed"] is True
    assert manifest["audited"] is True
    text = "The river runs"
    assert text not in str(manifest)


def test_what_is_held_out_is_never_trained_on(root, core, monkeypatch):
    trained = []
    consolidate = training.consolidate

    def watched(model, source, memories, config, *, report):
        trained.extend(memories)
        return consolidate(model, source, memories, config, report=report)

    monkeypatch.setattr(training, "consolidate", watched)
    slept(root, core)
    data = stored.read_model_file(root, ID, HELD_OUT)
    held_out = decode_held_out(data, where=HELD_OUT, vocab_size=4096)
    assert held_out.memory
    assert not set(trained) & set(held_out.memory)
    assert len(trained) + len(held_out.memory) == 6


def test_the_same_night_gives_the_same_weights(night, root, core):
    slept(root, core)
    assert read_model(root, ID).weights_sha256 == read_model(night[0], ID).weights_sha256


def test_a_dry_run_shows_the_memories_and_writes_nothing(root, core):
    before = sorted(path for path in root.rglob("*") if "index" not in path.name)
    found, told = slept(root, core, dry_run=True)
    assert len(found.approved) == 6
    assert (found.candidate_id, found.trial) == ("", None)
    assert {stage for stage, *_ in told} == {"harvesting", "auditing"}
    after = sorted(path for path in root.rglob("*") if "index" not in path.name)
    assert before == after


def test_too_few_memories_make_no_night(root, core):
    with pytest.raises(InputError, match="2 approved memories of 2; a night needs 4"):
        slept(root, core, max_memories=2)
    with pytest.raises(InputError, match="0 approved memories of 0"):
        slept(root, core, base_model_id="starter-ssm")


def test_what_a_person_says_of_a_memory_must_be_about_one(root, core):
    with pytest.raises(ConfigError, match="no memory 'day-9:1'"):
        slept(root, core, leave_out=("day-9:1",), dry_run=True)
    found, _ = slept(root, core, leave_out=("day-0:1",), dry_run=True)
    assert len(found.approved) == 5


def test_without_the_auditor_everything_but_what_a_person_leaves_out_is_let_in(root, core):
    found, _ = slept(root, core, audit=False, leave_out=("day-0:1",), dry_run=True)
    assert [one.memory.place for one in found.findings if not one.approved] == ["day-0:1"]
    assert all(not one.readings for one in found.findings)


@pytest.mark.parametrize(
    ("changed", "error", "match"),
    [
        ({"base_model_id": "nobody"}, NotFoundError, "nobody"),
        ({"candidate_id": "current"}, ConfigError, "always means a certain base"),
        ({"candidate_id": "Not an id"}, ConfigError, "cannot be used"),
        ({"core_path": ("/no/such/file",)}, InputError, "/no/such/file"),
        ({"reviewer_url": "nowhere"}, ConfigError, "no address"),
    ],
)
def test_what_cannot_be_slept_is_refused(root, core, changed, error, match):
    with pytest.raises(error, match=match):
        slept(root, core, **changed)
    assert stored.list_models(root) == ()


def test_a_taken_id_is_refused_before_any_work(root, core, monkeypatch):
    (root / "text_models" / "taken").mkdir(parents=True)
    monkeypatch.setattr(module, "harvest", None)
    with pytest.raises(ConfigError, match="exists already"):
        slept(root, core, candidate_id="taken")


@pytest.mark.parametrize("stage", ["harvesting", "auditing", "consolidating", "saving"])
def test_a_night_that_is_interrupted_has_never_been(root, core, stage):
    def interrupt(now, done, total):
        if now == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sleep(options(root, core), progress=interrupt)
    assert stored.list_models(root) == ()
    assert fsck(root).ok


def test_a_full_disk_leaves_no_candidate(root, core, monkeypatch):
    def full(*_, **__):
        raise StorageError("Cannot write: the disk is full.")

    monkeypatch.setattr("ttt.store.records.save_folder", full)
    with pytest.raises(StorageError, match="full"):
        slept(root, core)
    assert stored.list_models(root) == ()


def test_the_second_and_third_night_go_on_from_what_was_promoted(night, tmp_path, core):
    root = tmp_path / "tree"
    shutil.copytree(night[0], root)
    for number in (2, 3):
        promoted = f"starter-gru-sleep-{number - 1}"
        assert promote(root, promoted).decision.outcome == "committed"
        tell(root, "current", day=f"day{number}")
        found, _ = slept(root, core)
        assert found.base == promoted
        assert found.candidate_id == f"starter-gru-sleep-{number}"
        assert {one.memory.place[:4] for one in found.findings} == {f"day{number}"}
    assert show_model(root, "starter-gru-sleep-3").parents == ("starter-gru-sleep-2",)


def test_a_candidate_that_nobody_promoted_is_never_slept_on_by_default(night, tmp_path, core):
    root = tmp_path / "tree"
    shutil.copytree(night[0], root)
    found, _ = slept(root, core)
    assert found.base == "starter-gru"
    assert found.candidate_id == "starter-gru-sleep-2"


def test_a_base_that_is_asked_for_by_another_name_is_still_the_parent(root, core):
    found, _ = slept(root, core, base_model_id="starter")
    assert found.base == "starter-gru"
    assert promote(root, found.candidate_id).decision.outcome == "committed"


def test_names_of_candidates_are_counted_from_the_root_of_their_line(tmp_path):
    assert free_candidate_id(tmp_path, "mine-sleep-7") == "mine-sleep-1"
    assert len(free_candidate_id(tmp_path, "x" * 64)) <= 64


def test_a_night_that_fails_its_gates_is_kept_and_says_so(root, core):
    found, _ = slept(root, core, core_rise_nats=0.0, canary_rise_nats=0.0, lr=0.5, train_steps=2)
    assert not found.trial.verdict.allowed
    assert "core_rise" in found.trial.verdict.reasons
    assert read_manifest(root, found.candidate_id)["gate"]["allowed"] is False
