"""The service as a program: ports, the token's file, the log, a clean stop."""

import json
import logging
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request

import pytest

from ttt.errors import ConfigError
from ttt.ui.log import JsonLines
from ttt.ui.ports import bound
from ttt.ui.serve import ListenOptions, main, read_token, settings_of

TOKEN = "a-token-of-sixteen-characters-or-more"


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


def test_a_port_that_is_taken_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"Port {port} is taken.*--port {port + 1}"):
            bound("127.0.0.1", port, option="--port")


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ConfigError, match="Cannot listen on"):
        bound("192.0.2.1", 0, option="--port")


def test_other_machines_are_let_in_only_on_purpose(token_file):
    with pytest.raises(ConfigError, match="--allow_remote"):
        settings_of(ListenOptions(host="0.0.0.0"))
    with pytest.raises(ConfigError, match="--token_file"):
        settings_of(ListenOptions(host="0.0.0.0", allow_remote=True))
    found = settings_of(ListenOptions(host="0.0.0.0", allow_remote=True, token_file=token_file))
    assert found.token == TOKEN


def test_each_start_draws_its_own_token():
    assert settings_of(ListenOptions()).token != settings_of(ListenOptions()).token


def test_a_token_that_others_can_read_is_none(token_file, tmp_path):
    assert read_token(token_file) == TOKEN
    token_file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_token(token_file)
    with pytest.raises(ConfigError, match="Cannot read"):
        read_token(tmp_path / "missing")


def test_the_log_names_the_kind_and_place_of_an_error_and_not_its_words():
    try:
        int("what somebody sent")
    except ValueError:
        given = ("ttt", logging.ERROR, __file__, 1, "broke at %s", ("/api/x",), sys.exc_info())
        line = json.loads(JsonLines().format(logging.LogRecord(*given)))
    assert (line["message"], line["error"]) == ("broke at /api/x", "ValueError")
    assert "test_serve.py" in line["at"]
    assert "somebody" not in json.dumps(line)


def test_bad_options_are_told_in_a_sentence(capsys):
    assert main(["--port", "70000"]) == 2
    assert "port" in capsys.readouterr().err


def test_it_answers_prints_its_token_once_and_stops_cleanly(tmp_path):
    argv = [
        sys.executable, "-m", "ttt", "serve", "--port", "0", "--dashboard_port", "0",
        "--artifacts_root", str(tmp_path / "tree"),
    ]  # fmt: skip
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    process = subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(3)]
        found = re.search(r"(http://127\.0\.0\.1:\d+)/#token=(\S+)", said[1])
        assert found is not None, said
        url, token = found.groups()
        (path,) = (tmp_path / "run" / "ttt").iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == token
        request = urllib.request.Request(f"{url}/api/health")
        request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["status"] == "ok"
    finally:
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=30)[1]
    assert token not in rest
    assert not path.exists()
    assert not (tmp_path / "tree").exists()
