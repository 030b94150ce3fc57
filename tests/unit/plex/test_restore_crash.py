"""Killed at any moment, an import or a rollback leaves the old library or the new one: never a mix."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medialift.plex.restore import ArchiveSource, history, import_library, moves, recover, rollback
from sandbox.plex.schema import create_library
from tests.faults import catalogue
from tests.restore_world import OPTIONS, World, tree

pytestmark = pytest.mark.fault(catalogue.IMPORT_KILLED)

# New folders, a new file, a file that replaces one of home's: every kind of step is among them.
EXTRA = {"Metadata/New/deep/er.jpg": b"new", "Media/localhost/new": b"new"}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world whose Plex is stopped, with a burst's archive in it, to be copied."""
    folder = tmp_path_factory.mktemp("pristine")
    world = World.make(folder)
    replaced = next((world.home.data.path / "Metadata").rglob("Info.xml"))
    name = replaced.relative_to(world.home.data.path).as_posix()
    world.burst(extra={**EXTRA, name: b"the cloud's"}, bundles=False)
    world.plex.stop()
    shutil.rmtree(folder / "cloud-burst")
    return folder


@pytest.fixture
def world(pristine: Path, tmp_path: Path) -> World:
    shutil.copytree(pristine, tmp_path / "world")
    return World.attach(tmp_path / "world")


def archive_of(world: World) -> ArchiveSource:
    return ArchiveSource.at(world.folder / "burst.tar.zst")


def in_a_child(act: Callable[[], Any]) -> int:
    """Run in a process of its own; the signal that killed it, 0 when none did."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def importing(folder: Path, *, after_move: int = 0, after_step: str = "", on_stop: bool = False) -> None:
    """Import in this process, and be killed at the given moment."""
    world = World.attach(folder)
    world.plex.start()
    if on_stop:
        world.plex.on_stop = die
    write = history.write_pending

    def written(data: Any, pending: history.Pending) -> None:
        write(data, pending)
        if pending.step == after_step:
            die()

    history.write_pending = written
    import_library(
        world.home,
        archive_of(world),
        OPTIONS,
        journal=world.journal,
        clock=world.clock,
        tell=lambda done: die() if done == after_move else None,
    )


def steps_of_an_import(world: World) -> int:
    seen: list[int] = []
    world.plex.start()
    import_library(
        world.home, archive_of(world), OPTIONS, journal=world.journal, clock=world.clock, tell=seen.append
    )
    world.plex.stop()
    return len(seen)


def test_killed_after_each_rename_the_old_library_comes_back_whole(
    pristine: Path, tmp_path: Path, world: World, record_property: Callable[[str, object], None]
):
    old = tree(world.home.data)
    number = steps_of_an_import(world)
    assert number == 12
    record_property("tries", number)
    for after in range(1, number + 1):
        folder = tmp_path / f"after-{after}"
        shutil.copytree(pristine, folder)
        assert (
            in_a_child(lambda folder=folder, after=after: importing(folder, after_move=after))
            == signal.SIGKILL
        )
        survivor = World.attach(folder)
        found = recover(survivor.home, ready=5.0, clock=survivor.clock)
        assert (found.outcome, survivor.plex.told) == ("put back", ["start"])
        survivor.plex.stop()
        assert tree(survivor.home.data) == old, f"a mix after {after} of {number} renames"
        assert sorted(entry.name for entry in survivor.home.data.ours.iterdir()) == ["lock"]


@pytest.mark.parametrize(
    ("moment", "outcome"),
    [
        ({"after_step": "stopping"}, "restarted"),
        ({"on_stop": True}, "restarted"),
        ({"after_step": "swapping"}, "put back"),
        ({"after_step": "swapped"}, "put back"),
        ({"after_step": "verified"}, "completed"),
    ],
)
def test_killed_between_the_renames_it_is_the_old_or_the_new(world: World, moment: dict, outcome: str):
    old = tree(world.home.data)
    assert in_a_child(lambda: importing(world.folder, **moment)) == signal.SIGKILL
    found = recover(world.home, ready=5.0, clock=world.clock)
    assert found.outcome == outcome and found.changed
    assert world.plex.running()
    assert not recover(world.home, ready=5.0, clock=world.clock).changed
    world.plex.stop()
    if outcome == "completed":
        assert history.read_history(world.home.data).current is not None
        world.plex.start()
        assert rollback(world.home, ready=5.0, clock=world.clock).changed
        world.plex.stop()
    assert tree(world.home.data) == old


def test_the_next_import_puts_an_interrupted_one_right_by_itself(world: World):
    assert in_a_child(lambda: importing(world.folder, after_move=9)) == signal.SIGKILL
    world.plex.start()  # as the machine does when it comes up again
    outcome = import_library(world.home, archive_of(world), OPTIONS, journal=world.journal, clock=world.clock)
    assert outcome.changed and world.serving()["sections"][0][1] == 8
    world.plex.stop()


def test_killed_while_it_unpacks_nothing_is_left_behind(world: World):
    old = tree(world.home.data)

    def unpack() -> None:
        moves.drop_identical = lambda *_: die()
        importing(world.folder)

    assert in_a_child(unpack) == signal.SIGKILL
    assert any(entry.name.startswith("staging-") for entry in world.home.data.ours.iterdir())
    assert recover(world.home, ready=5.0, clock=world.clock).outcome == "nothing"
    assert sorted(entry.name for entry in world.home.data.ours.iterdir()) == ["lock"]
    assert tree(world.home.data) == old


def test_killed_after_each_step_of_a_rollback_it_is_finished(
    tmp_path: Path, world: World, record_property: Callable[[str, object], None]
):
    old = tree(world.home.data)
    number = steps_of_an_import(world)
    record_property("tries", number)
    for after in range(1, number + 1):
        folder = tmp_path / f"after-{after}"
        shutil.copytree(world.folder, folder)

        def rolling(folder: Path = folder, after: int = after) -> None:
            one = World.attach(folder)
            one.plex.start()
            rollback(one.home, ready=5.0, clock=one.clock, tell=lambda done: die() if done == after else None)

        assert in_a_child(rolling) == signal.SIGKILL
        survivor = World.attach(folder)
        assert recover(survivor.home, ready=5.0, clock=survivor.clock).outcome == "put back"
        survivor.plex.stop()
        assert tree(survivor.home.data) == old, f"a mix after {after} of {number} steps"
        assert history.read_history(survivor.home.data).current is None


def test_a_plex_that_came_up_on_half_an_exchange_does_no_harm(world: World):
    """The power fails between the two databases; at boot Plex finds none and makes a fresh one."""
    old = tree(world.home.data)
    data = world.home.data

    def until_the_library_is_gone() -> None:
        one = World.attach(world.folder)
        one.plex.start()
        import_library(
            one.home,
            archive_of(one),
            OPTIONS,
            journal=one.journal,
            clock=one.clock,
            tell=lambda _: None if one.home.data.library.exists() else die(),
        )

    assert in_a_child(until_the_library_is_gone) == signal.SIGKILL
    assert not data.library.exists()
    create_library(data.library, "new")
    world.plex.start()
    data.library.with_name(data.library.name + "-wal").write_bytes(b"a log of the fresh one")
    world.plex._open[0].close()
    recover(world.home, ready=5.0, clock=world.clock)
    world.plex.stop()
    assert tree(data) == old
    found = data.ours.glob("rollback-*/found/**/*.db")
    assert len(list(found)) == 1
