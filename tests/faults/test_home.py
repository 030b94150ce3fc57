"""Home's disk, clock and Plex fail under an import: home serves what it served, and the next one succeeds."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random
from threading import Event

import pytest

from medialift.foundation.journal import Journal, phases
from medialift.plex.restore import recover, rollback
from tests.faults import catalogue
from tests.faults.at_home import Interrupting, attempt, fill_up, grown, leftovers, small_disk, take, whole
from tests.restore_world import Quick, World, tree

IMPORT = (
    "check the archive and home",
    "unpack and verify the archive",
    "prove the library",
    "wait until nobody is watching",
    "exchange the library",
    "verify that Plex serves it",
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.make(tmp_path)
    yield made
    if made.plex.running():
        made.plex.stop()


@pytest.mark.fault(catalogue.DISK_HOME)
@pytest.mark.parametrize("phase", IMPORT)
def test_a_disk_that_fills_up_in_any_phase_costs_nothing(tmp_path: Path, phase: str, fault_moment: int):
    with small_disk(tmp_path / "disk") as disk:
        world = World.make(disk)
        source = world.burst(extra={"Metadata/Movies/poster": os.urandom(2 << 20)})
        before = tree(world.home.data)
        leaving = Random(fault_moment).randrange(1 << 20) if fault_moment else 0
        # The journal of the job is on another disk, as /var is.
        journal = Interrupting(tmp_path / "journal.jsonl", phase, lambda: fill_up(disk, leaving))
        failed = attempt(world, source, journal=journal)
        (disk / "somebody else's").unlink()
        if failed is not None:
            recover(world.home, ready=5.0, clock=world.clock)
            assert whole(world, before)
            assert take(world, source, journal=journal).changed
        assert grown(world)
        world.plex.stop()


@pytest.mark.fault(catalogue.DISK_HOME)
@pytest.mark.parametrize("phase", IMPORT[4:])
def test_the_old_library_serves_again_while_the_disk_is_still_full(tmp_path: Path, phase: str):
    """The journal is on that disk too, and cannot be written any more."""
    with small_disk(tmp_path / "disk") as disk:
        world = World.make(disk)
        source = world.burst()
        before = tree(world.home.data)
        journal = Interrupting(disk / "journal.jsonl", phase, lambda: fill_up(disk))
        assert attempt(world, source, journal=journal) is not None
        assert whole(world, before)
        (disk / "somebody else's").unlink()
        assert take(world, source, journal=journal).changed and grown(world)
        world.plex.stop()


@pytest.mark.fault(catalogue.DISK_HOME)
def test_a_disk_without_room_is_refused_before_anything_is_unpacked(tmp_path: Path):
    with small_disk(tmp_path / "disk", "24m") as disk:
        world = World.make(disk)
        source = world.burst(extra={"Metadata/Movies/poster": os.urandom(2 << 20)})
        before, other = tree(world.home.data), fill_up(disk, leaving=1 << 20)
        failed = attempt(world, source)
        assert failed is not None and "The disk is too small" in str(failed)
        assert whole(world, before)
        other.unlink()
        assert take(world, source).changed and grown(world)
        world.plex.stop()


class Jumping(Quick):
    """A clock whose time of day jumps by `by` seconds when it is told to; the other one never does."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by, self.jumped = by, 0.0

    def now(self) -> float:
        return self.time + self.jumped

    def jump(self) -> None:
        self.jumped = self.by


@pytest.mark.fault(catalogue.CLOCK)
@pytest.mark.parametrize("by", [-400 * 86400.0, -3600.0, 3600.0, 400 * 86400.0])
@pytest.mark.parametrize("phase", ["check the archive and home", "exchange the library"])
def test_a_clock_that_jumps_under_an_import_changes_nothing_of_it(world: World, by: float, phase: str):
    source, clock = world.burst(), Jumping(by)
    before = tree(world.home.data)
    journal = Interrupting(world.journal.path, phase, clock.jump, clock=clock)
    assert take(world, source, journal=journal, clock=clock).changed and grown(world)
    # Its phases took as long as they took, whatever the clock on the wall said.
    assert all(0 <= one.seconds < 3600 for one in phases(journal.path))
    assert not take(world, source, clock=clock).changed
    assert rollback(world.home, ready=5.0, clock=clock).changed
    assert tree(world.home.data).keys() == before.keys()


@pytest.mark.fault(catalogue.CLOCK)
def test_the_newest_library_from_before_is_kept_although_the_clock_says_it_is_the_oldest(world: World):
    clock = Jumping(-400 * 86400.0)
    for number in range(3):
        take(world, world.burst(f"burst{number}", extra={f"Metadata/{number}": b"1"}), clock=clock)
    clock.jump()
    last = take(world, world.burst("last", extra={"Metadata/last": b"1"}), clock=clock)
    assert world.home.data.rollback(last.name).is_dir()
    served = tree(world.home.data)
    assert rollback(world.home, ready=5.0, clock=clock).changed
    assert "Metadata/last" in served and "Metadata/last" not in tree(world.home.data)


@pytest.mark.fault(catalogue.IMPORT_KILLED)
@pytest.mark.parametrize("phase", IMPORT)
def test_an_import_that_is_killed_is_put_right_by_the_next(world: World, phase: str):
    source = world.burst()
    world.plex.stop()
    before = tree(world.home.data)
    pid = os.fork()
    if pid == 0:
        child = World.attach(world.folder)
        child.plex.start()
        journal = Interrupting(child.journal.path, phase, lambda: os.kill(os.getpid(), signal.SIGKILL))
        attempt(child, source, journal=journal)
        os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    world.plex.start()
    # Another process finds a journal that ends in the middle, and goes on in it.
    journal = Journal(world.journal.path)
    assert take(world, source, journal=journal).changed and grown(world)
    assert rollback(world.home, ready=5.0, clock=world.clock).changed
    world.plex.stop()
    assert tree(world.home.data) == before
    world.plex.start()


@pytest.mark.fault(catalogue.PLEX_AT_IMPORT)
@pytest.mark.parametrize("phase", IMPORT[:-1])
def test_a_plex_that_died_before_the_exchange_loses_nothing(world: World, phase: str):
    """A killed Plex leaves its databases with their logs."""
    source = world.burst()
    before = world.serving()

    def die() -> None:
        world.plex.told.append("died")
        world.plex._open.clear()

    journal = Interrupting(world.journal.path, phase, die)
    failed = attempt(world, source, journal=journal)
    if failed is not None:
        assert world.serving() == before and leftovers(world) == []
    if not world.plex.running():
        world.plex.start()  # as its unit does
    if failed is not None:
        assert take(world, source).changed
    assert grown(world)


@pytest.mark.fault(catalogue.PLEX_AT_IMPORT)
def test_a_plex_that_dies_on_the_new_library_gets_the_old_one_back(world: World):
    source = world.burst()
    before = tree(world.home.data)
    stop = Event()

    def dies_once() -> bool:
        if stop.is_set():
            return False
        stop.set()
        world.plex._open.clear()
        return True

    world.plex.broken = dies_once
    failed = attempt(world, source)
    assert failed is not None and "was put back" in str(failed)
    assert whole(world, before)
    assert take(world, source).changed and grown(world)
    history = json.loads((world.home.data.ours / "imported.json").read_text())
    assert history["archive"]
