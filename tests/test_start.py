"""start.sh and test.sh on every kind of machine: no Python, an old one, first and second start.

The scripts are the real ones, in a folder of their own; only the interpreter is a stand-in, which
notes what is asked of pip instead of doing it.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BASH = shutil.which("bash") or "bash"
PYTHON = """#!{bash}
if [ "$1 $2" = "-m pip" ]; then
  echo "pip $*" >>"{log}"
  exit {pip_status}
elif [ "$1 $2" = "-m venv" ]; then
  echo "venv" >>"{log}"
  mkdir -p "${{!#}}/bin" && cp "$0" "${{!#}}/bin/python"
elif [ "$1" = "-m" ]; then
  shift; echo "asked to run $*"  # The real checks of this project could be found and begun.
else
  exec "{real}" "$@"
fi
"""
OLD_PYTHON = """#!{bash}
case "$2" in *version_info*3,\\ 11*) exit 1 ;; *version_info*) echo 3.9.18 ;; esac
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A project folder and the commands that its scripts find."""

    root: Path
    bin: Path

    @property
    def log(self) -> list[str]:
        log = self.root / "asked.log"
        return log.read_text().splitlines() if log.exists() else []

    def run(self, script: str, *arguments: str, **environment: str):
        return subprocess.run(
            [BASH, str(self.root / script), *arguments],
            env={"PATH": str(self.bin), **environment},
            cwd=self.bin,
            capture_output=True,
            text=True,
            check=False,
        )

    def install_python(self, text: str, pip_status: int = 0, name: str = "python3") -> None:
        log = self.root / "asked.log"
        python = self.bin / name
        python.write_text(
            text.format(bash=BASH, real=sys.executable, log=log, pip_status=pip_status)
        )
        python.chmod(0o755)


@pytest.fixture
def machine(tmp_path) -> Machine:
    root, commands = tmp_path / "the project", tmp_path / "bin"
    commands.mkdir()
    (root / ".ci").mkdir(parents=True)
    for name in (".ci/environment.sh", "start.sh", "test.sh", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, root / name)
    for name in ("bash", "dirname", "cat", "cp", "mkdir"):
        (commands / name).symlink_to(shutil.which(name))
    return Machine(root=root, bin=commands)


def test_the_first_start_installs_and_the_second_only_starts(machine):
    machine.install_python(PYTHON)
    first = machine.run("start.sh", "--port", "8000")
    assert first.stdout == "asked to run ttt serve --example --port 8000\n"
    assert "Installing" in first.stderr
    assert [line.split()[0] for line in machine.log] == ["venv", "pip"]
    second = machine.run("start.sh")
    assert second.stdout == "asked to run ttt serve --example\n"
    assert "Installing" not in second.stderr
    assert len(machine.log) == 2


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed_again_without_a_new_environment(machine, name):
    machine.install_python(PYTHON)
    machine.run("start.sh")
    with (machine.root / name).open("a") as file:
        file.write("\n# changed\n")
    machine.run("start.sh")
    assert [line.split()[0] for line in machine.log] == ["venv", "pip", "pip"]


def test_the_installation_is_pinned_and_editable(machine):
    machine.install_python(PYTHON)
    machine.run("start.sh")
    assert f"-e {machine.root} -c {machine.root}/constraints.txt" in machine.log[1]


def test_a_failed_installation_is_tried_again_next_time(machine):
    machine.install_python(PYTHON, pip_status=1)
    done = machine.run("start.sh")
    assert done.returncode == 1
    assert "the installation failed" in done.stderr
    assert done.stdout == ""
    machine.run("start.sh")
    assert len([line for line in machine.log if line.startswith("pip")]) == 2


@pytest.mark.parametrize(
    ("python", "message"),
    [(None, "no Python at all"), (OLD_PYTHON, "python3 is 3.9.18")],
    ids=["none", "too old"],
)
def test_without_a_python_that_fits_the_message_says_what_would(machine, python, message):
    if python:
        machine.install_python(python)
    done = machine.run("start.sh")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr
    assert message in done.stderr
    assert "TTT_PYTHON=" in done.stderr
    assert not (machine.root / ".venv").exists()


def test_an_old_python_is_passed_over_for_one_that_fits(machine):
    machine.install_python(OLD_PYTHON)
    machine.install_python(PYTHON, name="python3.12")
    assert machine.run("start.sh").returncode == 0


def test_a_named_python_is_the_only_one_tried(machine):
    machine.install_python(PYTHON)
    done = machine.run("start.sh", TTT_PYTHON="/nowhere/python3")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr


def test_an_environment_whose_python_is_gone_is_made_again(machine):
    machine.install_python(PYTHON)
    machine.run("start.sh")
    (machine.root / ".venv/bin/python").unlink()
    assert machine.run("start.sh").returncode == 0
    assert machine.log.count("venv") == 2


def test_test_sh_installs_the_development_tools_which_start_sh_then_keeps(machine):
    machine.install_python(PYTHON)
    machine.run("start.sh")
    machine.run("test.sh")
    assert f"-e {machine.root}[dev] -c" in machine.log[2]
    machine.run("start.sh")
    assert len(machine.log) == 3


def test_test_sh_ends_with_the_sum_even_when_the_installation_fails(machine):
    machine.install_python(PYTHON, pip_status=1)
    done = machine.run("test.sh")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"
