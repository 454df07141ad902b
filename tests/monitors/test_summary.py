import math
from dataclasses import replace

from tests.monitors.hand_made import AUDITED, BLOCKED, COMMITTED, REVERTED, SHORTENED, losses, place
from ttt.monitors.report import Report
from ttt.monitors.summary import comparison, summary_lines


def report_of(*events) -> Report:
    report = Report()
    for index, event in enumerate(events):
        report.add(replace(event, place=replace(event.place, index=index)))
    return report


def said(*events) -> str:
    return "\n".join(summary_lines(report_of(*events), base="starter-gru", budget_nats=0.05))


def test_a_run_is_told_in_sentences():
    text = said(COMMITTED, SHORTENED, BLOCKED, BLOCKED, REVERTED, AUDITED)
    assert "Read 6 chunks (768 tokens) of 6 texts with starter-gru." in text
    assert "Learned from 3, 1 of them in part" in text
    assert "Blocked 2 before learning:" in text
    assert "    2  blob         looks like encoded data, not language" in text
    assert "Took back 1 after trying:" in text
    assert "4.500 nats per token, 0.500 better than the frozen model's 5.000" in text
    assert "stand +0.0100 nats from where they started; the budget is 0.05" in text
    assert "(chunk 4) would have moved them +0.7500 nats" in text
    assert "Held-out audit texts, which judge nothing, stand +0.0125 nats" in text
    assert "in 75% of 4 attempts" in text


def test_one_of_a_thing_is_not_many():
    assert "Read 1 chunk (128 tokens) of one text" in said(COMMITTED)


def test_a_loss_is_not_called_a_gain():
    worse = replace(COMMITTED, losses=losses(5.0, 5.004))
    assert "0.004 worse than the frozen model's" in said(worse)
    assert "learning cost 0.0040 nats per token" in said(worse)
    assert "certifies at most 0.0054 there and 0.0054 at the longest chunks" in said(worse)


def test_a_gain_too_small_to_see_is_not_claimed():
    assert "4.500 nats per token, the same as the frozen model's 4.500" in said(
        replace(COMMITTED, losses=losses(4.5004, 4.5))
    )


def test_the_worst_chunk_of_a_run_that_only_gained_cost_nothing():
    assert "learning cost 0.0000 nats" in said(COMMITTED)


def test_a_broken_certificate_is_shouted():
    assert "BROKEN at 1 chunk." in said(replace(COMMITTED, losses=losses(5.0, 6.0)))
    assert "BROKEN" not in said(COMMITTED)


def test_what_was_not_measured_is_not_spoken_of():
    only = replace(losses(), base=None, mixed=None, bound=None)
    text = said(replace(COMMITTED, losses=only, canary=None))
    assert "canaries" not in text
    assert "better" not in text
    assert "certifies" not in text
    assert "None" not in text


def test_an_empty_run_can_be_told():
    assert "Read 0 chunks" in said()


def test_runs_stand_side_by_side():
    reports = {
        "gru": report_of(COMMITTED, BLOCKED, REVERTED, SHORTENED),
        "ssm": report_of(replace(COMMITTED, losses=losses(base=6.0))),
    }
    columns, rows = comparison(reports)
    table = {row[0]: row[1:] for row in rows}
    assert columns == ["", "gru", "ssm"]
    assert table["chunks"] == ["4", "1"]
    assert table["blocked by the gate"] == ["25.0%", "0.0%"]
    assert table["rolled back"] == ["25.0%", "0.0%"]
    assert table["gain"] == ["+0.500", "+1.500"]
    assert table["step attempted, mean norm"] == ["0.250", "0.250"]
    assert table["worst rise taken back, nats"] == ["+0.7500", "-"]


def test_runs_of_nothing_have_no_shares():
    _, rows = comparison({"gru": Report()})
    assert {row[1] for row in rows} == {"0", "-"}


def test_numbers_that_are_not_finite_reach_no_sentence():
    text = said(replace(COMMITTED, losses=losses(math.nan, math.nan)))
    assert "nan" not in text


def test_tokens_are_counted_in_readable_thousands():
    assert "(12,000 tokens)" in said(replace(COMMITTED, place=place(tokens=12_000)))
