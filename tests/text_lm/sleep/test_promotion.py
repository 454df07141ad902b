"""Promotion as a guarded change: measured anew, refused with reasons, taken back."""

import shutil
import threading

import pytest

from tests.text_lm.sleep.nights import core_file, slept, tell
from ttt.errors import BusyError, ConfigError, CorruptArtifactError, NotFoundError, StorageError
from ttt.store.models import TOKENIZER, WEIGHTS
from ttt.store.promotions import current_base, read_promotions
from ttt.text_lm.chat.conversation import ChatRoom
from ttt.text_lm.chat.options import ChatSettings, SayOptions
from ttt.text_lm.models import delete_model, show_model
from ttt.text_lm.sleep import gates
from ttt.text_lm.sleep import promotion as module
from ttt.text_lm.sleep.manifest import read_manifest
from ttt.text_lm.sleep.promotion import promote, reject, roll_back, use

GOOD, BAD = "good", "bad"


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory):
    """A tree with a candidate that passes its gates and one that does not."""
    root = tmp_path_factory.mktemp("nights") / "tree"
    core = core_file(tmp_path_factory.mktemp("core"))
    tell(root)
    slept(root, core, candidate_id=GOOD)
    slept(root, core, candidate_id=BAD, lr=0.5, train_steps=2, core_rise_nats=0.0)
    return root


@pytest.fixture
def root(tmp_path, two_nights):
    shutil.copytree(two_nights, tmp_path / "tree")
    return tmp_path / "tree"


def test_a_candidate_that_passes_becomes_the_current_base(root):
    decision = promote(root, GOOD, note="slept well").decision
    assert (decision.outcome, decision.reasons, decision.note) == ("committed", (), "slept well")
    assert decision.readings["mixed_fall"] > 0
    assert current_base(root) == GOOD
    assert show_model(root, GOOD).status == "promoted"


def test_a_candidate_that_fails_its_gate_cannot_be_promoted(root):
    decision = promote(root, BAD).decision
    assert decision.outcome == "reverted"
    assert "core_rise" in decision.reasons
    assert current_base(root) == "starter-gru"
    assert show_model(root, BAD).status == "sleep_candidate"


def test_the_gates_are_measured_and_not_read_from_the_manifest(root, monkeypatch):
    """A forged manifest says that the gates were passed; its limits still hold."""
    honest = read_manifest(root, BAD)
    forged = {**honest, "gate": {**honest["gate"], "allowed": True, "reasons": []}}
    monkeypatch.setattr(module, "read_manifest", lambda root, model_id: forged)
    assert promote(root, BAD).decision.outcome == "reverted"


def test_every_attempt_is_on_record(root):
    promote(root, BAD)
    promote(root, GOOD)
    promote(root, GOOD)
    outcomes = [(one.decision.act, one.decision.outcome) for one in read_promotions(root)]
    assert outcomes == [("promote", "reverted"), ("promote", "committed"), ("promote", "refused")]


def test_only_a_candidate_of_the_current_base_is_promoted(root):
    assert promote(root, "starter-ssm").decision.reasons == (
        "is_built_in", "not_from_current_base",
    )  # fmt: skip
    use(root, "starter-ssm")
    decision = promote(root, GOOD).decision
    assert (decision.outcome, decision.reasons) == ("refused", ("not_from_current_base",))


def test_a_rejected_candidate_stays_rejected(root):
    assert reject(root, GOOD, note="no").decision.outcome == "committed"
    assert show_model(root, GOOD).status == "rejected"
    assert promote(root, GOOD).decision.reasons == ("is_rejected",)
    assert reject(root, GOOD).decision.reasons == ("is_rejected",)
    assert current_base(root) == "starter-gru"


def test_a_rollback_goes_back_and_the_model_is_a_candidate_again(root):
    promote(root, GOOD)
    decision = roll_back(root, note="too eager").decision
    assert (decision.outcome, decision.model_id, decision.after) == (
        "committed", "starter-gru", "starter-gru",
    )  # fmt: skip
    assert show_model(root, GOOD).status == "sleep_candidate"
    assert promote(root, GOOD).decision.outcome == "committed"


def test_there_is_nothing_before_the_first_base(root):
    decision = roll_back(root).decision
    assert (decision.outcome, decision.reasons) == ("refused", ("nothing_before_it",))


