import io
import json

import pytest

from tests.monitors.hand_made import BLOCKED, COMMITTED, REVERTED, at
from ttt.lib import strict_json
from ttt.monitors.events import MonitorEvent
from ttt.monitors.outputs import EVENTS, REPORT, NdJson, Output, ReportFile, SavedRun, new_run_id
from ttt.store.exports import growing_output
from ttt.store.runs import growing_run, read_run

EVENTS_SHOWN = tuple(at(event, i) for i, event in enumerate((COMMITTED, BLOCKED, REVERTED)))
CONFIG = {"options": {"seed": 0}, "bases": ["starter-gru"]}
SUMMARY = {"chunks": 3}


def feed(output: Output, *events: MonitorEvent) -> None:
    for event in events:
        output.event(event, event.flat())
    output.finish(SUMMARY)


def test_each_event_is_one_line_of_strict_json():
    stream = io.StringIO()
    feed(NdJson(stream), *EVENTS_SHOWN)
    lines = stream.getvalue().splitlines()
    assert [strict_json.loads(line) for line in lines] == [
        json.loads(json.dumps(event.flat())) for event in EVENTS_SHOWN
    ]


def test_a_line_is_out_before_the_next_event_comes():
    class Counting(io.StringIO):
        flushes = 0

        def flush(self) -> None:
            self.flushes += 1

    stream = Counting()
    output = NdJson(stream)
    for count, event in enumerate(EVENTS_SHOWN, 1):
        output.event(event, event.flat())
        assert stream.flushes == count


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_report_file_is_one_object_with_all_events(tmp_path, count):
    path = tmp_path / "report.json"
    with growing_output(path) as file:
        feed(ReportFile(file, CONFIG), *EVENTS_SHOWN[:count])
    report = strict_json.loads(path.read_bytes())
    assert list(report) == ["config", "events", "summary"]
    assert report["config"] == CONFIG
    assert report["summary"] == SUMMARY
    assert [event["chunk_index"] for event in report["events"]] == list(range(count))


def test_a_saved_run_holds_events_configuration_and_summary(tmp_path):
    with growing_run(tmp_path, "a") as run:
        feed(SavedRun(run, CONFIG), *EVENTS_SHOWN)
    files = read_run(tmp_path, "a")
    assert set(files) == {EVENTS, REPORT}
    assert len(files[EVENTS].splitlines()) == 3
    assert strict_json.loads(files[REPORT]) == {"config": CONFIG, "summary": SUMMARY}


def test_a_run_without_events_is_a_run(tmp_path):
    with growing_run(tmp_path, "a") as run:
        feed(SavedRun(run, CONFIG))
    assert read_run(tmp_path, "a")[EVENTS] == b""


def test_a_name_that_is_taken_is_numbered():
    assert new_run_id((), "demo") == "demo"
    assert new_run_id(("demo",), "demo") == "demo-2"
    assert new_run_id(("demo", "demo-2", "demo-4"), "demo") == "demo-3"
