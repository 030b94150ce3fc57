"""The guard while Plex reads: real mounts that fail in mid-scan, and a server that scans through them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread, Timer
from typing import Any

import pytest

from medialift.errors import Unsafe
from medialift.foundation.jobs import Stopped
from tests.incident_world import IncidentWorld, fill
from tests.plex_world import PlexWorld
from tests.store_world import StoreWorld, store_world

# One store for all of them.
pytestmark = pytest.mark.xdist_group("scan guard")

FILMS = 40
TIMES = {"probe_every": 0.4, "heal": 30, "mount": 1.5, "cease": 3}


@pytest.fixture(scope="module")
def store() -> Iterator[StoreWorld]:
    with store_world() as world:
        fill(world, FILMS)
        yield world


@pytest.fixture
def world(tmp_path: Path, store: StoreWorld) -> Iterator[IncidentWorld]:
    there = IncidentWorld.up(tmp_path, store, films=FILMS, seconds_per_file=0.07)
    yield there
    there.down()


def ended(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["name"], one["outcome"]) for one in result["phases"] if one["name"].endswith("Movies")]


def test_a_mount_that_hangs_in_mid_scan_is_killed_under_it_and_the_scan_begun_anew(
    world: IncidentWorld,
) -> None:
    def well_again() -> None:
        world.plex.switch(seconds_per_file=0.0)
        world.store.faults.clear()

    world.when("scan Movies: started", world.reads_hang)
    world.when("restarting the mount", well_again)
    result = world.guarded(times=TIMES)
    assert result["outcome"] == "ok" and world.counts().deleted == 0
    assert {one["state"] for one in result["mounts"]["ill"]} <= {"hung", "degraded"}
    assert ended(result)[1:3] == [("scan Movies", "failed"), ("recover mount Movies", "ok")]
    assert ended(result)[-1] == ("scan Movies", "ok")


def test_a_mount_whose_unit_is_not_known_is_waited_for(world: IncidentWorld) -> None:
    world.when("scan Movies: started", world.reads_fail)
    world.when("waiting for the mount", Timer(0.5, world.store.faults.clear).start)
    result = world.guarded(times=TIMES, restartable=False)
    assert result["outcome"] == "ok" and world.counts().deleted == 0
    (recovery,) = result["mounts"]["recoveries"]
    assert recovery["healed"] and recovery["steps"] == []


def test_a_cancel_that_is_forgotten_is_asked_for_again(world: IncidentWorld) -> None:
    def well_again() -> None:
        world.plex.switch(ignore_cancel=False, seconds_per_file=0.05)
        world.store.faults.clear()

    world.plex.switch(ignore_cancel=True)
    world.when("scan Movies: started", world.reads_fail)
    world.when("restarting the mount", well_again)
    result = world.guarded(times={**TIMES, "cease": 1.5})
    assert result["outcome"] == "ok" and world.counts().deleted == 0
    assert any("goes on 1.5 s after it was told to cease" in line.describe() for line in world.lines())


def test_a_scan_is_not_believed_when_the_mount_failed_for_a_moment_only(world: IncidentWorld) -> None:
    # Two probes in a row are needed to cancel; here one fails, and then the store is well again.
    world.when("scan Movies: started", world.reads_fail)
    world.when("is degraded", world.store.faults.clear)
    result = world.guarded(times={**TIMES, "probe_failures": 2, "probe_every": 1.0})
    assert result["outcome"] == "ok" and world.counts().deleted == 0
    failed = next(line for line in world.lines() if line.phase == "scan Movies" and line.outcome == "failed")
    assert "did not read for a while" in failed.describe()


def test_a_mount_that_fails_when_the_scan_says_done_is_found_before_that_is_believed(
    world: IncidentWorld,
) -> None:
    # So seldom that no probe comes while it scans: only the last reading is left.
    world.plex.switch(seconds_per_file=0.0)
    world.when("scan Movies: started", world.reads_fail)
    with pytest.raises(Unsafe, match="not well after the scan, which is not believed"):
        world.guarded(times={**TIMES, "probe_every": 3600, "heal": 1})
    assert world.counts().items == FILMS


def test_it_is_given_up_when_the_mount_fails_each_time(world: IncidentWorld) -> None:
    world.plex.switch(seconds_per_file=0.0)
    fails = {"times": {**TIMES, "probe_every": 3600}, "tries": 2}
    for number in range(2):
        world.when("scan Movies: started", world.reads_fail, nth=number + 1)
        world.when("recover mount Movies: started", world.store.faults.clear, nth=number + 1)
    with pytest.raises(Unsafe, match="not well after the scan"):
        world.guarded(**fails)
    begun = [line for line in world.lines() if line.phase == "scan Movies" and line.event == "start"]
    assert len(begun) == 2


def test_a_stop_ends_the_run_at_once_though_a_probe_is_blocked(world: IncidentWorld) -> None:
    ends: list[BaseException] = []

    def run() -> None:
        try:
            world.guarded(times={**TIMES, "mount": 600, "probe_every": 0.2})
        except Stopped as stopped:
            ends.append(stopped)

    asked = Event()
    thread = Thread(target=run, daemon=True)

    def hang_and_stop() -> None:
        world.reads_hang()
        Timer(3.0, lambda: (asked.set(), world.stop.set())).start()

    world.when("scan Movies: started", hang_and_stop)
    thread.start()
    assert asked.wait(60)
    thread.join(15)  # of the 600 s that the probe had
    assert not thread.is_alive() and len(ends) == 1


def test_a_stop_ends_the_check_before_a_scan_too(world: IncidentWorld) -> None:
    world.reads_hang()
    Timer(3.0, world.stop.set).start()
    with pytest.raises(Stopped):
        world.guarded(times={**TIMES, "mount": 600})
    assert not any(line.phase == "scan Movies" for line in world.lines())


def test_a_single_corrupt_object_stops_nothing_and_is_named(world: IncidentWorld) -> None:
    world.store.faults.add("status403", r"/Film(%20|\+)7(%20|\+)")
    # All are read, so that it is met whatever chance says.
    result = world.guarded(times={**TIMES, "probe_every": 0.1, "mount": 30}, sample=FILMS)
    assert ended(result) == [("mount check Movies", "ok"), ("scan Movies", "ok")]
    assert result["mounts"]["probes"] > 5 and result["mounts"]["ill"] == []
    named = {Path(one["path"]).name for one in result["mounts"]["unreadable"]}
    assert named == {"Film 7 (2001).mkv"}
    # Plex took that one for gone, and the rest of the run judges it: nobody could look it up here.
    assert world.counts().deleted == 1 and result["outcome"] == "quarantined"


def test_a_trash_that_empties_itself_is_found_before_each_scan(tmp_path: Path) -> None:
    plex = PlexWorld(tmp_path)
    try:
        plex.library()
        server = plex.up()
        options = plex.options(sections=["Movies", "Music"], sonic=False)
        # Somebody switches it on again after the lockdown, while the first section is worked on.
        folder = tmp_path / "job"

        def switch_on() -> None:
            journal = folder / "journal.jsonl"
            while "analyse Movies" not in (journal.read_text() if journal.exists() else ""):
                Event().wait(0.01)
            server.set_preference("autoEmptyTrash", "1")

        Thread(target=switch_on, daemon=True).start()
        status = plex.run_with(options)
        assert (status.state, status.error["kind"]) == ("failed", "unsafe")
        assert "would empty its trash" in status.error["what"]
        assert not any(phase.name == "scan Music" for phase in status.phases)
    finally:
        plex.down()
