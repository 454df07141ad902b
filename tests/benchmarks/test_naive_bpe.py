"""The plain tokenizer is a tokenizer: what `training` times is the work that it says."""

from benchmarks import naive_bpe
from ttt.text_lm.bulk_encoding import BulkEncoder
from ttt.text_lm.tokenizer import train_tokenizer

TEXT = "The cat sat on the mat, and the cats' 12 mats sat on the cat.\n" * 5


def test_the_most_frequent_pair_is_merged_first_and_nothing_crosses_a_word():
    learned = naive_bpe.train("abab ab ab cd", 2)
    assert list(learned) == [(ord("a"), ord("b")), (ord(" "), 256)]
    assert naive_bpe.encode("ab abab", learned) == [256, 257, 256]


def test_with_the_same_merges_both_give_the_same_tokens():
    encoder = train_tokenizer([TEXT], vocab_size=300)
    plain = naive_bpe.encode(TEXT, naive_bpe.merges_of(encoder.json))
    ours = BulkEncoder(encoder).encode([TEXT])[0].tolist()
    assert len(plain) == len(ours)
    pieces = [encoder.decode([i]).encode() for i in ours]
    assert [len(piece) for piece in pieces] == lengths(plain, encoder)


def lengths(plain, encoder):
    sizes = dict.fromkeys(range(256), 1)
    for (left, right), new in naive_bpe.merges_of(encoder.json).items():
        sizes[new] = sizes[left] + sizes[right]
    return [sizes[i] for i in plain]
