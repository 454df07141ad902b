"""Every text comes back as it was, through the tokenizer that ships and in other programs."""

from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt.core.starter_files import TOKENIZER, starter_file
from ttt.core.tokens import BOS_ID, EOS_ID, MASK_ID, PAD_ID, SPECIAL_TOKENS, BytePairs
from ttt.errors import InputError
from ttt.text_lm.tokenizer import train_tokenizer

SHIPPED = BytePairs(starter_file(TOKENIZER).decode())
TRAINED = train_tokenizer(["The cat sat on the mat.\n" * 5], vocab_size=300)
ENCODERS = {"shipped": SHIPPED, "trained": TRAINED}
PLACES, PIECE = 4, 1 << 13
ANY_TEXT = st.text() | st.text(st.sampled_from("<>padbosemk \n\r\t'’é\u0301\u200d😀\ufeff\x00"))


@pytest.mark.parametrize("name", ENCODERS)
@given(text=ANY_TEXT)
def test_any_unicode_comes_back_as_it_was(name, text):
    encoder = ENCODERS[name]
    ids, spans = encoder.encode_with_spans(text)
    assert encoder.decode(ids) == text
    assert len(spans) == len(ids)
    assert not set(ids) & {PAD_ID, BOS_ID, EOS_ID, MASK_ID}


@given(st.text(), st.sampled_from(["\ud800", "\udbff", "\udc00", "\udfff"]), st.text())
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(before, half, after):
    with pytest.raises(InputError, match="surrogate"):
        SHIPPED.encode(before + half + after)


def files(data_dir):
    return [path for path in sorted(data_dir.rglob("*")) if path.is_file()]


def test_pieces_of_every_file_of_the_real_world_come_back_as_they_were(data_dir):
    """Some places of each; the long form takes whole files."""
    for path in files(data_dir):
        text = path.read_bytes().decode("utf-8")
        for place in range(PLACES):
            start = len(text) * place // PLACES
            piece = text[start : start + PIECE]
            assert SHIPPED.decode(SHIPPED.encode(piece)) == piece, path


@pytest.mark.slow
def test_every_file_of_the_real_world_comes_back_as_it_was(data_dir):
    for path in files(data_dir):
        text = path.read_bytes().decode("utf-8")
        assert SHIPPED.decode(SHIPPED.encode(text)) == text, path


@pytest.mark.skipif(
    find_spec("transformers") is None,
    reason="transformers is not installed here; the extra [hf] brings it",
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ENCODERS)
def test_the_file_loads_in_transformers_as_a_fast_tokenizer_with_the_same_ids(name, tmp_path):
    from transformers import PreTrainedTokenizerFast

    (tmp_path / "tokenizer.json").write_text(ENCODERS[name].json, encoding="utf-8")
    pad, bos, eos, mask = SPECIAL_TOKENS
    other = PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "tokenizer.json"),
        bos_token=bos,
        eos_token=eos,
        pad_token=pad,
        mask_token=mask,
        split_special_tokens=True,
        clean_up_tokenization_spaces=False,
    )
    assert other.is_fast
    assert len(other) == ENCODERS[name].vocab_size
    special = [other.pad_token_id, other.bos_token_id, other.eos_token_id, other.mask_token_id]
    assert special == [PAD_ID, BOS_ID, EOS_ID, MASK_ID]
    for text in ("The cat sat.", " a , b . don ' t ", "<pad> <mask>", "née 日本 😀\r\n\x00\ufeff"):
        assert other.encode(text) == ENCODERS[name].encode(text)
        assert other.decode(other.encode(text)) == text
    padded = other(["a b c", "a"], padding=True)["input_ids"]
    assert padded[1][1:] == [PAD_ID] * (len(padded[0]) - 1)
