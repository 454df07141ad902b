"""What a benchmark leaves: tables on the terminal, and on request the same as JSON.

The JSON says on what it was measured: the machine, the versions, and a digest of the code, so that
figures can be laid beside those of another day.
"""

import hashlib
import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from ttt.lib import strict_json
from ttt.store.exports import write_output

Row: TypeAlias = dict[str, object]
Tables: TypeAlias = dict[str, list[Row]]
"""Rows by the title of their table; the columns are the keys of the first row."""

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("torch", "numpy", "numba", "tokenizers")


def markdown(title: str, rows: Sequence[Row]) -> str:
    """One table as Markdown."""
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    lines += [f"| {' | '.join(str(row[name]) for name in names)} |" for row in rows]
    return "\n".join([f"\n{title}\n", *lines])


def write_json(folder: Path, suite: str, tables: Tables) -> Path:
    """Write the tables of a suite, and what they were measured on, to `folder/suite.json`."""
    path = folder / f"{suite}.json"
    write_output(path, strict_json.dumps({"suite": suite, **circumstances(), "tables": tables}))
    return path


def circumstances() -> dict[str, object]:
    """Machine, versions and digest of the code."""
    return {
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
        },
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in PACKAGES},
        },
        "code_sha256": code_digest(
            path
            for room in ("ttt", "ttt_ssm_nano", "benchmarks")
            for path in (ROOT / room).rglob("*.py")
        ),
    }


def code_digest(paths: Iterable[Path]) -> str:
    """SHA-256 over names and bytes of source files, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(ROOT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _processor() -> str:
    """The processor's name where the system tells it (Linux), else its family."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
