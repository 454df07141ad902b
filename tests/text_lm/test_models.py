"""The list of models: nothing is hidden, nothing that something stands on goes."""

import shutil
from dataclasses import asdict

import pytest

from ttt.core.model import ModelConfig, random_model, signature
from ttt.errors import ConfigError, NotFoundError
from ttt.store.domains import NANO, TEXT
from ttt.store.models import read_model, save_model
from ttt.store.sessions import Draft, create_session
from ttt.store.training_status import TrainingStatus, claim_training, write_training_status
from ttt.text_lm.models import compare_models, delete_model, dependents, list_models, show_model
from ttt.text_lm.tokenizer import train_tokenizer

ENCODER = train_tokenizer(["the cat"], vocab_size=260)
LOSSES = {"ar_nats_per_token": 5.5}


def save(root, model_id="one", *, width=8, seed=0, **meta):
    config = ModelConfig(backbone="ssm", vocab_size=260, width=width, layers=1, hidden=8)
    model = random_model(config, seed=seed)
    save_model(
        root,
        model_id,
        tensors=model.state_dict(),
        config=asdict(config),
        tokenizer_json=ENCODER.json,
        meta={"options": {"steps": 5, "lr": 0.03}, "held_out": LOSSES} | meta,
    )
    return model


def open_session(root, session_id="s", domain=TEXT, **bound):
    event = {"type": "init", "model_signature": "other", "base_ckpt_hash": "other"} | bound
    create_session(root, domain, session_id, draft=Draft(state=b"x", event=event))


def ids(root):
    return [one.model_id for one in list_models(root)]


def test_an_empty_tree_has_the_models_of_the_program_and_reading_makes_nothing(tmp_path):
    assert ids(tmp_path / "none") == ["starter-gru", "starter-ssm"]
    assert list(tmp_path.iterdir()) == []


def test_the_list_tells_what_a_model_is_and_says(tmp_path):
    save(tmp_path, "b", status="sleep_candidate", parents=["a"])
    save(tmp_path, "a")
    first, second = list_models(tmp_path)[:2]
    assert (first.model_id, first.status, first.parents) == ("a", "completed", ())
    assert (second.status, second.parents) == ("sleep_candidate", ("a",))
    assert first.config["width"] == 8
    assert first.held_out == LOSSES
    assert first.options["steps"] == 5
    assert first.weights_bytes > 1000
    assert first.weights_sha256 == read_model(tmp_path, "a").weights_sha256
    assert first.created


def test_damage_is_shown_and_not_hidden(tmp_path):
    save(tmp_path, "bad")
    (tmp_path / "text_models" / "bad" / "meta.json").write_bytes(b"{")
    (bad, *_) = list_models(tmp_path)
    assert (bad.model_id, bad.status) == ("bad", "damaged")
    assert "meta.json" in bad.note
    assert show_model(tmp_path, "bad").note == bad.note


def test_a_training_without_a_model_is_listed_with_how_far_it_is(tmp_path):
    save(tmp_path, "done")
    for name in ("done", "new"):
        status = TrainingStatus(model_id=name, status="failed", step=3, steps=9, message="full")
        write_training_status(tmp_path, status)
    done, new = list_models(tmp_path)[:2]
    assert (done.model_id, done.status) == ("done", "completed")
    assert (new.model_id, new.status, new.note) == ("new", "failed", "step 3 of 9; full")
    assert show_model(tmp_path, "new") == new


def test_a_model_is_shown_with_the_signature_that_sessions_are_bound_to(tmp_path):
    model = save(tmp_path)
    assert show_model(tmp_path, "one").signature == signature(model)
    assert len(show_model(tmp_path, "starter-ssm").signature) == 64


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_showing_a_model_finds_damage_that_the_list_does_not_see(tmp_path, name):
    save(tmp_path)
    path = tmp_path / "text_models" / "one" / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert list_models(tmp_path)[0].status == "completed"
    shown = show_model(tmp_path, "one")
    assert shown.status == "damaged"
    assert name in shown.note
    assert shown.signature == ""


def test_a_name_that_is_not_there_is_told_with_those_that_are(tmp_path):
    save(tmp_path)
    for call in (show_model, delete_model):
        with pytest.raises(NotFoundError, match=r"'none'.*: one\..*starter-gru"):
            call(tmp_path, "none")


