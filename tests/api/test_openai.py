"""OpenAI's own client against a service that really listens."""

import pytest
from openai import APIStatusError, AuthenticationError, OpenAI

from tests.api.clients import TOKEN, client, served
from ttt.store.domains import TEXT
from ttt.store.sessions import open_session

HELLO = [{"role": "user", "content": "The river runs through the valley."}]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree") / "root"
    with client(root) as api:
        assert api.post("/api/text/sessions", json={"session_id": "ada"}).status_code == 201
    return root


@pytest.fixture(scope="module")
def url(tree):
    with served(tree) as url:
        yield f"{url}/v1"


@pytest.fixture(scope="module")
def openai(url):
    with OpenAI(base_url=url, api_key=TOKEN, max_retries=0) as one:
        yield one


def test_it_lists_the_models(openai):
    assert [one.id for one in openai.models.list()] == ["starter-gru", "starter-ssm"]


def test_a_base_answers_and_keeps_nothing(openai, tree):
    answer = openai.chat.completions.create(
        model="starter-gru", messages=HELLO, max_tokens=5, seed=1
    )
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5
    again = openai.chat.completions.create(
        model="starter-gru", messages=HELLO, max_tokens=5, seed=1
    )
    assert again.choices[0].message.content == answer.choices[0].message.content
    assert again.id != answer.id
    assert open_session(tree, TEXT, "ada").head.n == 0


def test_a_stream_is_the_same_answer(openai):
    given = {"model": "starter-ssm", "messages": HELLO, "max_tokens": 6, "seed": 2}
    whole = openai.chat.completions.create(**given).choices[0].message.content
    pieces = [
        one.choices[0].delta.content or ""
        for one in openai.chat.completions.create(**given, stream=True)
    ]
    assert "".join(pieces) == whole


def test_a_session_learns_only_when_it_is_asked_to(openai, tree):
    given = {"model": "starter-gru:ada", "messages": HELLO, "max_tokens": 3}
    quiet = openai.chat.completions.create(**given)
    assert quiet.ttt["type"] == "observed"
    assert open_session(tree, TEXT, "ada").head.kind == "observed"
    learned = openai.chat.completions.create(**given, extra_body={"ttt": {"learn": True}})
    assert learned.ttt["type"] == "update"
    assert learned.ttt["chunks"][0]["outcome"] == "committed"
    assert open_session(tree, TEXT, "ada").head.kind == "update"


@pytest.mark.parametrize("model", [":ada", "current:ada"])
def test_a_session_can_be_asked_for_without_the_name_of_its_base(openai, model):
    answer = openai.chat.completions.create(model=model, messages=HELLO, max_tokens=2)
    assert answer.usage.completion_tokens == 2
    assert answer.usage.prompt_tokens > 2


def test_the_receipt_comes_in_a_stream_too(openai):
    given = {"model": ":ada", "messages": HELLO, "max_tokens": 2, "stream": True}
    chunks = list(openai.chat.completions.create(**given, extra_body={"ttt": {"learn": True}}))
    assert chunks[0].ttt["type"] == "update"
    assert chunks[-1].choices[0].finish_reason == "length"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"model": "nobody"}, 404),
        ({"model": "starter-gru:nobody"}, 404),
        ({"model": "starter-ssm:ada"}, 422),
        ({"messages": []}, 422),
        ({"messages": [{"role": "user", "content": ""}]}, 422),
        ({"messages": [{"role": "user", "content": "x" * 20_001}]}, 422),
        ({"model": ":ada", "messages": [*HELLO, {"role": "assistant", "content": "Yes."}]}, 422),
        ({"max_tokens": 0}, 422),
        ({"temperature": -1}, 422),
        ({"n": 2}, 422),
        ({"extra_body": {"ttt": {"learns": True}}}, 422),
    ],
)
def test_what_cannot_be_answered_is_refused(openai, given, status):
    with pytest.raises(APIStatusError) as refused:
        openai.chat.completions.create(**({"model": "starter-gru", "messages": HELLO} | given))
    assert refused.value.status_code == status


def test_parts_of_text_are_one_text(openai):
    parts = [{"type": "text", "text": "The river "}, {"type": "text", "text": "runs."}]
    answer = openai.chat.completions.create(
        model="starter-gru", messages=[{"role": "user", "content": parts}], max_tokens=1
    )
    assert answer.choices[0].message.content is not None


def test_a_wrong_key_is_refused(url):
    with (
        OpenAI(base_url=url, api_key="wrong", max_retries=0) as stranger,
        pytest.raises(AuthenticationError),
    ):
        stranger.models.list()
