"""The dashboard's own checks, and that what is committed is what its sources build."""

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ttt.api.document import document

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD, STATIC = ROOT / "dashboard", ROOT / "ttt/ui/static"
MAIN_BYTES_MAX = 200_000
"""Of everything that the first view loads, compressed."""
pytestmark = pytest.mark.browser


@pytest.fixture
def npx():
    """Runs one of the dashboard's tools."""
    if shutil.which("npx") is None or not (DASHBOARD / "node_modules/.bin").is_dir():
        pytest.skip("no Node here, or npm ci was not run in dashboard/")

    def run(*call):
        done = subprocess.run(
            ["npx", "--no-install", *call],
            cwd=DASHBOARD,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]

    return run


def files_of(folder):
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_format_lint_and_the_borders_between_features(npx):
    npx("biome", "ci", ".")


def test_types(npx):
    npx("tsc", "--noEmit")


def test_logic(npx):
    npx("vitest", "run")


def test_the_committed_build_is_what_the_sources_give(npx, tmp_path):
    npx("vite", "build", "--outDir", str(tmp_path / "static"))
    built, committed = files_of(tmp_path / "static"), files_of(STATIC)
    assert sorted(built) == sorted(committed)
    assert [name for name in built if built[name] != committed[name]] == []


def test_the_client_is_generated_from_the_document_of_today(npx, tmp_path):
    assert (DASHBOARD / "openapi.json").read_text() == document()
    made = tmp_path / "schema.d.ts"
    options = ("--default-non-nullable", "false")
    npx("openapi-typescript", "openapi.json", *options, "-o", str(made))
    assert made.read_text() == (DASHBOARD / "src/api/schema.d.ts").read_text()


def test_the_first_view_is_small():
    page = (STATIC / "index.html").read_text()
    first = re.findall(r'(?:src|href)="/(assets/[^"]+)"', page)
    assert first
    size = sum(len(gzip.compress((STATIC / name).read_bytes())) for name in first)
    assert size < MAIN_BYTES_MAX
