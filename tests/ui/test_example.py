"""What a first start places in an empty tree."""

from ttt.branching.fsck_command import main as fsck
from ttt.store.domains import NANO, TEXT
from ttt.store.jobs import list_jobs
from ttt.store.session_list import list_sessions
from ttt.store.sessions import open_session
from ttt.ui.example import is_empty, place_example


def test_an_empty_tree_gets_real_sessions_and_a_run_that_waits(tmp_path, capsys):
    root = tmp_path / "art"
    assert is_empty(root)
    place_example(root)
    assert not is_empty(root)
    assert [one.session_id for one in list_sessions(root, NANO)] == ["example"]
    assert open_session(root, NANO, "example").head.n > 10
    head = open_session(root, TEXT, "example").head
    assert head.n == 4
    assert [one.kind for one in list_jobs(root)] == ["monitor"]
    assert list_jobs(root)[0].status == "queued"
    assert "placing an example" in capsys.readouterr().err
    assert fsck([f"--artifacts_root={root}"]) == 0
