"""What a training was asked for and what it reads."""

import pytest

from ttt.errors import CorruptArtifactError, StorageError
from ttt.store.trainings import Sources, read_request, read_sources, save_request, save_sources

OPTIONS = {"steps": 3, "corpus": ["a.txt"]}
SOURCES = Sources(
    tokenizer_json="{}", buffer_key="abc", notices=({"path": "b.txt", "reason": "it is binary"},)
)


def test_a_training_that_was_never_asked_for_has_neither(tmp_path):
    assert read_request(tmp_path, "m") is None
    assert read_sources(tmp_path, "m") is None


def test_what_was_saved_comes_back(tmp_path):
    save_request(tmp_path, "m", {"steps": 9})
    save_request(tmp_path, "m", OPTIONS)
    save_sources(tmp_path, "m", SOURCES)
    assert read_request(tmp_path, "m") == OPTIONS
    assert read_sources(tmp_path, "m") == SOURCES


def test_sources_are_saved_once(tmp_path):
    save_sources(tmp_path, "m", SOURCES)
    with pytest.raises(StorageError, match="exists already"):
        save_sources(tmp_path, "m", SOURCES)


def test_every_flipped_byte_of_either_is_found(tmp_path):
    save_request(tmp_path, "m", OPTIONS)
    save_sources(tmp_path, "m", SOURCES)
    folder = tmp_path / "text_training" / "m"
    jobs = [
        (folder / "request.json", read_request),
        (folder / "sources" / "tokenizer.json", read_sources),
        (folder / "sources" / "meta.json", read_sources),
    ]
    for path, read in jobs:
        data = path.read_bytes()
        for place in range(0, len(data) - 1, 3):
            path.write_bytes(data[:place] + bytes([data[place] ^ 0x11]) + data[place + 1 :])
            with pytest.raises(CorruptArtifactError):
                read(tmp_path, "m")
        path.write_bytes(data)
        read(tmp_path, "m")
