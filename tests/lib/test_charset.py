import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt.lib.charset import LONG_RUN_CHARS, SCRIPT_STARTS, charset_stats

PROSE = "The harbour was quiet that morning, and the boats came in one after another. " * 3


def stats(text):
    return charset_stats(text, text.encode("utf-8", "surrogatepass"))


@given(st.text(st.characters(), max_size=300))
def test_every_share_is_a_share_whatever_the_text(text):
    measured = stats(text)
    for name in ("long_run", "base64", "hex", "digit", "code", "whitespace", "control"):
        assert 0 <= getattr(measured, f"{name}_share") <= 1, name
    assert measured.longest_run_chars <= measured.chars == len(text)


def test_prose_has_none_of_the_marks_of_encoded_text():
    measured = stats(PROSE)
    assert measured.base64_share == measured.hex_share == measured.long_run_share == 0
    assert measured.scripts == 1
    assert measured.longest_run_chars == len("another.")


def test_base64_is_seen_wrapped_or_not():
    data = random.Random(0).randbytes(360)
    assert stats(base64.b64encode(data).decode()).base64_share == 1.0
    assert stats(base64.encodebytes(data).decode()).base64_share > 0.9
    assert stats(base64.b32encode(data).decode()).base64_share == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "ACGT" * 60,
        "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch" * 2,
        "/usr/share/very/long/path/without/any/digit/in/it/at/all/" * 2,
        "abstract_singleton_proxy_factory_bean_implementation_2",
        "31415926535897932384626433832795028841971693993751" * 2,
        "item0042_row0017_column0003_value0099_total0006_key",
    ],
)
def test_long_runs_of_one_case_or_without_digits_are_not_base64(text):
    assert stats(text).base64_share == 0


def test_a_run_counts_as_long_from_its_limit_on():
    assert stats("x" * (LONG_RUN_CHARS - 1)).long_run_share == 0
    assert stats("x" * LONG_RUN_CHARS).long_run_share == 1


@pytest.mark.parametrize("separator", ["", " ", ":", ", 0x", "\\x"])
def test_hex_is_seen_through_the_usual_separators(separator):
    dump = separator.join(f"{byte:02x}" for byte in random.Random(1).randbytes(120))
    assert stats(dump).hex_share > 0.95


@pytest.mark.parametrize(
    "text", ["12.50 13.75 -2.25\n" * 20, "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6\n" * 9]
)
def test_tables_of_numbers_and_chess_moves_are_not_hex(text):
    assert stats(text).hex_share < 0.9


@pytest.mark.parametrize(
    "text", ["3141592653589793" * 8, "faced a bad decade, added a facade " * 4]
)
def test_digits_alone_and_letters_alone_are_not_hex(text):
    assert stats(text).hex_share == 0


def test_minified_code_has_brackets_and_no_spaces():
    measured = stats("function f(a){var b=a*2;return g(b);}if(x){y=f(z);}" * 5)
    assert measured.code_share > 0.2
    assert measured.whitespace_share < 0.08


def test_scripts_are_counted_when_they_matter_and_kana_counts_with_han():
    assert stats("日本語の文章はかなと漢字を混ぜて書く").scripts == 1
    assert stats("привет мир и hello world").scripts == 2
    assert (
        stats("A long English sentence that quotes one Greek letter, π, in passing.").scripts == 1
    )
    assert stats("abcabc абвгд αβγδε אבגדה अआइईउ").scripts == 5


def test_control_and_unassigned_characters_are_counted():
    assert stats("\x00\x01ab").control_share == 0.5
    assert stats("\x80\x9fab").control_share == 0.5
    assert stats("\ufffd\ue000ab").control_share == 0.5
    assert stats("a\tb\nc\r").control_share == 0


def test_the_script_ranges_are_in_order():
    starts = [start for start, _ in SCRIPT_STARTS]
    assert starts == sorted(set(starts))
    assert starts[0] == 0
