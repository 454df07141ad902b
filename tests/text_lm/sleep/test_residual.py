"""What the sessions know beyond a candidate: who lends, what is kept, how it is started from."""

import pytest
import torch

from tests.text_lm.sleep.nights import core_file, slept, tell
from ttt.errors import CorruptArtifactError, NotFoundError
from ttt.store.models import read_model_file
from ttt.text_lm.chat.conversation import ChatRoom
from ttt.text_lm.chat.options import ChatSettings, SayOptions
from ttt.text_lm.sleep import residual as module
from ttt.text_lm.sleep.auditor import Finding
from ttt.text_lm.sleep.gates import HeldOut
from ttt.text_lm.sleep.harvest import Memory
from ttt.text_lm.sleep.manifest import read_manifest
from ttt.text_lm.sleep.promotion import promote
from ttt.text_lm.sleep.residual import SHARES, lenders, residual_of
from ttt.text_lm.start_weights import RESIDUAL, read_start_weights

ID = "starter-gru-sleep-1"


@pytest.fixture(scope="module")
def promoted(tmp_path_factory):
    root = tmp_path_factory.mktemp("night") / "tree"
    tell(root)
    night, _ = slept(root, core_file(tmp_path_factory.mktemp("core")), residual=True)
    promote(root, ID)
    return root, night


def finding(place, *reasons, approved=False):
    memory = Memory(place=place, root_session_id="r", created_at="", text="")
    return Finding(memory=memory, approved=approved or not reasons, reasons=reasons, readings={})


def test_a_residual_helps_on_held_out_memories_and_is_kept(promoted):
    root, night = promoted
    kept = night.trial.residual
    assert kept.sessions == 3
    assert kept.share in SHARES
    assert kept.memory_fall > 0
    assert kept.canary_rise <= 0.05
    assert read_manifest(root, ID)["residual"]["share"] == kept.share
    assert torch.equal(read_start_weights(root, ID, width=128), kept.adapter_DD)


def test_a_session_starts_from_it_and_a_reset_goes_back_to_it(promoted):
    root, night = promoted
    room = ChatRoom(root)
    room.new("ada", ChatSettings(start="residual"))
    room.new("bob", ChatSettings())

    def weights(session_id):
        return room._opened(session_id).prepared.state.fast.adapter_DD

    assert torch.equal(weights("ada"), night.trial.residual.adapter_DD)
    assert not weights("bob").any()
    list(room.send("ada", "The river runs through the valley.", SayOptions(max_new_tokens=0)))
    assert not torch.equal(weights("ada"), night.trial.residual.adapter_DD)
    room.reset("ada")
    assert torch.equal(weights("ada"), night.trial.residual.adapter_DD)


def test_its_own_drift_counts_against_the_budget(promoted):
    room = ChatRoom(promoted[0])
    learner = room.workshop.learner(ChatSettings(start="residual"))
    drift = learner.drift_nats(learner.prepare(learner.fresh()))
    assert drift != 0.0


def test_a_base_without_one_says_so(promoted):
    with pytest.raises(NotFoundError, match="ttt sleep --residual"):
        ChatRoom(promoted[0]).new("eve", ChatSettings(base="starter-gru", start="residual"))


def test_one_of_another_width_is_refused(promoted):
    root, _ = promoted
    assert read_model_file(root, ID, RESIDUAL)
    with pytest.raises(CorruptArtifactError, match="width 64"):
        read_start_weights(root, ID, width=64)


def test_a_session_with_a_doubtful_memory_lends_nothing():
    findings = [
        finding("good:1"), finding("good:2", "duplicate"), finding("bad:1"),
        finding("bad:2", "campaign"), finding("none:1", "duplicate"),
        finding("kept:1", "let_in", "private", approved=True),
    ]  # fmt: skip
    assert lenders(findings) == ["good", "kept"]


def test_what_no_share_of_helps_is_not_kept(promoted, monkeypatch):
    root, night = promoted
    calls = iter([1.0, 1.0] + [1.0, 1.0] * len(SHARES))
    monkeypatch.setattr(module, "loss_of", lambda *_, **__: next(calls))
    rows = HeldOut(core=((1, 2),), memory=((1, 2),), canary=((1, 2),))
    model = ChatRoom(root).workshop.base(ID).model
    assert residual_of(root, night.findings, model, rows, canary_rise_max=0.05) is None


def test_the_largest_share_within_the_canary_limit_is_taken(promoted, monkeypatch):
    root, night = promoted
    losses = iter([1.0, 1.0, 0.5, 1.2, 0.6, 1.05])
    monkeypatch.setattr(module, "loss_of", lambda *_, **__: next(losses))
    rows = HeldOut(core=((1, 2),), memory=((1, 2),), canary=((1, 2),))
    model = ChatRoom(root).workshop.base(ID).model
    found = residual_of(root, night.findings, model, rows, canary_rise_max=0.06)
    assert found.share == SHARES[1]
