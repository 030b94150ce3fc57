"""A child is listened to, and nobody waits for one that does not answer."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from medialift.foundation.child import Child, Late
from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import SystemClock, wait_until

CLOCK = SystemClock()


def child(script: str, given: bytes = b"", stop: Event | None = None) -> Child:
    return Child(["sh", "-c", script], given, clock=CLOCK, stop=stop or Event())


def soon() -> float:
    return CLOCK.monotonic() + 30


def test_it_is_given_its_input_and_told_apart_by_what_it_says_complains_of_and_ends_with() -> None:
    with child("wc -c; echo it hurts >&2; exit 3", b"x" * 300_000) as one:
        assert b"".join(one.said(soon())).strip() == b"300000"
        assert one.ended(soon()) == 3
        assert one.complaints() == "it hurts\n"


def test_one_that_dies_before_it_takes_its_input_is_silent() -> None:
    with child("exec <&-; exec >&-; sleep 600", b"x" * 300_000) as one:
        assert one.more(soon()) == b""


def test_one_that_says_nothing_is_left_at_the_deadline_and_killed_with_all_that_it_started(
    tmp_path: Path,
) -> None:
    with pytest.raises(Late), child(f"sleep 600 & echo $! > {tmp_path}/pid; wait") as one:
        one.more(CLOCK.monotonic() + 0.5)
    stat = Path("/proc") / (tmp_path / "pid").read_text().strip() / "stat"

    def gone() -> bool:
        try:
            return stat.read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    assert wait_until(gone, at_most=10, every=0.01, clock=CLOCK)


def test_a_stop_ends_listening_and_waiting_at_once() -> None:
    stop = Event()
    with child("exec sleep 600", stop=stop) as one:
        stop.set()
        for waits in (lambda: one.more(soon()), lambda: one.ended(soon())):
            with pytest.raises(Stopped):
                waits()
