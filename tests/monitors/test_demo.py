from ttt.core.starter import load_starter
from ttt.core.tokens import HashedWords
from ttt.monitors.demo import demo_documents, high_entropy_documents
from ttt.monitors.documents import chunks


def texts_of(documents) -> dict[str, str]:
    return {document.name: "".join(document.pieces) for document in documents}


def test_the_demo_has_at_least_forty_chunks():
    encoder = load_starter("gru").encoder
    found = list(chunks(demo_documents(0), encoder=encoder, chunk_tokens=128))
    assert 40 <= len(found) <= 130


def test_the_demo_is_long_enough_for_words_too():
    found = list(chunks(demo_documents(0), encoder=HashedWords(), chunk_tokens=128))
    assert len(found) >= 40


def test_every_kind_of_text_is_in_the_demo_and_none_stands_twice():
    documents = demo_documents(0)
    names = [document.name for document in documents]
    assert len(names) == len(set(names))
    for part in (
        "python manual", "python source", "generated: base64", "generated: hex dump",
        "generated: minified code", "generated: random unicode", "generated: log",
        "generated: word list", "prose",
        "dialogue", "spanish", "german", "french", "chinese", "table", "verse", "spam",
        "override", "repeat",
    ):  # fmt: skip
        assert any(part in name for name in names), part


def test_harmless_and_hostile_texts_take_turns():
    names = [document.name for document in demo_documents(0)]
    hostile = [
        i
        for i, name in enumerate(names)
        if any(word in name for word in ("override", "spam", "repeat", "base64", "hex", "unicode"))
    ]
    assert min(hostile) < len(names) // 2 < max(hostile)
    assert not all(i in hostile for i in range(min(hostile), max(hostile)))


def test_the_same_seed_gives_the_same_texts_and_another_one_others():
    assert texts_of(demo_documents(3)) == texts_of(demo_documents(3))
    assert texts_of(demo_documents(3)) != texts_of(demo_documents(4))
    assert texts_of(high_entropy_documents(3)) == texts_of(high_entropy_documents(3))
    assert texts_of(high_entropy_documents(3)) != texts_of(high_entropy_documents(4))


def test_no_text_is_empty_and_each_can_be_written():
    for text in (texts_of(demo_documents(0)) | texts_of(high_entropy_documents(0))).values():
        assert len(text) >= 100
        text.encode()


def test_a_blob_is_the_same_whatever_else_is_drawn():
    long, short = texts_of(high_entropy_documents(0)), texts_of(demo_documents(0))
    assert long["generated: base64"].startswith(short["generated: base64"][:50])
