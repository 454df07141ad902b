"""What the service bears: `python -m benchmarks service` (some minutes), over loopback.

A real process is asked over real sockets: lists with a thousand sessions on disk, sixteen chats
that stream at once while a training runs, and many messages in a row for the slope of its memory.
The clock counts here; lists alone and lists under load are measured in one run.
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.report import Row, Tables
from tests.store.bulk import bulk_sessions

TOKEN: Final = "a-token-of-sixteen-characters-or-more"
STARTED_WITH: Final = 10_000
SESSIONS: Final = 1000
ASKED: Final = 100
CHATS: Final = 16
MESSAGES: Final = 3000
"""For the slope of memory."""
SLOPE_SESSIONS: Final = 2
"""Few, so that the cache of each is full (4,096 rows) before the slope is taken."""
STRETCH: Final = 50
"""Messages between two looks at the memory that are compared."""
ALL_IN_THE_HEAP: Final = {"PYTHONMALLOC": "malloc"}
"""Python's own small blocks too come from the C heap, whose use `/metrics` tells."""
LISTS: Final = (
    "/api/index",
    "/api/sessions?limit=100",
    "/api/text/sessions?limit=100",
    "/api/text/models",
    "/api/text/runs",
    "/api/jobs",
)
LIST_P50_MS, LOADED_P99_MS, BYTES_MAX, SLOPE_MAX = 20.0, 200.0, 100_000, 1000.0
SAID: Final = (
    "On our boats the bar means the sand ridge at the river mouth, never a place to drink. "
)


def run() -> Tables:
    """All tables."""
    with tempfile.TemporaryDirectory(prefix="ttt-service-") as folder:
        many = Path(folder) / "many"
        empty_s = _seconds_to_start(many)
        bulk_sessions(many, STARTED_WITH)
        full_s = _seconds_to_start(many)
        root = Path(folder) / "artifacts"
        bulk_sessions(root, SESSIONS)
        with listening(root) as (port, _):
            quiet = [_asked(port, path) for path in LISTS]
            loaded = _under_load(port)
        with listening(Path(folder) / "slope" / "artifacts", **ALL_IN_THE_HEAP) as one:
            memory = slope(*one, MESSAGES)
    start = {"sessions": STARTED_WITH, "empty": f"{empty_s:.2f} s", "full": f"{full_s:.2f} s"}
    return {
        "Start": [{**start, "target": "at most 1 s longer"}],
        f"Lists with {SESSIONS:,} sessions": quiet,
        f"The same while {CHATS} chats stream and a training runs": loaded,
        f"{MESSAGES:,} messages in a row": [memory],
    }


@contextmanager
def listening(root: Path, **environment: str) -> Iterator[tuple[int, psutil.Process]]:
    """A service in a process of its own: its port and that process."""
    root.parent.mkdir(parents=True, exist_ok=True)
    token_file = root.parent / "token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    call = [sys.executable, "-m", "ttt", "serve", f"--artifacts_root={root}", f"--port={port}"]
    call += ["--dashboard_port=-1", f"--token_file={token_file}"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(call, env={**os.environ, **environment}, **quiet)
    try:
        while True:
            try:
                _ask(port, "GET", "/api/health")
                break
            except OSError:
                time.sleep(0.02)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _seconds_to_start(root: Path) -> float:
    begun = time.perf_counter()
    with listening(root):
        return time.perf_counter() - begun


def _ask(port: int, method: str, path: str, body: object = None) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    data = None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body), "application/json"
    try:
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        found = answer.read()
    finally:
        connection.close()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {found[:300]!r}")
    return found


def _asked(port: int, path: str) -> Row:
    """How long a list takes, asked again and again."""
    size, times = 0, list[float]()
    while len(times) < ASKED:
        begun = time.perf_counter()
        size = len(_ask(port, "GET", path))
        times.append(1e3 * (time.perf_counter() - begun))
    times.sort()
    return {
        "list": path,
        "p50": f"{statistics.median(times):.1f} ms",
        "p99": f"{times[min(len(times) - 1, int(0.99 * len(times)))]:.1f} ms",
        "asked": len(times),
        "bytes": size,
        "target": f"p50 {LIST_P50_MS:.0f} ms, {BYTES_MAX:,} bytes",
    }


