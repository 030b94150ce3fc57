"""A service ends at once when it is told to, also in the middle of a wait."""

from __future__ import annotations

import os
import signal
from threading import Event

import pytest

from medialift.foundation.signals import stoppable
from medialift.foundation.waiting import SystemClock


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_long_wait(number: int) -> None:
    stop = Event()

    def work() -> bool:
        os.kill(os.getpid(), number)
        return SystemClock().sleep(600, stop)

    assert stoppable(work, stop) is True


def test_what_the_work_returns_and_raises_is_handed_on() -> None:
    assert stoppable(lambda: 7, Event()) == 7
    with pytest.raises(ValueError, match="defect"):
        stoppable(lambda: int("defect"), Event())


def test_afterwards_signals_do_what_they_did_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    stoppable(lambda: None, Event())
    assert signal.getsignal(signal.SIGTERM) is before
