"""The vigil says at each look how the mount stands, and never waits for a probe."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import SystemClock, wait_until
from medialift.mounts.monitor import Observation
from medialift.mounts.probe import DEGRADED, HEALTHY, Verdict
from medialift.plex.vigil import MountLost, Vigil

WELL, ILL = Verdict("/mnt/media", HEALTHY), Verdict("/mnt/media", DEGRADED, "nothing reads")


def vigil(probe: Callable[[Event], Verdict], **more: Any) -> Vigil:
    given: dict[str, Any] = {
        "name": "Movies",
        "every": 0.01,
        "failures": 2,
        "clock": SystemClock(),
        "told": lambda _one: None,
        "last": lambda: None,
        **more,
    }
    return Vigil(probe, **given)


def after(told: list[Observation], number: int) -> None:
    assert wait_until(lambda: len(told) >= number, at_most=20, every=0.005)


def test_a_mount_that_reads_is_never_lost() -> None:
    told: list[Observation] = []
    with vigil(lambda _stop: WELL, told=told.append) as watching:
        after(told, 5)
        watching.look()
        watching.prove()


def test_a_mount_that_fails_often_enough_in_a_row_is_lost() -> None:
    told: list[Observation] = []
    with vigil(lambda _stop: ILL, told=told.append) as watching:
        after(told, 2)
        with pytest.raises(MountLost, match=r"stopped reading.*degraded: nothing reads.*Movies: /mnt/media"):
            watching.look()


def test_one_failure_cancels_nothing_and_leaves_nothing_to_be_believed() -> None:
    told: list[Observation] = []

    def once(_stop: Event) -> Verdict:
        return ILL if not told else WELL

    with vigil(once, told=told.append) as watching:
        after(told, 3)
        watching.look()
        with pytest.raises(MountLost, match="did not read for a while"):
            watching.prove()


def test_what_the_last_reading_says_is_the_last_word() -> None:
    def lost() -> None:
        raise MountLost("The mount does not read")

    with vigil(lambda _stop: WELL, every=3600, last=lost) as watching:
        watching.look()
        with pytest.raises(MountLost, match="does not read"):
            watching.prove()


def test_it_ends_at_once_though_a_probe_is_out() -> None:
    out = Event()

    def blocked(stop: Event) -> Verdict:
        out.set()
        stop.wait(600)
        raise Stopped("/mnt/media")

    with vigil(blocked) as watching:
        assert out.wait(20)
        watching.look()  # nothing is known, and nobody waits
    watching.look()


def test_a_vigil_that_broke_is_not_taken_for_a_mount_that_is_well() -> None:
    told: list[Observation] = []

    def broken(_stop: Event) -> Verdict:
        told.append(None)  # type: ignore[arg-type]
        raise RuntimeError("a defect")

    with vigil(broken) as watching:
        after(told, 1)
        with pytest.raises(RuntimeError, match="a defect"):
            watching.prove()
