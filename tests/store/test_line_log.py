"""A log that grows is read line by line, each once, and nothing torn is believed."""

from ttt.store.line_log import Tail, append_line, read_lines


def test_a_log_is_followed_as_it_grows_and_a_line_under_way_is_waited_for(tmp_path):
    path = tmp_path / "jobs" / "j" / "events.jsonl"
    tail = Tail(path)
    assert tail.more().records == ()
    append_line(tmp_path, path, {"n": 0})
    append_line(tmp_path, path, {"n": 1})
    assert [one["n"] for one in tail.more().records] == [0, 1]
    assert tail.more().records == ()
    whole = path.read_bytes()
    append_line(tmp_path, path, {"n": 2})
    after = path.read_bytes()
    path.write_bytes(after[: len(whole) + 5])
    assert tail.more().records == ()
    path.write_bytes(after)
    assert [one["n"] for one in tail.more().records] == [2]


def test_a_damaged_line_is_counted_and_left_out(tmp_path):
    path = tmp_path / "log.jsonl"
    for n in range(3):
        append_line(tmp_path, path, {"n": n})
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"1", b"7", 1) + lines[2])
    found = Tail(path).more()
    assert ([one["n"] for one in found.records], found.damaged) == ([0, 2], 1)
    assert read_lines(path) == found
