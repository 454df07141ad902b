"""What happens in the service, as it happens: numbered events, for anybody who listens.

A listener that comes back says which event it saw last and gets what it missed, as far as the last
`KEPT` go; the numbers of one start of the service never mean those of another. Whoever is too slow
loses the oldest events and is told so, and nobody waits for it.
"""

import secrets
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

import anyio
from fastapi.sse import format_sse_event

from ttt.api.replies import as_json

KEPT: Final = 2000
LISTENERS_MAX: Final = 32
POLL_S: Final = 0.1
"""How often a listener looks. Own: several threads announce, and a chart is drawn every 250 ms."""
PING_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvent:
    """Something that happened."""

    n: int
    kind: str
    """Such as `chat.done`."""
    data: Mapping[str, object]


class LiveEvents:
    """The last events of one start of the service."""

    def __init__(self) -> None:
        self._start = secrets.token_hex(4)
        self._events: deque[LiveEvent] = deque(maxlen=KEPT)
        self._next = 0
        self._listeners = 0
        self._lock = threading.Lock()

    def announce(self, kind: str, data: Mapping[str, object]) -> None:
        """Tell everybody; from any thread."""
        with self._lock:
            self._events.append(LiveEvent(n=self._next, kind=kind, data=dict(data)))
            self._next += 1

    def since(self, n: int) -> tuple[LiveEvent, ...]:
        """The events from a number on, those that are still kept."""
        with self._lock:
            return tuple(event for event in self._events if event.n >= n)

    def place(self, last_event_id: str) -> int:
        """Where a listener goes on that saw an event last; the end for one that is new."""
        start, _, number = last_event_id.partition("-")
        if start == self._start and number.isascii() and number.isdigit():
            return min(int(number[:12]) + 1, self._next)
        return 0 if last_event_id else self._next

    async def stream(self, last_event_id: str) -> AsyncIterator[bytes]:
        """The events as they happen, in the form of a stream of server-sent events."""
        self._listeners += 1
        try:
            place, waited = self.place(last_event_id), 0.0
            yield format_sse_event(comment="listening", retry=1000)
            while True:
                for event in self.since(place):
                    if event.n > place:
                        yield self._event("lost", {"events": event.n - place}, event.n - 1)
                    yield self._event(event.kind, event.data, event.n)
                    place, waited = event.n + 1, 0.0
                await anyio.sleep(POLL_S)
                waited += POLL_S
                if waited >= PING_S:
                    yield format_sse_event(comment="still here")
                    waited = 0.0
        finally:
            self._listeners -= 1

    @property
    def is_full(self) -> bool:
        """Whether no further listener is taken."""
        return self._listeners >= LISTENERS_MAX

    def _event(self, kind: str, data: Mapping[str, object], n: int) -> bytes:
        return format_sse_event(event=kind, data_str=as_json(data), id=f"{self._start}-{n}")