def test_any_sound_model_but_a_candidate_can_be_used(root):
    assert use(root, "starter-ssm").decision.outcome == "committed"
    assert use(root, "starter-ssm").decision.reasons == ("current_already",)
    assert use(root, GOOD).decision.reasons == ("is_sleep_candidate",)
    assert current_base(root) == "starter-ssm"
    assert roll_back(root).decision.after == "starter-gru"


@pytest.mark.parametrize("act", [promote, reject, use])
def test_a_model_that_is_not_there_is_an_error(root, act):
    with pytest.raises(NotFoundError, match="nobody"):
        act(root, "nobody")
    assert read_promotions(root) == ()


@pytest.mark.parametrize("name", [WEIGHTS, TOKENIZER, gates.HELD_OUT])
def test_a_damaged_candidate_is_never_promoted(root, name):
    path = root / "text_models" / GOOD / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))
    assert promote(root, GOOD).decision.reasons == ("is_damaged",)
    assert current_base(root) == "starter-gru"


def test_damage_that_shows_only_when_it_is_measured_leaves_the_old_base(root, monkeypatch):
    def damaged(*_, **__):
        raise CorruptArtifactError("held_out.safetensors differs from its recorded digest.")

    monkeypatch.setattr(module, "decode_held_out", damaged)
    with pytest.raises(CorruptArtifactError):
        promote(root, GOOD)
    assert current_base(root) == "starter-gru"
    (record,) = read_promotions(root)
    assert record.decision.outcome == "failed"
    assert "differs from its recorded digest" in record.decision.note


def test_a_full_disk_leaves_the_old_base(root, monkeypatch):
    def full(*_, **__):
        raise StorageError("Cannot write: the disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(module, "append_promotion", full)
        with pytest.raises(StorageError, match="full"):
            promote(root, GOOD)
    assert current_base(root) == "starter-gru"
    assert promote(root, GOOD).decision.outcome == "committed"


def test_a_candidate_that_is_deleted_while_it_is_measured_is_not_switched_to(root, monkeypatch):
    measured = module.gate_verdict

    def deleted_meanwhile(*given):
        delete_model(root, GOOD)
        return measured(*given)

    monkeypatch.setattr(module, "gate_verdict", deleted_meanwhile)
    with pytest.raises(NotFoundError, match="removed it meanwhile"):
        promote(root, GOOD)
    assert current_base(root) == "starter-gru"


def test_of_two_who_decide_at_once_one_is_told(root, monkeypatch):
    """Both have looked before either has decided."""
    ready = threading.Barrier(2)
    append, won, told = module.append_promotion, [], []

    def together(*given, **needed):
        ready.wait()
        return append(*given, **needed)

    monkeypatch.setattr(module, "append_promotion", together)

    def decide(act, model_id):
        try:
            won.append(act(root, model_id).decision.after)
        except BusyError as error:
            told.append(str(error))

    threads = [
        threading.Thread(target=decide, args=given)
        for given in ((promote, GOOD), (use, "starter-ssm"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [current_base(root)]
    assert len(told) == 1
    assert "Look again" in told[0]


def test_new_sessions_start_on_the_new_base_and_old_ones_stay(root):
    promote(root, GOOD)
    room = ChatRoom(root)
    room.new("after", ChatSettings())
    assert room.settings("after").base == GOOD
    assert room.settings("day-0").base == "starter-gru"
    for session_id in ("after", "day-0"):
        events = list(room.send(session_id, "The river runs.", SayOptions(max_new_tokens=1)))
        assert events[-1].kind == "done"
    roll_back(root)
    assert list(ChatRoom(root).send("after", "It runs on.", SayOptions(max_new_tokens=0)))


def test_what_is_current_or_may_become_it_again_is_not_deleted(root):
    promote(root, GOOD)
    with pytest.raises(ConfigError, match="it is the current base"):
        delete_model(root, GOOD)
    use(root, "starter-ssm")
    with pytest.raises(ConfigError, match="go back to it"):
        delete_model(root, GOOD)
    assert delete_model(root, BAD)


def test_a_model_that_no_night_has_made_has_no_manifest(root):
    with pytest.raises(NotFoundError, match="starter-ssm"):
        read_manifest(root, "starter-ssm")
