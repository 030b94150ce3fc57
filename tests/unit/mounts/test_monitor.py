"""A monitor probes one at a time, is patient at the start, and stops at once whatever a probe is doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import wait_until
from medialift.mounts.monitor import Monitor, Observation
from medialift.mounts.probe import DEGRADED, HEALTHY, HUNG, Verdict, probe

WELL, ILL = Verdict("/mnt/media", HEALTHY), Verdict("/mnt/media", DEGRADED, "nothing reads")


def blocked_readers(place: str) -> int:
    """Children of the probe that wait inside the kernel for rclone."""
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"--reader-of={place}".encode() in (process / "cmdline").read_bytes():
                found += "request_wait_answer" in (process / "wchan").read_text()
    return found


class Seconds:
    """A clock that sleeps without waiting; the n-th sleep ends the monitor."""

    def __init__(self, sleeps: int) -> None:
        self.at, self.left, self.stop = 1000.0, sleeps, Event()

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float, stop: Event) -> bool:
        self.at += seconds
        self.left -= 1
        if self.left == 0:
            stop.set()
        return stop.is_set()


def observed(verdicts: Sequence[Verdict], **options: Any) -> list[Observation]:
    """What a monitor tells when its probes say this, one after another."""
    clock, told = Seconds(len(verdicts)), list[Observation]()
    said: Iterator[Verdict] = iter(verdicts)
    given = {"every": 10.0, "grace": 0.0, "threshold": 2, **options}
    Monitor(lambda _stop: next(said), clock=clock, stop=clock.stop, tell=told.append, **given).run()
    return told


def test_one_failure_is_none_and_two_in_a_row_are_one() -> None:
    told = observed([WELL, ILL, WELL, ILL, ILL, ILL, WELL])
    assert [one.failures for one in told] == [0, 1, 0, 1, 2, 3, 0]
    assert [one.failed for one in told] == [False, False, False, False, True, True, False]


def test_while_a_mount_comes_up_it_may_be_ill() -> None:
    told = observed([ILL] * 5, grace=25.0)
    assert [one.in_grace for one in told] == [True, True, True, False, False]
    assert [one.failed for one in told] == [False, False, False, False, True]


def test_the_grace_ends_with_the_first_healthy_probe() -> None:
    told = observed([ILL, WELL, ILL, ILL], grace=1000.0)
    assert [one.in_grace for one in told] == [True, False, False, False]
    assert told[-1].failed


def test_after_a_recovery_it_counts_from_nothing_with_a_new_grace() -> None:
    clock, failures = Seconds(6), list[tuple[int, bool]]()

    def tell(one: Observation) -> None:
        failures.append((one.failures, one.in_grace))
        if one.failed:
            monitor.anew()
            assert not monitor.state.failed

    monitor = Monitor(
        lambda _stop: ILL, every=10, grace=15, threshold=2, clock=clock, stop=clock.stop, tell=tell
    )
    monitor.run()
    assert failures == [(0, True), (0, True), (1, False), (2, False), (0, True), (1, False)]


def test_the_state_can_be_read_while_a_probe_is_out() -> None:
    out, go, stop = Event(), Event(), Event()

    def blocked(_stop: Event) -> Verdict:
        out.set()
        go.wait(30)
        return ILL

    monitor = Monitor(blocked, every=60, grace=0, threshold=1, stop=stop)
    thread = Thread(target=monitor.run)
    thread.start()
    assert out.wait(10)
    assert (monitor.state.verdict, monitor.state.failed) == (None, False)
    go.set()
    assert wait_until(lambda: monitor.state.failed, at_most=10, every=0.01)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_monitor_that_broke_is_never_taken_for_a_mount_that_is_well() -> None:
    def broken(_stop: Event) -> Verdict:
        raise RuntimeError("defect")

    for broken_part in ({"probe": broken}, {"tell": broken}):
        parts: dict[str, Any] = {"probe": lambda _stop: WELL, **broken_part}
        monitor = Monitor(parts.pop("probe"), stop=Event(), **parts)
        with pytest.raises(RuntimeError):
            monitor.run()
        assert monitor.state.failed


def test_a_probe_that_says_stopped_though_nobody_stopped_it_is_a_defect() -> None:
    def lying(_stop: Event) -> Verdict:
        raise Stopped("/mnt/media")

    monitor = Monitor(lying, stop=Event())
    with pytest.raises(Stopped):
        monitor.run()
    assert monitor.state.failed


def test_it_stops_at_once_while_a_probe_is_stuck_in_a_store_that_hangs(store_mount: Any) -> None:
    files = store_mount.fill("big.mkv", size=3_000_000)
    store_mount.up()
    store_mount.store.mode = "hang"
    told, stop = list[Observation](), Event()
    reading: Callable[[Event], Verdict] = lambda stop: probe(  # noqa: E731
        store_mount.place, files, deadline=600, stop=stop
    )
    thread = Thread(target=Monitor(reading, every=600, stop=stop, tell=told.append).run, daemon=True)
    thread.start()
    assert wait_until(lambda: blocked_readers(str(store_mount.place)) > 0, at_most=20, every=0.05)
    stop.set()
    thread.join(10)  # of the 600 s that the probe had
    assert not thread.is_alive()
    assert told == []


def test_a_store_that_hangs_is_told_within_the_deadline_of_each_probe(store_mount: Any) -> None:
    files = store_mount.fill("big.mkv", size=3_000_000)
    store_mount.up()
    store_mount.store.mode = "hang"
    told, stop = list[Observation](), Event()

    def tell(one: Observation) -> None:
        told.append(one)
        if one.failed:
            stop.set()

    Monitor(
        lambda stop: probe(store_mount.place, files, deadline=1, stop=stop),
        every=0.1,
        grace=0,
        threshold=3,
        stop=stop,
        tell=tell,
    ).run()
    assert [one.verdict.state for one in told] == [HUNG] * 3
    assert [one.failures for one in told] == [1, 2, 3]
