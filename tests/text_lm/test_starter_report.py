"""The page about the starter models says what their record says."""

from pathlib import Path

from ttt.core.starter_files import starter_record
from ttt.text_lm.starter_report import starter_report

PAGE = Path(__file__).resolve().parents[2] / "docs" / "starter-models.md"


def test_the_page_is_the_one_that_the_record_gives():
    assert PAGE.read_text() == starter_report(starter_record())


def test_every_loss_digest_and_number_of_tokens_stands_on_the_page():
    record, page = starter_record(), PAGE.read_text()
    for digest in record["files"].values():
        assert digest in page
    for figures in record["models"].values():
        assert f"{figures['tokens_seen']:,}" in page
        for losses in figures["held_out"].values():
            assert f"{losses['ar_nats_per_token']:.2f} ({losses['ar_bits_per_byte']:.2f})" in page
