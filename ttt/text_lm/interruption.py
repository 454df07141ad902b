"""Ctrl-C between two steps instead of in the middle of one.

A signal that arrives while weights are being stepped would leave half of them behind. The first one
is therefore only noted, and the loop asks after every step; a second one a moment later ends the
process at once, and the newest saved state is what remains. SIGTERM, which is how a service or
`torchrun` asks a process to go, counts as the same wish.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

ECHO_S = 1.0
"""A terminal signals every process and `torchrun` passes the signal on: within this time a second
one is the same wish. Own."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def requested(self) -> bool:
        """Whether a signal came."""
        return self._since_s is not None

    def note(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: It is the second one, and no echo of the first.
        """
        del number, frame
        if self._since_s is None:
            self._since_s = time.monotonic()
        elif time.monotonic() - self._since_s > ECHO_S:
            raise KeyboardInterrupt


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[Interruption]:
    """Note signals instead of raising within; outside of the main thread nobody can, nor need."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption.note) for number in SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
