"""The long form of the service's memory: what ten thousand messages leave."""

import pytest

from benchmarks.service import ALL_IN_THE_HEAP, SLOPE_MAX, listening, slope


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_messages_leave_neither_memory_nor_open_files(tmp_path):
    with listening(tmp_path / "root", **ALL_IN_THE_HEAP) as (port, process):
        row = slope(port, process, 10_000)
    assert float(row["bytes a message"]) < SLOPE_MAX
    # Nothing that comes in jumps either, beyond what three threads keep for their products.
    assert float(str(row["added by the second half"]).split()[0]) < 5_000 * SLOPE_MAX / 1e6 + 16
    least, most = map(int, str(row["open files"]).split(" to "))
    assert most - least <= 2  # The request itself, and the file it reads.