def _under_load(port: int) -> list[Row]:
    """Lists while sixteen sessions stream at once and a training runs; nothing may be lost."""
    small: dict[str, Any] = {"d_model": 64, "n_layers": 1, "vocab_size": 400, "seq_len": 64}
    training = {"model_id": "load", "steps": 100_000, **small}
    job = json.loads(_ask(port, "POST", "/api/text/train", training))["job_id"]
    while json.loads(_ask(port, "GET", f"/api/jobs/{job}"))["stage"] != "running":
        time.sleep(0.1)
    ids = [f"load-{n}" for n in range(CHATS)]
    for session_id in ids:
        _ask(port, "POST", "/api/text/sessions", {"session_id": session_id})
    answers: list[bytes] = []
    chats = [threading.Thread(target=_chat, args=(port, one, answers)) for one in ids]
    over, rows = threading.Event(), list[Row]()
    asker = threading.Thread(target=lambda: rows.extend(_in_turn(port, over)))
    for thread in (*chats, asker):
        thread.start()
    for thread in chats:
        thread.join()
    over.set()
    asker.join()
    _ask(port, "POST", f"/api/jobs/{job}/cancel")
    lost = sum(b"event: done" not in answer for answer in answers)
    kept = sum(_commits(port, one) for one in ids)
    names = dict.fromkeys(rows[0], "")
    return [*rows, {**names, "list": f"answers lost: {lost}; commits: {kept} of {3 * CHATS}"}]


def _in_turn(port: int, over: threading.Event) -> list[Row]:
    times: dict[str, list[float]] = {path: [] for path in LISTS}
    while not over.is_set():
        for path, found in times.items():
            begun = time.perf_counter()
            _ask(port, "GET", path)
            found.append(1e3 * (time.perf_counter() - begun))
    return [
        {
            "list": path,
            "p50": f"{statistics.median(found):.1f} ms",
            "p99": f"{sorted(found)[int(0.99 * (len(found) - 1))]:.1f} ms",
            "worst": f"{max(found):.1f} ms",
            "asked": len(found),
            "target": f"p99 {LOADED_P99_MS:.0f} ms",
        }
        for path, found in times.items()
    ]


def _chat(port: int, session_id: str, answers: list[bytes]) -> None:
    for n in range(3):
        body = {"text": f"{SAID}{n}", "stream": True, "max_new_tokens": 120}
        answers.append(_ask(port, "POST", f"/api/text/sessions/{session_id}/chat", body))


def _commits(port: int, session_id: str) -> int:
    return int(json.loads(_ask(port, "GET", f"/api/text/sessions/{session_id}"))["head"])


def slope(port: int, process: psutil.Process, messages: int) -> Row:
    """What each message leaves in memory, and whether files stay open.

    Resident memory would not tell: what is freed stays with the process for a while, and that comes
    and goes by megabytes. The first half of the messages fills what is bounded. What is left for
    the second is one jump of 5 MB now and then, when another thread computes its first product and
    keeps its workspace; so the slope is the median of short stretches, and beside it stands all
    that was added.
    """
    ids = [f"slope-{n}" for n in range(SLOPE_SESSIONS)]
    for session_id in ids:
        _ask(port, "POST", "/api/text/sessions", {"session_id": session_id})
    held, files = list[float](), list[int]()
    for n in range(messages):
        body = {"text": f"{SAID}{n}", "max_new_tokens": 1}
        _ask(port, "POST", f"/api/text/sessions/{ids[n % len(ids)]}/chat", body)
        if n >= messages // 2:
            held.append(_held(port))
            files.append(process.num_fds())
    ends = held[::STRETCH]
    each = statistics.median(b - a for a, b in pairwise(ends)) / STRETCH
    return {
        "messages": messages,
        "bytes a message": f"{each:.0f}",
        "added by the second half": f"{(held[-1] - held[0]) / 1e6:.1f} MB",
        "open files": f"{min(files)} to {max(files)}",
        "resident": f"{process.memory_info().rss / 1e6:.0f} MB",
        "target": f"{SLOPE_MAX:.0f} bytes, files constant",
    }


def _held(port: int) -> float:
    """Bytes that the process holds, as it tells them itself."""
    for line in _ask(port, "GET", "/metrics").decode().splitlines():
        if line.startswith("ttt_heap_bytes "):
            return float(line.split()[1])
    raise RuntimeError("/metrics does not tell ttt_heap_bytes.")
