"""The incident that the guard exists for: a mount that still lists and no longer reads, in mid-scan.

Plex takes every film that it cannot read for deleted: 221 of 224 then. The same story is told with the
guard and without it. It needs no Docker: the store, its faults, rclone and the mount are real, Plex is the
stand-in.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from medialift.errors import Unsafe
from tests.incident_world import FILMS, READABLE, IncidentWorld, fill
from tests.store_world import StoreWorld, store_world

# One store for all of them.
pytestmark = pytest.mark.xdist_group("incident")

CACHE_MODES = ["off", "full"]


@pytest.fixture(scope="session", autouse=True)
def sandbox_is_up() -> None:
    """In place of the one for the other chapters: nothing of the sandbox is needed here."""


@pytest.fixture(scope="module")
def store() -> Iterator[StoreWorld]:
    with store_world() as world:
        fill(world)
        yield world


@pytest.fixture(params=CACHE_MODES)
def world(request: pytest.FixtureRequest, tmp_path: Path, store: StoreWorld) -> Iterator[IncidentWorld]:
    # A scan of a real library takes hours; this one takes long enough for a few probes.
    there = IncidentWorld.up(tmp_path, store, cache=request.param, seconds_per_file=0.02)
    there.when("scan Movies: started", there.reads_fail)
    yield there
    there.down()


GUARDED = {"times": {"probe_every": 0.5, "heal": 30, "poll": 0.2}}


def the_library_is_unharmed(world: IncidentWorld, result: dict[str, Any]) -> None:
    """A result that would be exported as good is that of a whole library."""
    assert result["outcome"] == "ok"
    assert world.counts().items == FILMS
    assert world.counts().deleted == 0


def test_without_the_guard_the_library_is_harmed_and_nobody_is_told(world: IncidentWorld) -> None:
    world.plex.switch(seconds_per_file=0.0)  # nobody looks meanwhile
    result = world.unguarded()
    with pytest.raises(AssertionError):
        the_library_is_unharmed(world, result)
    # This is how: nothing looks wrong, and 221 of 224 films are gone.
    assert result["outcome"] == "ok"
    assert world.counts().deleted == FILMS - READABLE


def test_with_the_guard_the_scan_is_cancelled_the_mount_recovered_and_the_library_whole(
    world: IncidentWorld,
) -> None:
    def well_again() -> None:
        world.plex.switch(seconds_per_file=0.0)
        world.store.faults.clear()

    # The mount that is restarted meets a store that still fails, for a moment.
    world.when("restarting the mount", Timer(1.0, well_again).start)
    result = world.guarded(**GUARDED)
    the_library_is_unharmed(world, result)
    assert "Scan of Movies was cancelled" in world.plex.log()
    phases = [(phase["name"], phase["outcome"]) for phase in result["phases"]]
    assert [one for one in phases if one[0].endswith("Movies")][:5] == [
        ("mount check Movies", "ok"),
        ("scan Movies", "failed"),
        ("recover mount Movies", "ok"),
        ("mount check Movies", "ok"),
        ("scan Movies", "ok"),
    ]
    (recovery,) = result["mounts"]["recoveries"]
    assert recovery["healed"]
    assert {"terminate", "detach", "start"} <= {step["step"] for step in recovery["steps"]}
    assert result["mounts"]["ill"] and {one["state"] for one in result["mounts"]["ill"]} == {"degraded"}
    assert not all(read["ok"] for read in result["mount_reads"])


def test_while_the_store_stays_broken_there_is_no_result_to_believe(world: IncidentWorld) -> None:
    with pytest.raises(Unsafe, match="stopped reading while Plex read through it"):
        world.guarded(times={**GUARDED["times"], "heal": 3})
    # The trash was not emptied: what Plex marked, if it marked any, a later good scan takes back.
    assert world.counts().items == FILMS
    (last,) = [line for line in world.lines() if line.event == "end"][-1:]
    assert (last.phase, last.outcome) == ("recover mount Movies", "failed")
