"""Signals are noted between steps; a second one that is no echo ends the process."""

import os
import signal
import threading

import pytest

from ttt.text_lm import interruption as module
from ttt.text_lm.interruption import SIGNALS, deferred_interrupts


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_raises_nothing(number):
    before = signal.getsignal(number)
    with deferred_interrupts() as interruption:
        assert not interruption.requested()
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # The terminal's and `torchrun`'s.
        assert interruption.requested()
    assert signal.getsignal(number) is before


def test_a_second_one_a_moment_later_ends_it(monkeypatch):
    now_s = iter([10.0, 10.0 + module.ECHO_S, 10.1 + module.ECHO_S])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now_s))
    with deferred_interrupts() as interruption:
        interruption.note(signal.SIGINT, None)
        interruption.note(signal.SIGINT, None)
        with pytest.raises(KeyboardInterrupt):
            interruption.note(signal.SIGINT, None)


def test_outside_of_the_main_thread_signals_are_left_alone():
    found = []

    def work() -> None:
        with deferred_interrupts() as interruption:
            found.append((interruption.requested(), signal.getsignal(signal.SIGINT)))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, before)]
