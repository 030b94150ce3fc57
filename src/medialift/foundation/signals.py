"""Ending a service at once when it is told to: SIGTERM and SIGINT set its stop event, whatever it does."""

from __future__ import annotations

import signal
from collections.abc import Callable
from threading import Event, Thread, current_thread, main_thread
from typing import TypeVar

_T = TypeVar("_T")
_LOOK_SECONDS = 0.1


def stoppable(work: Callable[[], _T], stop: Event, at_once: Event | None = None) -> _T:
    """Run `work` in a thread of its own, and set `stop` when this process is told to end; what it returned.

    `at_once` is set when it is told so again.

    A handler that set the event itself could meet it in the middle of a wait of the same thread, and wait for
    ever for a lock that this thread holds. So the handler only takes a note, and this thread, which waits for
    nothing else, sets the event.

    In another thread than the main one, which alone may take signals, `work` is simply called.

    Args:
        work: ends when `stop` is set.

    Raises:
        Exception: what `work` raised.
    """
    if current_thread() is not main_thread():
        return work()
    told: list[int] = []
    returned: list[_T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            returned.append(work())
        except BaseException as error:
            raised.append(error)

    before = {
        number: signal.signal(number, lambda number, _frame: told.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        thread = Thread(target=run, name="work")
        thread.start()
        while thread.is_alive():
            thread.join(_LOOK_SECONDS)
            if told:
                stop.set()
            if len(told) > 1 and at_once is not None:
                at_once.set()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if raised:
        raise raised[0]
    return returned[0]
