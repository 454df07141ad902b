import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ttt.lib import strict_json
from ttt.monitors.command import main
from ttt.store.runs import list_runs, read_run

ROOT = Path(__file__).resolve().parents[2]
TEXT = (
    "The lock keeper wrote the figure on the door of the lock house, under all the others. "
    "A new shoe was forged that week, and when the water was let in again the milk can took "
    "eleven minutes to fill. Then he went up the bank to pay the band, because they had played. "
) * 2
SMALL = ("--base", "random", "--chunk_tokens", "32")

DOCUMENTED_FIELDS = set(
    """chunk_index token_start token_end loss grad_norm update_norm grad_z update_z flagged reasons
    top_influence_tokens chunk_preview gate_allowed gate_reasons token_entropy token_diversity
    update_skipped attempted_update_norm rollback_triggered rollback_reasons canary_loss_before
    canary_loss_after canary_delta canary_delta_z backbone objective compression_ratio
    canary_grad_norm grad_canary_cos grad_canary_dot spfw_enabled spfw_eps_dot spfw_eps_cos
    spfw_passes spfw_canaries spfw_violations_before spfw_violations_after
    spfw_min_canary_dot_before spfw_min_canary_dot_after spfw_proj_removed_ratio
    spfw_write_suppressed spfw_lr_eff predicted_canary_change audit_canary_delta loss_base
    loss_adapted loss_mixed mixture_weight drift_total verdicts outcome""".split()
)


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*argv: str, text: str | None = TEXT) -> int:
    given = () if text is None else ("--text", text)
    return main([*SMALL, *given, *argv])


def events(capsys, *argv: str, **given) -> list[dict]:
    assert run("--json", *argv, **given) == 0
    return [strict_json.loads(line) for line in capsys.readouterr().out.splitlines()]


# --- what comes out -------------------------------------------------------------------------------


def test_every_documented_field_is_in_every_event(capsys):
    found = events(capsys)
    assert len(found) >= 3
    for event in found:
        assert set(event) >= DOCUMENTED_FIELDS
    assert [event["chunk_index"] for event in found] == list(range(len(found)))


def test_a_table_and_a_summary_are_shown_without_json(capsys):
    assert run() == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[:2] == ["chunk", "document"]
    assert "committed" in out
    assert "with random-gru." in out
    assert "\x1b" not in out


def test_the_same_run_gives_the_same_bytes_and_no_clock(capsys, tmp_path):
    outputs = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        argv = ("--write_json", str(folder / "r.json"), "--plot", str(folder / "p.png"))
        assert run("--json", "--seed", "3", *argv) == 0
        report = (folder / "r.json").read_bytes().replace(str(folder).encode(), b"")
        outputs.append((capsys.readouterr().out, report, (folder / "p.png").read_bytes()))
    assert outputs[0] == outputs[1]
    assert outputs[0][2].startswith(b"\x89PNG")


def test_another_seed_gives_other_bytes(capsys):
    assert events(capsys, "--seed", "1") != events(capsys, "--seed", "2")


def test_a_clock_is_in_the_output_only_if_asked_for(capsys):
    assert not any("elapsed_s" in event for event in events(capsys))
    timed = events(capsys, "--timings")
    assert all(event["elapsed_s"] >= 0 for event in timed)


def test_the_report_file_holds_the_same_events_as_the_stream(capsys, tmp_path):
    shown = events(capsys, "--write_json")
    report = strict_json.loads((tmp_path / "monitor_report.json").read_bytes())
    assert report["events"] == shown
    assert report["config"]["options"]["base"] == "random"
    assert report["config"]["bases"] == ["random-gru"]
    assert report["summary"]["chunks"] == len(shown)
    assert report["summary"]["interrupted"] is False


def test_a_run_is_saved_when_a_place_is_named_and_numbered_when_repeated(capsys, tmp_path):
    for _ in range(2):
        assert run("--artifacts_root", "tree") == 0
    assert list_runs(tmp_path / "tree") == ("text-gru-ar-seed0", "text-gru-ar-seed0-2")
    first, second = (read_run(tmp_path / "tree", one) for one in list_runs(tmp_path / "tree"))
    assert first == second
    assert "saved as text-gru-ar-seed0-2 in tree" in capsys.readouterr().err


def test_nothing_is_saved_when_no_place_is_named(tmp_path):
    assert run() == 0
    assert list(tmp_path.iterdir()) == []


