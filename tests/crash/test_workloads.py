"""Undisturbed, each workload does what it says; asked again, it does nothing more."""

import pytest

from tests.crash.oracle import is_sound, picture
from tests.crash.workloads import WORKLOADS


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda one: one.name)
def test_a_request_is_done_once_however_often_it_is_made(tmp_path, workload):
    root = tmp_path / "tree"
    for request in workload.before:
        request(root)
    before = picture(root)
    for request in workload.requests:
        assert request(root)
    done = picture(root)
    assert is_sound(done)
    assert done != before or workload.name == "collection"
    assert all(request.shows(done) for request in workload.requests)
    for request in workload.requests:
        assert request(root) == (not request.refusal)
        assert picture(root) == done