def test_a_comparison_shows_what_differs_and_counts_what_does_not(tmp_path):
    save(tmp_path, "a", seed=1)
    save(tmp_path, "b", width=16, options={"steps": 5, "lr": 0.01, "seed": 4})
    found = compare_models(tmp_path, ["a", "b", "a"])
    assert found.model_ids == ("a", "b")
    assert found.fields["config.width"] == (8, 16)
    assert found.fields["options.lr"] == (0.03, 0.01)
    assert found.fields["options.seed"] == (None, 4)
    assert {"signature", "weights_sha256", "weights_bytes"} <= set(found.fields)
    assert not {"config.hidden", "options.steps", "status", "model_id"} & set(found.fields)
    every = compare_models(tmp_path, ["a", "b"], everything=True)
    assert every.fields["options.steps"] == (5, 5)
    assert (every.alike, len(every.fields)) == (0, len(found.fields) + found.alike)


@pytest.mark.parametrize("names", [[], ["a"], ["a", "a"], [f"m{i}" for i in range(21)]])
def test_a_comparison_of_fewer_than_two_or_of_very_many_is_refused(tmp_path, names):
    with pytest.raises(ConfigError, match="2 to 20 different models"):
        compare_models(tmp_path, names)


def test_a_model_that_nothing_needs_is_deleted(tmp_path):
    save(tmp_path)
    other = save(tmp_path, "other", seed=1)
    open_session(tmp_path, model_signature=signature(other))
    write_training_status(tmp_path, TrainingStatus(model_id="one", status="completed"))
    assert dependents(tmp_path, "one") == ()
    delete_model(tmp_path, "one")
    assert ids(tmp_path) == ["other", "starter-gru", "starter-ssm"]
    save(tmp_path)


@pytest.mark.parametrize("domain", [TEXT, NANO])
@pytest.mark.parametrize("field", ["model_signature", "base_ckpt_hash"])
def test_a_model_that_a_session_stands_on_stays(tmp_path, domain, field):
    model = save(tmp_path)
    digest = read_model(tmp_path, "one").weights_sha256
    name = {"model_signature": signature(model), "base_ckpt_hash": digest}[field]
    open_session(tmp_path, "mine", domain, **{field: name})
    with pytest.raises(ConfigError, match=f"the {domain.name} session mine stands on it"):
        delete_model(tmp_path, "one")
    assert ids(tmp_path)[0] == "one"


def test_a_model_that_others_were_made_from_stays_until_they_are_gone(tmp_path):
    save(tmp_path)
    save(tmp_path, "slept", parents=["one"])
    with pytest.raises(ConfigError, match="the model slept was made from it"):
        delete_model(tmp_path, "one")
    delete_model(tmp_path, "slept")
    delete_model(tmp_path, "one")


def test_what_is_being_trained_stays(tmp_path):
    write_training_status(tmp_path, TrainingStatus(model_id="one", status="running"))
    with (
        claim_training(tmp_path, "one"),
        pytest.raises(ConfigError, match="a training of that name is at work"),
    ):
        delete_model(tmp_path, "one")
    delete_model(tmp_path, "one")
    assert "one" not in ids(tmp_path)


def test_a_session_that_cannot_be_read_counts_as_standing_on_the_model(tmp_path):
    save(tmp_path)
    open_session(tmp_path, "lost")
    commit = tmp_path / "text_sessions" / "lost" / "commits" / "00000000.json"
    commit.chmod(0o644)
    commit.write_bytes(b"{")
    (clause,) = dependents(tmp_path, "one")
    assert clause == "the text session lost may stand on it: the session cannot be read"


def test_every_session_counts_as_standing_on_a_model_that_cannot_be_read(tmp_path):
    save(tmp_path)
    open_session(tmp_path, "lost")
    assert dependents(tmp_path, "one") == ()
    (tmp_path / "text_models" / "one" / "meta.json").unlink()
    (clause,) = dependents(tmp_path, "one")
    assert "the model is damaged, so nobody can tell" in clause
    shutil.rmtree(tmp_path / "text_sessions" / "lost")
    delete_model(tmp_path, "one")


@pytest.mark.parametrize("name", ["starter-gru", "starter-ssm"])
def test_the_models_of_the_program_cannot_be_deleted(tmp_path, name):
    with pytest.raises(ConfigError, match="belongs to the program"):
        delete_model(tmp_path, name)
