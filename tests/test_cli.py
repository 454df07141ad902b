"""The umbrella command `ttt`."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ttt import __version__, cli

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "numba", "matplotlib", "pydantic", "yaml", "rich", "numpy")


def test_help_lists_every_command(capsys):
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, (_, text) in cli.COMMANDS.items():
        assert f"  {name} " in out
        assert text in out


def imported_by(argv: list[str], names: tuple[str, ...]) -> str:
    """Which of these modules a fresh process has imported after running `ttt` so."""
    code = (
        "import sys\n"
        "from ttt.cli import main\n"
        f"assert main({argv}) == 0\n"
        f"sys.stderr.write(' '.join(n for n in {names} if n in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    return done.stderr.decode()


def test_help_imports_nothing_heavy():
    assert imported_by(["--help"], HEAVY) == ""


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_of_a_command_waits_for_no_model_library(name):
    assert imported_by([name, "--help"], ("torch", "numba", "matplotlib")) == ""


def test_help_answers_at_once():
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "ttt", "--help"], cwd=ROOT, check=True, capture_output=True
        )
        times.append(time.perf_counter() - start)
    assert min(times) < 0.3


def test_the_version_is_shown(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"ttt {__version__}\n"


def test_no_command_shows_the_list_and_is_a_usage_error(capsys):
    assert cli.main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "monitor" in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["monitr"], "no command 'monitr' (did you mean 'monitor'?)"),
        (["--json", "zzz"], "no command 'zzz'; choose one of: monitor, "),
        (["--sed", "5", "monitor"], "no option --sed before its command"),
        (["--artifacts_root"], "--artifacts_root needs a value"),
    ],
)
def test_a_wrong_command_is_a_usage_error_with_a_remedy(argv, said, capsys):
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_a_command_gets_its_arguments_with_the_global_options_first(monkeypatch, tmp_path):
    (tmp_path / "room_of_this_test.py").write_text(
        "seen = []\ndef main(argv=None):\n    seen.append(argv)\n    return 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(cli, "COMMANDS", {"room": ("room_of_this_test:main", "A room.")})
    assert cli.main(["--artifacts_root", "x", "room", "--seed", "5"]) == 3
    assert sys.modules["room_of_this_test"].seen == [["--artifacts_root", "x", "--seed", "5"]]


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_exists_and_answers_help(name, capsys):
    assert cli.main([name, "--help"]) == 0
    assert "usage: " in capsys.readouterr().out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_refuses_an_unknown_option(name, capsys):
    assert cli.main([name, "--no-such-option"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
