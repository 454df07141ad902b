"""What a user gets: a wheel with its data, pins that fit, commands that answer at once."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
HEAVY = {"torch", "numba", "matplotlib", "transformers", "ray", "tokenizers", "safetensors"}


def read_pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def direct_requirements() -> list[Requirement]:
    return [
        Requirement(text)
        for text in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"])
    ]


def indirect_requirements() -> set[str]:
    """Every distribution that an installation with [dev] needs, by what is installed here."""
    needed: set[str] = set()
    waiting = direct_requirements()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in needed:
            continue
        needed.add(name)
        for text in importlib.metadata.requires(name) or []:
            further = Requirement(text)
            extras = requirement.extras or {""}
            if not further.marker or any(further.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(further)
    return needed


def output_of(*command: str, folder: Path = ROOT) -> str:
    """Run a command that must succeed; its own words explain a failure."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- versions -------------------------------------------------------------------------------------


def test_torch_is_capped_on_both_sides():
    torch = next(r for r in direct_requirements() if r.name == "torch")
    assert {s.operator for s in torch.specifier} == {">=", "<"}


@pytest.mark.parametrize("requirement", direct_requirements(), ids=lambda r: r.name)
def test_a_direct_dependency_is_pinned_within_its_range(requirement):
    assert read_pins()[canonicalize_name(requirement.name)] in requirement.specifier


def test_every_indirect_dependency_is_pinned():
    assert indirect_requirements() <= set(read_pins())


def test_constraints_hold_versions_and_nothing_else():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+", line), line


def test_the_documented_extras_exist():
    assert set(PROJECT["optional-dependencies"]) == {"hf", "ray", "tb", "dev"}


# --- the wheel ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> set[str]:
    """The names in a wheel built from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    output_of(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    (path,) = folder.iterdir()
    return set(zipfile.ZipFile(path).namelist())


def test_the_wheel_holds_every_module_and_all_package_data(wheel):
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in ("ttt", "ttt_ssm_nano")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in wheel if ".dist-info/" not in name}
    assert packed == sources
    assert "ttt/py.typed" in packed


def test_the_wheel_names_its_license_and_its_command(wheel):
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)
    assert any(name.endswith(".dist-info/entry_points.txt") for name in wheel)


# --- the commands ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", PROJECT["scripts"].values())
def test_a_console_script_points_at_a_function(target):
    module, function = target.split(":")
    code = f"import {module}; assert callable({module}.{function})"
    output_of(sys.executable, "-c", code)


@pytest.mark.parametrize("module", ["ttt", "ttt.cli", "run_monitor"])
def test_heavy_imports_do_not_delay_help(module):
    code = f"import sys, {module}; print(*sorted({HEAVY} & set(sys.modules)))"
    assert output_of(sys.executable, "-c", code).split() == []


@pytest.mark.skipif(os.environ.get("CI") != "true", reason="takes minutes; CI=true runs it")
@pytest.mark.timeout(900)
def test_a_plain_installation_in_a_fresh_environment_runs(tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    commands = tmp_path / "venv" / "bin"
    output_of(str(commands / "python"), "-m", "pip", "install", "--no-compile", "-e", str(ROOT))
    assert "monitor" in output_of(str(commands / "ttt"), "--help", folder=tmp_path)
