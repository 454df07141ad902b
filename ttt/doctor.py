"""`ttt doctor`: what this installation is, what works in it, and what to do about the rest.

Every line is something that was just tried, not something that should hold. Covered: interpreter,
libraries, the way the scan takes and that it agrees with its twin, the packaged models byte for
byte, the artifact root. Not covered: saved sessions and models, and speed.
"""

import dataclasses
import importlib
import json
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ttt.errors import TTTError
from ttt.lib.entry import EXIT_FAILURE, EXIT_OK
from ttt.lib.flags import CommandOptions, parse, run_command

PYTHON_MIN = (3, 11)
"""Source: `requires-python` in pyproject.toml, which pip alone enforces."""
FREE_BYTES_MIN = 1 << 30
"""Own: a training of the default size with its checkpoints stays well below."""
SCAN_TOLERANCE = 1e-5
"""Own: float32 ways differ by rounding, near 5e-7 on such inputs; a wrong one by far more."""

Check: TypeAlias = Callable[[], tuple[bool, str]]
"""Says whether all is well, and what it found; may raise any deliberate error, or ImportError."""


class DoctorOptions(CommandOptions):
    """Check this installation and say what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    name: str
    ok: bool
    detail: str
    """A version, a place, or what is wrong and its remedy."""


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Run every check and show what it found; 1 if any of them failed."""
    options = parse(DoctorOptions, argv, prog="ttt doctor", description=__doc__ or "")
    findings = examine(options.artifacts_root)
    healthy = all(finding.ok for finding in findings)
    if options.json_output:
        checks = [dataclasses.asdict(finding) for finding in findings]
        sys.stdout.write(json.dumps({"ok": healthy, "checks": checks}) + "\n")
    else:
        from ttt.lib.terminal import print_table, result_console

        rows = [(one.name, "ok" if one.ok else "FAILED", one.detail) for one in findings]
        print_table(result_console(), ("check", "result", "detail"), rows)
    return EXIT_OK if healthy else EXIT_FAILURE


def examine(artifacts_root: Path) -> tuple[Finding, ...]:
    """Run every check; a failed one does not keep the others from running.

    Args:
        artifacts_root: Where work is to be saved; nothing is created there.
    """
    checks: dict[str, Check] = {
        "python": _python,
        "torch": lambda: _library("torch"),
        "numba": lambda: _library("numba"),
        "scan": _scan,
        "starter models": _starter_models,
        "artifacts root": lambda: _artifacts_root(artifacts_root),
        "settings": _settings,
    }
    return tuple(_finding(name, check) for name, check in checks.items())


def _finding(name: str, check: Check) -> Finding:
    try:
        ok, detail = check()
    except (TTTError, ImportError) as error:
        ok, detail = False, str(error)
    return Finding(name=name, ok=ok, detail=detail)


def _python() -> tuple[bool, str]:
    wanted = ".".join(map(str, PYTHON_MIN))
    found = f"{platform.python_version()} at {sys.executable}, needs {wanted} or newer"
    return sys.version_info[:2] >= PYTHON_MIN, found


def _library(name: str) -> tuple[bool, str]:
    """Import it: that it is installed does not mean that it loads."""
    return True, str(importlib.import_module(name).__version__)


def _scan() -> tuple[bool, str]:
    import torch

    from ttt.core.scan import naive_scan, scan, scan_path
    from ttt.lib.seeds import torch_generator

    generator = torch_generator(0, "doctor", "scan")
    # Odd sizes: a path that pads or works in blocks shows its seams there.
    a_BLD = torch.rand(2, 63, 5, generator=generator)
    x_BLD = torch.randn(2, 63, 5, generator=generator)
    error = (scan(a_BLD, x_BLD) - naive_scan(a_BLD, x_BLD)).abs().max().item()
    ok = error <= SCAN_TOLERANCE
    remedy = "" if ok else "; set TTT_SCAN=naive and report this"
    return ok, f"{scan_path()} on the CPU, {error:.1e} from its readable twin{remedy}"


def _starter_models() -> tuple[bool, str]:
    from ttt.core.starter import load_starter
    from ttt.core.starter_files import starter_record

    names = [load_starter(backbone).name for backbone in starter_record()["models"]]
    return bool(names), f"{', '.join(names) or 'none'}; every byte as recorded"


def _artifacts_root(root: Path) -> tuple[bool, str]:
    from ttt.store import layout

    folder = layout.probe_writable(root)
    state = "is there" if layout.check_format(root) else "will be created"
    free = shutil.disk_usage(folder).free
    ok = free >= FREE_BYTES_MIN
    remedy = "" if ok else "; free some space"
    return ok, f"{root.absolute()} {state}, {free / (1 << 30):.1f} GiB free{remedy}"


def _settings() -> tuple[bool, str]:
    from ttt.settings import read_settings

    settings = read_settings()
    data_dir = settings.data_dir
    ok = data_dir is None or data_dir.is_dir()
    shown = "not set" if data_dir is None else str(data_dir)
    remedy = "" if ok else ", which is no folder; correct it"
    return ok, f"TEXT_LM_DEVICE {settings.text_lm_device}, TTT_DATA_DIR {shown}{remedy}"
