"""Figures for Prometheus: requests, latencies, messages, memory. No label names a session."""

import math
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ttt.lib.allocator import heap_in_use

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The figures of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "ttt_requests", "Requests by status.", ["status"], registry=self._registry
        )
        self.seconds = Histogram(
            "ttt_request_seconds",
            "Time to the first byte of the answer.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self.messages = Counter(
            "ttt_chat_messages", "Messages by what became of them.", ["outcome"],
            registry=self._registry,
        )  # fmt: skip
        self._memory = Gauge("ttt_resident_bytes", "Resident memory.", registry=self._registry)
        self._heap = Gauge(
            "ttt_heap_bytes",
            "Bytes of the C heap in use; NaN where the C library cannot tell.",
            registry=self._registry,
        )
        self._files = Gauge("ttt_open_files", "Open file descriptors.", registry=self._registry)

    def text(self) -> bytes:
        """All figures in the text format of Prometheus."""
        process = psutil.Process(os.getpid())
        self._memory.set(process.memory_info().rss)
        in_use = heap_in_use()
        self._heap.set(math.nan if in_use is None else in_use)
        self._files.set(process.num_fds())
        return generate_latest(self._registry)


class Measured:
    """Counts and times every answer.

    Args:
        app: The application behind it.
        metrics: Where to.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Pass one request on."""
        begun = time.monotonic()

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(status=str(message["status"])).inc()
                self._metrics.seconds.observe(time.monotonic() - begun)
            await send(message)

        await self._app(scope, receive, sent)
