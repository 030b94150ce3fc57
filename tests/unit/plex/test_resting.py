"""Plex is brought to rest by asking, and where that does not help by its own service."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from medialift.errors import Transient
from medialift.foundation.jobs import Stopped
from medialift.plex import scan
from medialift.plex.resting import Resting
from medialift.plex.scan import Times
from medialift.plex.server import Activity, Section

TIMES = Times.of({"poll": 1, "quiet_polls": 3, "cease": 20})
MOVIES = Section("1", "Movies", "movie", "", "", "", ("/media",), False, 0)


class Seconds:
    """A clock that sleeps without waiting."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float, stop: Event) -> bool:
        self.at += seconds
        return stop.is_set()


class Plex:
    """A server that hears a cancel only at the `hears`th time, and works until then."""

    def __init__(self, hears: float = 1, busy: bool = True) -> None:
        self.hears, self.busy, self.cancels, self.ready = hears, busy, 0, 0

    def section(self, key: str) -> Section:
        return MOVIES

    def activities(self) -> list[Activity]:
        return [Activity("library.update.section", "Scanning", 10, "1")] if self.busy else []

    def cancel_scan(self, key: str) -> None:
        self.cancels += 1
        self.busy = self.busy and self.cancels < self.hears

    def stop_butler(self, task: str | None = None) -> None: ...

    def wait_ready(self, **_how: Any) -> None:
        self.ready += 1


class Service:
    """Plex's service; what it was told, in order."""

    def __init__(self, plex: Plex, *, held: bool = False) -> None:
        self.plex, self.held, self.said = plex, held, list[str]()

    def running(self) -> bool:
        return self.plex.busy

    def stop(self) -> None:
        self.said.append("stop")
        if self.held:
            self.held = False
            raise Transient("Plex did not stop within 180 s")
        self.plex.busy = False

    def start(self) -> None:
        self.said.append("start")


def resting(plex: Plex, service: Service | None = None, tell: Callable[[str], None] = print) -> Resting:
    given: Any = plex
    return Resting(given, [MOVIES], TIMES, Seconds(), Event(), service, tell)


def test_a_cancel_is_asked_for_until_it_is_heard() -> None:
    plex = Plex(hears=4)
    resting(plex).halt()
    assert not plex.busy and plex.cancels >= 4


def test_it_has_ceased_only_when_nothing_is_seen_several_times_in_a_row() -> None:
    plex, clock = Plex(busy=False), Seconds()
    assert scan.cease(plex, ["1"], times=TIMES, clock=clock, stop=Event())
    assert plex.cancels == 3


def test_what_does_not_cease_is_told_within_its_time() -> None:
    plex, clock = Plex(hears=float("inf")), Seconds()
    assert not scan.cease(plex, ["1"], times=TIMES, clock=clock, stop=Event())
    assert clock.at == pytest.approx(20)


def test_a_stop_ends_the_cancelling() -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        scan.cease(Plex(hears=float("inf")), ["1"], times=TIMES, clock=Seconds(), stop=stop)


def test_without_a_service_what_goes_on_is_an_error_once_the_mount_is_back() -> None:
    told: list[str] = []
    at_rest = resting(Plex(hears=float("inf")), tell=told.append)
    at_rest.halt()
    assert told == ["Plex goes on 20 s after it was told to cease"]
    with pytest.raises(Transient, match="did not cease in 20 s what was cancelled: Movies"):
        at_rest.resume()


def test_with_a_service_plex_is_stopped_and_started_again() -> None:
    plex = Plex(hears=float("inf"))
    service = Service(plex)
    at_rest = resting(plex, service)
    at_rest.halt()
    assert service.said == ["stop"]
    at_rest.resume()
    assert service.said == ["stop", "start"] and plex.ready == 1


def test_a_service_that_the_mount_holds_is_stopped_once_the_mount_is_gone() -> None:
    plex = Plex(hears=float("inf"))
    service = Service(plex, held=True)
    at_rest = resting(plex, service)
    at_rest.halt()
    assert plex.busy
    at_rest.resume()
    assert service.said == ["stop", "stop", "start"] and plex.ready == 1 and not plex.busy
