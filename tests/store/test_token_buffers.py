"""Encoded corpora on disk: streamed, mapped, verified."""

import numpy as np
import pytest

from ttt.errors import ConfigError, CorruptArtifactError, StorageError
from ttt.store.token_buffers import SMALL_IDS, open_token_buffer, save_token_buffer

PIECES = [[1, 2, 3], [], [65535]]


def test_pieces_come_back_as_one_read_only_map(tmp_path):
    save_token_buffer(tmp_path, "k", iter(PIECES), vocab_size=SMALL_IDS, about={"n": 1})
    buffer = open_token_buffer(tmp_path, "k")
    assert buffer.tokens_T.tolist() == [1, 2, 3, 65535]
    assert buffer.about == {"n": 1}
    assert isinstance(buffer.tokens_T, np.memmap)
    assert not buffer.tokens_T.flags.writeable


@pytest.mark.parametrize(("vocab_size", "width"), [(SMALL_IDS, 2), (SMALL_IDS + 1, 4)])
def test_an_id_takes_two_bytes_until_the_vocabulary_needs_four(tmp_path, vocab_size, width):
    folder = save_token_buffer(tmp_path, "k", [[7] * 10], vocab_size=vocab_size, about={})
    assert (folder / "tokens.bin").stat().st_size == 10 * width
    assert open_token_buffer(tmp_path, "k").tokens_T.tolist() == [7] * 10


def test_a_buffer_that_was_never_saved_is_none(tmp_path):
    assert open_token_buffer(tmp_path, "k") is None


def test_an_empty_buffer_is_empty(tmp_path):
    save_token_buffer(tmp_path, "k", [], vocab_size=300, about={})
    assert len(open_token_buffer(tmp_path, "k").tokens_T) == 0


@pytest.mark.parametrize("name", ["tokens.bin", "meta.json"])
def test_a_flipped_byte_anywhere_that_counts_is_found(tmp_path, name):
    folder = save_token_buffer(tmp_path, "k", PIECES, vocab_size=300, about={})
    path = folder / name
    data = bytearray(path.read_bytes())
    for place in range(len(data)) if name == "tokens.bin" else [0, len(data) - 10]:
        flipped = data.copy()
        flipped[place] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(CorruptArtifactError, match="delete the folder"):
            open_token_buffer(tmp_path, "k")


def test_a_missing_file_is_found(tmp_path):
    folder = save_token_buffer(tmp_path, "k", PIECES, vocab_size=300, about={})
    (folder / "tokens.bin").unlink()
    with pytest.raises(CorruptArtifactError, match="damaged"):
        open_token_buffer(tmp_path, "k")


def test_a_stream_that_breaks_off_leaves_nothing_behind(tmp_path):
    def broken():
        yield [1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_token_buffer(tmp_path, "k", broken(), vocab_size=300, about={})
    assert open_token_buffer(tmp_path, "k") is None
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_key_is_written_once(tmp_path):
    save_token_buffer(tmp_path, "k", PIECES, vocab_size=300, about={})
    with pytest.raises(StorageError, match="exists already"):
        save_token_buffer(tmp_path, "k", PIECES, vocab_size=300, about={})


def test_a_key_that_would_leave_the_tree_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="token buffer key"):
        save_token_buffer(tmp_path, "../k", PIECES, vocab_size=300, about={})
