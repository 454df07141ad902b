"""What import-linter cannot see, module by module; and that both see what they should."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture import violations

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ttt", "ttt_ssm_nano")
MODULES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [*MODULES, ROOT / "run_monitor.py"], ids=relative)
def test_a_module_does_only_what_its_room_may(path):
    assert violations(path.read_text(), relative(path)) == []


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES}), ids=relative)
def test_every_folder_of_modules_is_a_package(folder):
    assert (folder / "__init__.py").is_file()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_room_imports_the_entry_script(path):
    imports = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
    assert "run_monitor" not in {node.module for node in imports}


# --- the contracts cover every room ---------------------------------------------------------------


def rooms() -> set[str]:
    """Every direct child of a package, by its dotted name."""
    names = {p.relative_to(ROOT).parts[:2] for p in MODULES if p.name != "__init__.py"}
    return {f"{package}.{child.removesuffix('.py')}" for package, child in names}


def layers() -> list[set[str]]:
    return [
        {name.strip(" ()") for name in re.split("[|:]", layer)}
        for layer in CONTRACTS["layers"]["layers"]
    ]


def test_every_room_stands_in_the_layers():
    assert rooms() <= set().union(*layers())


def test_every_room_below_the_api_is_forbidden_the_web():
    api = next(i for i, layer in enumerate(layers()) if "ttt.api" in layer)
    below = {
        room
        for room in rooms() & set().union(*layers()[api + 1 :])
        if (ROOT / room.replace(".", "/")).is_dir()
    }
    covered = {name.removesuffix(".**") for name in CONTRACTS["web"]["source_modules"]}
    assert below <= covered


# --- plant each violation once: the checker must see it -------------------------------------------

LONG_FILE = '"""Doc."""\n' + "x = 1\n" * 399
LONG_FUNCTION = '"""Doc."""\ndef f():\n' + "    x = 1\n" * 59


@pytest.mark.parametrize(
    ("where", "source", "what"),
    [
        ("ttt/core/a.py", "open('x', 'w')", "mode that may write"),
        ("ttt/core/a.py", "open('x', mode='a')", "mode that may write"),
        ("ttt/core/a.py", "open('x', 'r+b')", "mode that may write"),
        ("ttt/core/a.py", "open('x', mode)", "mode that may write"),
        ("ttt/core/a.py", "Path('x').open('w')", "mode that may write"),
        ("ttt/core/a.py", "import numpy as np\nnp.memmap('x')", "mode that may write"),
        ("ttt/core/a.py", "import os\nos.open('x', os.O_RDWR)", "more than reading"),
        ("ttt/core/a.py", "Path('x').write_text('y')", "calls write_text"),
        ("ttt/core/a.py", "Path('x').write_bytes(b'y')", "calls write_bytes"),
        ("ttt/core/a.py", "path.unlink()", "calls unlink"),
        ("ttt/core/a.py", "path.rename(other)", "calls rename"),
        ("ttt/core/a.py", "path.replace(other)", "calls Path.replace"),
        ("ttt/core/a.py", "path.mkdir(parents=True)", "calls mkdir"),
        ("ttt/core/a.py", "import os\nos.makedirs('x')", "calls makedirs"),
        ("ttt/core/a.py", "from os import replace\nreplace('x', 'y')", "calls replace"),
        ("ttt/core/a.py", "import shutil as s\ns.move('x', 'y')", "calls move"),
        ("ttt/core/a.py", "import torch\ntorch.save({}, 'x')", "calls save"),
        ("ttt/core/a.py", "import numpy as np\nnp.save('x', y)", "calls save"),
        ("ttt/core/a.py", "from safetensors.torch import save_file\nsave_file({}, 'x')", "save_f"),
        ("ttt/core/a.py", "import tempfile\ntempfile.mkdtemp()", "calls mkdtemp"),
        ("ttt/cli.py", "figure.savefig('out.png')", "saves a figure"),
        ("run_monitor.py", "open('x', 'w')", "mode that may write"),
        ("ttt/monitors/a.py", "weight.copy_(other)", "calls copy_"),
        ("ttt/monitors/a.py", "model.load_state_dict({})", "loads weights"),
        ("ttt/guarded/a.py", "change.fast.swap_in(state)", "plastic state"),
        ("ttt/monitors/a.py", "optimizer.step()", "steps an optimiser"),
        ("ttt/monitors/a.py", "model.adapter.weight.add_(delta)", "calls add_ on a weight"),
        ("ttt/monitors/a.py", "p.data = other", "assigns .data"),
        ("ttt/monitors/a.py", "p.data.mul_(0.5)", "calls mul_ on a weight"),
        ("ttt/monitors/a.py", "import torch\ntorch._foreach_add_(a, b)", "calls _foreach_add_"),
        ("ttt/monitors/a.py", "from torch import nn\nnn.init.zeros_(w)", "initialises weights"),
        ("ttt/core/a.py", "optimizer.step()", "steps an optimiser"),
        ("ttt/store/a.py", "weight.copy_(other)", "calls copy_"),
        ("ttt/core/a.py", "print('x')", "prints"),
        ("ttt/core/a.py", "from rich import print as show\nshow('x')", "prints"),
        ("ttt/core/utils.py", "x = 1", "names nothing"),
    ],
)
def test_the_checker_sees_a_planted_violation(where, source, what):
    found = violations(f'"""Doc."""\n{source}\n', where)
    assert len(found) == 1
    assert what in found[0]


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("ttt/core/a.py", "open('data')"),
        ("ttt/core/a.py", "open('x', 'rb')"),
        ("ttt/core/a.py", "Path('x').open('r', encoding='utf-8')"),
        ("ttt/core/a.py", "Path('x').read_text().replace('a', 'b')"),
        ("ttt/core/a.py", "import os\nos.open('x', os.O_RDONLY)"),
        ("ttt/core/a.py", "import numpy as np\nnp.memmap('x', mode='r')"),
        ("ttt/core/a.py", "import dataclasses\ndataclasses.replace(x, lr=1)"),
        ("ttt/cli.py", "figure.savefig(buffer, format='png')"),
        ("ttt/cli.py", "console.print('x')"),
        ("ttt/store/a.py", "open('x', 'wb')\npath.unlink()\nmodel.load_state_dict({})"),
        ("ttt/changes/a.py", "optimizer.step()\nweight.copy_(other)\np.data = other"),
        ("ttt/text_lm/fit.py", "optimizer.step()"),
        ("ttt/core/a.py", "plant.step(action)\nweight.requires_grad_(False)\nscratch.add_(1)"),
        ("ttt/core/a.py", "def __init__(self):\n    self.out.weight.copy_(identity)"),
        ("ttt/lib/a.py", "import os\nPath(os.devnull).open('wb')"),
        ("ttt/core/a.py", "self.data = other"),
    ],
)
def test_the_checker_leaves_alone_what_is_allowed(where, source):
    assert violations(f'"""Doc."""\n{source}\n', where) == []


@pytest.mark.parametrize(
    ("source", "what"),
    [(LONG_FILE, "has 400 lines"), (LONG_FUNCTION, "f has 60 lines"), ("x = 1\n", "no docstring")],
    ids=["file", "function", "docstring"],
)
def test_the_checker_measures_both_sides_of_each_limit(source, what):
    found = violations(source, "ttt/core/a.py")
    assert len(found) == 1
    assert what in found[0]
    one_less = source.removesuffix(source.splitlines(keepends=True)[-1])
    assert violations(one_less or '"""Doc."""\n', "ttt/core/a.py") == []


# --- plant each wrong import once: its contract must break ----------------------------------------

PLANTED = {
    "layers": ("ttt.core.a", "import ttt.monitors.a"),
    "acyclic": ("ttt.core.b", "import ttt.core.c"),
    "files": ("ttt.monitors.b", "import ttt.store._files"),
    "audit-canaries": ("ttt.monitors.c", "import ttt.core.audit_canaries"),
    "spine": ("ttt.spine.a", "import torch"),
    "web": ("ttt.lib.a", "import fastapi"),
}
EVERYWHERE = {
    "ttt.core.c": "import ttt.core.b.d",
    "ttt.core.b.d": "",
    "ttt.core.audit_canaries": "",
    "ttt.monitors.a": "",
    "ttt.monitors.audit": "import ttt.core.audit_canaries",
    "ttt.errors": "",
    "ttt.spine.b": "",
    "ttt.lib.b": "",
    "ttt.store._files": "",
    "ttt.store.blobs": "import ttt.store._files",
    "ttt_ssm_nano.plant": "",
}


def write_package(folder: Path, modules: dict[str, str]) -> None:
    packages = {m.rsplit(".", n)[0] for m in modules for n in range(1, m.count(".") + 1)}
    for name in sorted(packages):
        (folder / name.replace(".", "/")).mkdir(parents=True)
        (folder / name.replace(".", "/") / "__init__.py").touch()
    for name, text in modules.items():
        place = folder / name.replace(".", "/")
        (place / "__init__.py" if place.is_dir() else place.with_suffix(".py")).write_text(text)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory) -> tuple[str, str]:
    """The linter on a small tree of the same rooms: without and with the planted imports."""
    outputs = []
    for name, planted in (("clean", {}), ("planted", dict(PLANTED.values()))):
        folder = tmp_path_factory.mktemp(name)
        write_package(folder, EVERYWHERE | planted)
        (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
        done = subprocess.run(
            [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        outputs.append(done.stdout)
    return outputs[0], outputs[1]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_contract_sees_the_import_that_breaks_it_and_only_that(verdicts, contract):
    name = CONTRACTS[contract]["name"]
    assert f"{name} KEPT" in verdicts[0]
    assert f"{name} BROKEN" in verdicts[1]