def test_notes_and_nothing_else_go_to_stderr(capsys):
    assert run("--json", "--spfw_passes", "2") == 0
    captured = capsys.readouterr()
    assert captured.err == "note: --spfw_passes has no effect without --spfw_cone on.\n"
    assert all(line.startswith("{") for line in captured.out.splitlines())


# --- where text comes from ------------------------------------------------------------------------


class Stdin:
    """Bytes that arrive in pieces; the last may be an exception."""

    def __init__(self, *pieces: bytes | BaseException) -> None:
        self.pieces = list(pieces)

    def read1(self, size: int = -1, /) -> bytes:
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, BaseException):
            raise piece
        return piece


def pipe(monkeypatch, *pieces: bytes | BaseException) -> None:
    fake = SimpleNamespace(buffer=Stdin(*pieces), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", fake)


def test_the_same_text_is_read_the_same_from_everywhere(capsys, monkeypatch, tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    pipe(monkeypatch, TEXT[:99].encode(), TEXT[99:].encode())
    found = [
        events(capsys),
        events(capsys, "--file", "a.txt", text=None),
        events(capsys, "--stdin", text=None),
    ]
    names = [{event.pop("document") for event in one} for one in found]
    assert names == [{"text"}, {"a.txt"}, {"stdin"}]
    assert found[0] == found[1] == found[2]


def test_a_chunk_is_shown_before_the_rest_of_the_stream_has_come(capsys, monkeypatch):
    shown_at_the_end = []

    class Watching(Stdin):
        def read1(self, size: int = -1, /) -> bytes:
            if not self.pieces:
                shown_at_the_end.append(capsys.readouterr().out.count("\n"))
            return super().read1(size)

    fake = SimpleNamespace(buffer=Watching(TEXT.encode()), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", fake)
    assert run("--stdin", "--json", text=None) == 0
    assert shown_at_the_end[0] >= 2


def test_the_demo_shows_every_kind_of_decision(capsys):
    outcomes = set()
    for argv in ((), ("--safety_mode", "gate_rollback", "--backbone", "ssm")):
        assert main(["--demo", "--json", "--influence", "off", *argv]) == 0
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(found) >= 40
        outcomes |= {event["outcome"] for event in found}
        reasons = {reason for event in found for reason in event["gate_reasons"]}
        assert reasons >= {"blob", "instruction_override", "low_diversity", "ood_heavy_write"}
    assert outcomes == {"committed", "refused", "reverted"}


def test_high_entropy_is_blocked(capsys):
    assert main(["--demo_high_entropy", "--base", "random", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found
    assert all("blob" in event["gate_reasons"] for event in found)


# --- wrong input and wrong arguments --------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        ([], 2, "give one of --demo, --demo_high_entropy, --text TEXT, --file FILE, --stdin"),
        (["--file", "gone.txt"], 1, "There is no file gone.txt"),
        (["--file", "empty.txt"], 1, "empty.txt is empty"),
        (["--file", "binary"], 1, "binary is binary (byte 2 is zero)"),
        (["--file", "latin.txt"], 1, "latin.txt is not UTF-8 (byte 1 is 0xe9)"),
        (["--file", "one.txt"], 1, "one.txt holds too little text"),
        (["--file", "."], 1, "is a folder"),
        (["--text", ""], 1, "The text is empty"),
        (["--stdin"], 1, "stdin is not UTF-8 (byte 1 is 0xff)"),
        (["--demo", "--lr", "nan"], 2, "--lr must be a finite number"),
        (["--demo", "--chunk_tokens", "0"], 2, "--chunk_tokens must be at least 1"),
        (["--demo", "--backbone", "gur"], 2, "did you mean 'gru'?"),
        (["--demo", "--nonsense"], 2, "Unknown option --nonsense"),
        (["--text", "a b", "--file", "one.txt"], 2, "both name the input"),
        (["--demo", "--enable_gate", "--disable_gate"], 2, "contradict; keep one"),
        (["--demo", "--enable-rollback", "--disable_rollback"], 2, "contradict; keep one"),
        (["--demo", "--plot", "no/such/p.png"], 2, "there is no folder no/such"),
        (["--demo", "--write_json", "."], 2, "it is a folder"),
        (["--demo", "--base", "nosuch"], 1, "No text model named 'nosuch'"),
        (["--demo", "--base", "random", "--optimizer", "kfac"], 2, "curvature factors"),
        (["--demo", "--base", "random", "--canary_text", "x"], 2, "Canary 'x' has 1 tokens"),
        (["--demo", "--base", "random", "--canary_pool", "gone"], 1, "gone"),
    ],
)
def test_a_fault_is_one_sentence_and_the_right_exit_code(
    argv, code, said, capsys, tmp_path, monkeypatch
):
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary").write_bytes(b"ab\0cd")
    (tmp_path / "latin.txt").write_bytes(b"d\xe9ja vu")
    (tmp_path / "one.txt").write_text("x")
    pipe(monkeypatch, b"a\xff")
    before = sorted(tmp_path.iterdir())
    assert main(argv) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_fault_in_the_middle_of_a_stream_leaves_no_half_report(capsys, monkeypatch, tmp_path):
    pipe(monkeypatch, TEXT.encode(), b"\xff")
    assert run("--stdin", "--write_json", "r.json", "--artifacts_root", "t", text=None) == 1
    assert f"stdin is not UTF-8 (byte {len(TEXT)} is 0xff)" in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()
    assert list_runs(tmp_path / "t") == ()


def test_an_interrupted_run_writes_what_it_has(capsys, monkeypatch, tmp_path):
    pipe(monkeypatch, TEXT.encode(), KeyboardInterrupt())
    argv = ("--write_json", "r.json", "--plot", "p.png", "--artifacts_root", "t")
    assert run("--stdin", *argv, text=None) == 130
    captured = capsys.readouterr()
    assert "Read " in captured.out
    assert "Interrupted." in captured.err
    report = strict_json.loads((tmp_path / "r.json").read_bytes())
    assert report["summary"]["interrupted"] is True
    assert report["summary"]["chunks"] == len(report["events"]) >= 2
    assert (tmp_path / "p.png").is_file()
    assert len(list_runs(tmp_path / "t")) == 1


PLAIN = ("--safety_mode", "gate_rollback")
BLOB = "q8Zk3vT1xw9LmR5yHd2sPf7gJb4nKc6aVu0eXo+Wi/" * 12


@pytest.mark.parametrize(
    ("argv", "text", "code"),
    [
        (["--fail_on", "blocked"], BLOB, 3),
        (["--fail_on", "blocked"], TEXT, 0),
        (["--fail_on", "rolled_back"], BLOB, 0),
        (["--fail_on", "blocked", "--disable_gate"], BLOB, 0),
        (
            ["--fail_on", "rolled_back", "--optimizer", "sgd", "--lr", "1e6", *PLAIN],
            TEXT,
            3,
        ),
        (["--fail_on", "blocked", "rolled_back"], BLOB, 3),
        ([], BLOB, 0),
    ],
)
def test_what_fail_on_names_gives_exit_code_3(argv, text, code, capsys):
    assert run(*argv, text=text) == code
    assert ("Ends with 3 for --fail_on" in capsys.readouterr().err) is (code == 3)


# --- every option runs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        ["--backbone", "ssm"],
        ["--objective", "mlm", "--mlm_prob", "0.3"],
        ["--optimizer", "rls"],
        ["--optimizer", "muon", "--lr", "0.05"],
        ["--optimizer", "sgd", "--ttt_steps_per_chunk", "3"],
        ["--read", "base"],
        ["--read", "adapted"],
        ["--cache_lambda", "0"],
        ["--clip", "none"],
        ["--clip", "0.5"],
        ["--safety_mode", "gate_rollback"],
        ["--disable_gate", "--disable_rollback", "--disable_canary_grad"],
        ["--spfw_cone", "on", "--spfw_eps_dot", "0.001", "--spfw_eps_cos", "0.01"],
        ["--spfw_cone", "on", "--spfw_canary_text", TEXT[:90], "--spfw_passes", "4"],
        ["--spfw_null_space", "--ball_radius", "0.5"],
        ["--spfw_gate_scale", "0.5"],
        ["--canary_text", TEXT[:90], "--canary_text", TEXT[90:200], "--budget_nats", "0.1"],
        ["--audit_every", "2", "--forbid_text", TEXT[:90]],
        ["--probe_every", "3", "--canary_grad_every", "2"],
        ["--influence", "all", "--topk", "3"],
        ["--influence", "off"],
        ["--history_window", "8", "--robust_z_threshold", "2"],
        ["--base", "starter", "--optimizer", "kfac"],
    ],
    ids=" ".join,
)
def test_every_option_runs(argv, capsys):
    found = events(capsys, *argv)
    assert found
    assert all(event["outcome"] in ("committed", "refused", "reverted") for event in found)


def test_a_chunk_of_one_token_can_be_learned_from(capsys):
    found = events(capsys, "--chunk_tokens", "1", text="One word after another.")
    assert [event["token_end"] - event["token_start"] for event in found] == [1] * 5
    assert "committed" in {event["outcome"] for event in found}


def test_influence_names_as_many_tokens_as_asked_for(capsys):
    for event in events(capsys, "--influence", "all", "--topk", "3"):
        assert len(event["top_influence_tokens"]) == 3
    for event in events(capsys, "--influence", "off"):
        assert event["top_influence_tokens"] == []


def test_audits_come_as_often_as_asked_for(capsys):
    found = events(capsys, "--audit_every", "2")
    audited = [event["audit_canary_delta"] is not None for event in found]
    assert audited == [i % 2 == 1 for i in range(len(found))]


def test_a_pool_of_one_s_own_is_drawn_from(capsys, tmp_path):
    passages = [f"Passage number {i} tells of a harbour, a boat and {i} nets." for i in range(40)]
    (tmp_path / "pool.txt").write_text("\n\n".join(passages))
    assert events(capsys, "--canary_pool", "pool.txt") != events(capsys)


# --- comparison -----------------------------------------------------------------------------------


def test_a_comparison_shows_the_backbones_side_by_side(capsys):
    assert run("--compare", "gru,ssm") == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["", "gru", "ssm"]
    table = {row[0]: row[1:] for row in rows[1:]}
    assert table["chunks"][0] == table["chunks"][1]
    assert {"blocked by the gate", "rolled back", "step kept, mean norm"} <= set(table)


def test_a_comparison_equals_the_runs_it_compares(capsys, monkeypatch, tmp_path):
    alone = {b: events(capsys, "--backbone", b) for b in ("gru", "ssm")}
    pipe(monkeypatch, TEXT.encode())
    argv = ("--stdin", "--compare", "gru,ssm", "--write_json", "r.json", "--json")
    assert run(*argv, text=None) == 0
    shown = strict_json.loads(capsys.readouterr().out)
    report = strict_json.loads((tmp_path / "r.json").read_bytes())
    for backbone, expected in alone.items():
        found = [event for event in report["events"] if event["backbone"] == backbone]
        assert [e | {"document": ""} for e in found] == [e | {"document": ""} for e in expected]
        assert shown[backbone]["chunks"] == len(expected)


# --- as a process ---------------------------------------------------------------------------------


def process(*argv: str, cwd: Path, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *argv], cwd=cwd, input=text, capture_output=True, check=False
    )


