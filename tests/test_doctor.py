"""`ttt doctor`: every line is something that was tried."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from ttt import doctor
from ttt.core import starter_files
from ttt.lib.entry import EXIT_FAILURE, EXIT_OK, EXIT_USAGE
from ttt.store import layout


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch):
    for name in ("TTT_DATA_DIR", "TTT_TEXT_LM_DEVICE", "TEXT_LM_DEVICE", "TTT_SCAN"):
        monkeypatch.delenv(name, raising=False)


def found(root: Path, name: str) -> doctor.Finding:
    return next(one for one in doctor.examine(root) if one.name == name)


def test_this_installation_is_healthy(tmp_path, capsys):
    assert doctor.main(["--artifacts_root", str(tmp_path)]) == EXIT_OK
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["check", "result", "detail"]
    assert {line[1] for line in lines[1:]} == {"ok"}
    names = {line[0] for line in lines[1:]}
    assert names == {
        "python", "torch", "numba", "scan", "starter models", "artifacts root", "settings",
    }  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_json_is_one_object_and_a_failed_check_an_exit_code(tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"")
    assert doctor.main(["--json", "--artifacts_root", str(tmp_path / "file")]) == EXIT_FAILURE
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    failed = [check for check in answer["checks"] if not check["ok"]]
    assert [check["name"] for check in failed] == ["artifacts root"]
    assert "Cannot write to" in failed[0]["detail"]


def test_a_wrong_option_is_a_usage_error(capsys):
    assert doctor.main(["--artifact_root", "x"]) == EXIT_USAGE
    assert "did you mean '--artifacts_root'" in capsys.readouterr().err


def test_an_artifact_root_is_told_from_one_that_will_be(tmp_path):
    assert "will be created" in found(tmp_path / "new", "artifacts root").detail
    assert not (tmp_path / "new").exists()
    layout.prepare(tmp_path)
    assert "is there" in found(tmp_path, "artifacts root").detail


def test_a_tree_of_another_format_fails(tmp_path):
    (tmp_path / "FORMAT.json").write_bytes(b"{}")
    assert not found(tmp_path, "artifacts root").ok


def test_too_little_space_fails(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    for free, ok in ((doctor.FREE_BYTES_MIN, True), (doctor.FREE_BYTES_MIN - 1, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        finding = found(tmp_path, "artifacts root")
        assert finding.ok is ok
        assert ("free some space" in finding.detail) is not ok


@pytest.mark.parametrize(("version", "ok"), [((3, 10), False), ((3, 11), True), ((4, 0), True)])
def test_a_python_that_is_too_old_fails(tmp_path, monkeypatch, version, ok):
    monkeypatch.setattr(sys, "version_info", (*version, 0, "final", 0))
    assert found(tmp_path, "python").ok is ok


def test_a_library_that_does_not_load_fails_and_the_other_checks_go_on(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    findings = {one.name: one for one in doctor.examine(tmp_path)}
    assert not findings["numba"].ok
    assert "numba" in findings["numba"].detail
    assert findings["settings"].ok


def test_a_damaged_starter_model_fails(tmp_path, monkeypatch):
    package = tmp_path / "package"
    shutil.copytree(Path(doctor.__file__).parent / "data" / "starter", package / "starter")
    monkeypatch.setattr(starter_files, "files", lambda _: package)
    assert found(tmp_path, "starter models").ok
    path = package / "starter" / "ssm.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    finding = found(tmp_path, "starter models")
    assert not finding.ok
    assert "digest" in finding.detail
    path.unlink()
    assert "make starter" in found(tmp_path, "starter models").detail


def test_settings_that_cannot_be_right_fail(tmp_path, monkeypatch):
    monkeypatch.setenv("TTT_DATA_DIR", str(tmp_path / "none"))
    assert "is no folder; correct it" in found(tmp_path, "settings").detail
    monkeypatch.setenv("TTT_DATA_DIR", str(tmp_path))
    assert found(tmp_path, "settings").ok
    monkeypatch.setenv("TEXT_LM_DEVICE", "gpu")
    finding = found(tmp_path, "settings")
    assert not finding.ok
    assert "must be 'auto'" in finding.detail
