"""What reads through a mount has stopped before the mount is touched, or the mount is not touched."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

import pytest

from medialift.errors import Permanent, Transient
from medialift.foundation.jobs import Stopped
from medialift.foundation.process import Completed
from medialift.mounts.consumers import Consumers


class Systemd:
    """Units and the states that they show one after another; the last one stays."""

    def __init__(self, **states: list[str]) -> None:
        self.states, self.asked = states, list[str]()

    def __call__(self, argv: Sequence[str]) -> Completed:
        verb, unit = argv[1], argv[-1]
        if verb != "show":
            self.asked.append(f"{verb} {unit}")
            return Completed(tuple(argv), 0)
        shown = self.states.get(unit)
        if shown is None:
            return Completed(tuple(argv), 0, "LoadState=not-found\nActiveState=inactive\n")
        state = shown.pop(0) if len(shown) > 1 else shown[0]
        return Completed(tuple(argv), 0, f"LoadState=loaded\nActiveState={state}\n")


class Instant:
    """A clock whose sleeps take no time."""

    def __init__(self, stops_at: float = float("inf")) -> None:
        self.at, self._stops_at = 0.0, stops_at

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float, stop: Event) -> bool:
        self.at += seconds
        if self.at >= self._stops_at:
            stop.set()
        return stop.is_set()


def test_only_what_runs_is_stopped_and_only_when_it_has_stopped_it_goes_on() -> None:
    systemd = Systemd(plex=["active", "active", "deactivating", "inactive"], other=["inactive"])
    clock = Instant()
    consumers = Consumers(["plex", "other"], systemd, clock)
    assert consumers.running() == ["plex"]
    consumers.stop(Event())
    assert systemd.asked == ["stop plex"] and clock.at > 0


def test_one_that_does_not_stop_is_named() -> None:
    clock = Instant()
    with pytest.raises(Transient, match="plex"):
        Consumers(["plex"], Systemd(plex=["deactivating"]), clock, at_most=300).stop(Event())
    assert clock.at >= 300


def test_a_stop_event_ends_the_wait() -> None:
    with pytest.raises(Stopped):
        Consumers(["plex"], Systemd(plex=["deactivating"]), Instant(stops_at=3)).stop(Event())


def test_a_unit_that_is_not_there_is_an_error_and_no_stopped_one() -> None:
    with pytest.raises(Permanent, match="plx"):
        Consumers(["plx"], Systemd(plex=["active"])).running()


def test_they_are_started_in_the_other_order() -> None:
    systemd = Systemd(a=["inactive"], b=["inactive"])
    Consumers(["a", "b"], systemd).start(["a", "b"])
    assert [one for one in systemd.asked if one.startswith("start")] == ["start b", "start a"]