def test_the_script_runs_from_any_folder(tmp_path):
    done = process(
        str(ROOT / "run_monitor.py"), "--stdin", *SMALL, "--json", cwd=tmp_path, text=TEXT.encode()
    )
    assert done.stderr == b""
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) >= 3


def test_help_and_every_usage_error_come_without_the_tensor_library(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from ttt.monitors.command import main
assert main(["--help"]) == 0
for argv in ([], ["--demo", "--lr", "nan"], ["--file", "gone"], ["--demo", "--plot", "a/b"]):
    assert main(argv) in (1, 2)
assert not {{"torch", "matplotlib", "numba"}} & set(sys.modules)
"""
    done = process("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_goes_away_is_no_failure_of_ours(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT * 6)
    script = (
        f"{sys.executable} {ROOT / 'run_monitor.py'} --file a.txt {' '.join(SMALL)} --json"
        " | head -n 1 | cut -c 1"
    )
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, check=False)
    assert done.stdout == b"{\n"
    assert done.stderr == b""


def test_an_endless_line_is_read_in_bounded_memory(tmp_path):
    code = f"""
import resource, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from ttt.monitors.documents import segments
from ttt.monitors.inputs import file_document
peaks = []
for name in ("short", "long"):
    for segment in segments(file_document(Path(name)).pieces):
        pass
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.stdout.write(str(peaks[1] - peaks[0]))
"""
    (tmp_path / "short").write_bytes(b"x" * 500_000)
    (tmp_path / "long").write_bytes(b"x" * 40_000_000)
    done = process("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 10_000  # KiB; the text alone has four times as many.
