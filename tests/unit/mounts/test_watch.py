"""The monitor as a service: what it publishes, when it recovers, and that it stops at once."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from medialift.errors import Transient
from medialift.foundation.process import Completed
from medialift.foundation.waiting import wait_until
from medialift.mounts import locks, published
from medialift.mounts.consumers import Consumers
from medialift.mounts.history import History
from medialift.mounts.published import Published
from medialift.mounts.recovery import Times
from medialift.mounts.watch import Watch, runner_of
from medialift.mounts.watch_options import Place, WatchOptions
from tests.mount_program import MountProcess
from tests.mount_world import RCLONE, StoreMount

TIMES = Times(terminate=1, kill=10, detach=10, start=20, settle=2, between=0.1, another=10)


class Units:
    """systemd as the monitor sees it: units that run or do not, and what it was asked to do."""

    def __init__(self, **states: str) -> None:
        self.states = {name.replace("_", ".", 1): state for name, state in states.items()}
        self.asked: list[str] = []
        self.refuses = False

    def __call__(self, argv: Sequence[str]) -> Completed:
        verb, unit = argv[1], argv[-1]
        if verb == "show":
            return Completed(tuple(argv), 0, f"LoadState=loaded\nActiveState={self.states[unit]}\n")
        self.asked.append(f"{verb} {unit}")
        if verb == "start" and self.refuses:
            return Completed(tuple(argv), 1, "", "it is masked")
        self.states[unit] = {"start": "active", "stop": "inactive"}.get(verb, self.states[unit])
        return Completed(tuple(argv), 0)


class World:
    """A monitored mount of a web store, with systemd's units in place of Plex."""

    def __init__(self, folder: Path) -> None:
        self.mount = StoreMount(folder)
        self.files = self.mount.fill(*(f"Movies/{n}.mkv" for n in range(6)), size=200_000)
        self.place = Place("media", folder / "mounts")
        self.jobs, self.locks = folder / "jobs", folder / "locks"
        self.units = Units(plex_service="active")
        self.program = MountProcess(self.mount)

    def options(self, **given: Any) -> WatchOptions:
        return WatchOptions.of(
            {
                "mountpoint": str(self.mount.place),
                "sample": 2,
                "deadline": 3,
                "every": 0.1,
                "grace": 0,
                "threshold": 2,
                "unit": "rclone-media.service",
                "consumers": ["plex.service"],
                "jobs_folder": str(self.jobs),
                **given,
            }
        )

    @contextmanager
    def watched(self, **given: Any) -> Iterator[Watch]:
        stop = Event()
        watch = Watch(
            self.place,
            self.options(**given),
            stop=stop,
            program=self.program,
            consumers=Consumers(["plex.service"], self.units, at_most=10),
            times=TIMES,
            locks_folder=self.locks,
            again=0.2,
        )
        thread = Thread(target=watch.run)
        thread.start()
        try:
            yield watch
        finally:
            stop.set()
            thread.join(15)
            assert not thread.is_alive()

    def told(self) -> Published:
        found = published.read(self.place.state)
        assert found is not None
        return found

    def comes(self, wanted: Callable[[Published], bool]) -> Published:
        """Wait until what is published is as wanted."""
        assert wait_until(
            lambda: self.place.state.exists() and wanted(self.told()), at_most=30, every=0.05
        ), self.told()
        return self.told()

    def events(self, event: str) -> list[dict[str, Any]]:
        return [line for line in History(self.place.history).last(10_000) if line["event"] == event]

    @contextmanager
    def running_job(self) -> Iterator[None]:
        folder = self.jobs / "plex-run"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.mount.up()
    yield made
    made.mount.down()


def test_it_publishes_state_history_and_metrics(world: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "textfile.prom"
    with world.watched(metrics_file=str(elsewhere)):
        told = world.comes(lambda now: now.state == "healthy")
        assert (told.name, told.mountpoint) == ("media", str(world.mount.place))
        assert told.pid == os.getpid() == runner_of(world.place)
        assert told.last_success == told.at and not told.failed
        world.mount.store.mode = "error"  # type: ignore[attr-defined]
        told = world.comes(lambda now: now.failed)
        assert told.state == "degraded" and told.reason
    assert 'state="degraded"} 1.0' in elsewhere.read_text()
    assert elsewhere.read_text() == world.place.metrics.read_text()
    assert runner_of(world.place) == 0
    probes = world.events("probe")
    assert probes[0]["state"] == "healthy" and probes[-1]["state"] == "degraded"
    assert all(probe["reads"] for probe in probes)
    assert [line["event"] for line in History(world.place.history).last(1)] == ["stopped"]
    # It was only to be told: nothing was recovered, and nobody stopped.
    assert world.events("recovery") == [] and world.units.asked == []


def test_a_killed_rclone_is_recovered_with_its_readers_stopped_meanwhile(world: World) -> None:
    with world.watched(recover=True):
        world.comes(lambda now: now.state == "healthy")
        world.mount.kill()
        told = world.comes(lambda now: now.recoveries == 1)
        assert (told.state, told.failed, told.waiting) == ("healthy", False, ())
    assert world.units.asked == ["stop plex.service", "reset-failed plex.service", "start plex.service"]
    assert [line["outcome"] for line in world.events("recovery")] == ["started", "ok"]
    steps = [line["step"] for line in world.events("step")]
    assert steps == ["stop consumers", "terminate", "detach", "start", "probe", "resume"]
    assert world.program.starts == 1


def test_a_recovery_that_fails_leaves_the_readers_stopped_until_the_mount_reads_by_itself(
    world: World,
) -> None:
    with world.watched(recover=True):
        world.comes(lambda now: now.state == "healthy")
        world.mount.store.mode = "error"  # type: ignore[attr-defined]
        told = world.comes(lambda now: now.recovery_failures >= 1)
        assert told.waiting == ("plex.service",) and "after it was recovered" in told.note
        assert world.units.states["plex.service"] == "inactive"
        world.mount.store.mode = "ok"  # type: ignore[attr-defined]
        told = world.comes(lambda now: now.state == "healthy" and not now.waiting and not now.recovering)
        assert world.units.states["plex.service"] == "active"


def test_what_one_monitor_stopped_the_next_one_starts(world: World) -> None:
    world.place.path.mkdir(parents=True)
    world.units.states["plex.service"] = "inactive"
    Published("media", str(world.mount.place), waiting=("plex.service",)).write(world.place.state)
    with world.watched(recover=True):
        world.comes(lambda now: now.state == "healthy" and not now.waiting)
    assert world.units.states["plex.service"] == "active"


def test_a_reader_that_cannot_be_started_does_not_end_the_watch(world: World) -> None:
    world.place.path.mkdir(parents=True)
    world.units.states["plex.service"] = "inactive"
    world.units.refuses = True
    Published("media", str(world.mount.place), waiting=("plex.service",)).write(world.place.state)
    with world.watched(recover=True):
        told = world.comes(lambda now: now.state == "healthy" and now.note != "")
        assert told.waiting == ("plex.service",) and "would not start" in told.note
        world.units.refuses = False
        world.comes(lambda now: not now.waiting)


def test_while_a_job_runs_the_mount_is_left_to_it(world: World) -> None:
    with world.running_job(), world.watched(recover=True):
        world.mount.kill()
        told = world.comes(lambda now: now.failed and now.note != "")
        assert "plex-run runs" in told.note
        world.comes(lambda now: now.failures > 4)
        assert world.program.starts == 0 and world.units.asked == []
        assert len(world.events("not recovered")) == 1


def test_a_job_that_ended_leaves_the_mount_to_the_monitor(world: World) -> None:
    with world.watched(recover=True):
        with world.running_job():
            world.mount.kill()
            world.comes(lambda now: "plex-run runs" in now.note)
        world.comes(lambda now: now.recoveries == 1 and now.state == "healthy")


def test_no_second_recovery_is_begun_while_one_goes_on(world: World) -> None:
    with locks.held(world.mount.place, world.locks) as taken, world.watched(recover=True):
        assert taken()
        world.mount.kill()
        told = world.comes(lambda now: now.failed and now.note != "")
        assert "Another recovery" in told.note
        assert world.program.starts == 0 and world.units.asked == []


def test_a_mount_is_not_taken_down_when_the_store_itself_does_not_answer(world: World) -> None:
    config = world.place.folder.parent / "rclone.conf"
    port = world.mount.store.server_port
    config.write_text(f"[web]\ntype = http\nurl = http://127.0.0.1:{port}\n")
    remote = {"rclone": str(RCLONE), "config": str(config), "remote": "web:"}
    with world.watched(recover=True, remote=remote, sample=1):
        world.comes(lambda now: now.state == "healthy")
        world.mount.store.mode = "error"  # type: ignore[attr-defined]
        told = world.comes(lambda now: now.failed and now.note != "")
        assert "store itself does not answer" in told.note
        assert world.program.starts == 0 and world.units.asked == []


def test_an_empty_bucket_is_well_when_that_is_what_was_agreed(world: World) -> None:
    for file in (world.mount.source / "Movies").iterdir():
        file.unlink()
    (world.mount.source / "Movies").rmdir()
    with world.watched(allow_empty=True):
        world.comes(lambda now: now.state == "healthy")
    with world.watched(allow_empty=False):
        world.comes(lambda now: now.state == "empty")


def test_a_second_monitor_of_the_same_mount_is_refused(world: World) -> None:
    with world.watched():
        world.comes(lambda now: now.state == "healthy")
        second = Watch(world.place, world.options(), stop=Event(), locks_folder=world.locks)
        with pytest.raises(Transient, match="runs already"):
            second.run()
        assert world.told().pid == os.getpid()


def test_a_full_disk_does_not_end_the_watch(world: World) -> None:
    with world.watched(metrics_file="/proc/no/such/folder/media.prom"):
        world.comes(lambda now: now.state == "healthy")
        world.mount.store.mode = "error"  # type: ignore[attr-defined]
        world.comes(lambda now: now.failed)


def test_nothing_is_stopped_that_nobody_would_start_again(world: World) -> None:
    """It must be on the disk before; when that is full the recovery fails, and the watch goes on."""
    with world.watched(recover=True) as watch:
        world.comes(lambda now: now.state == "healthy")
        world.place.state.unlink()
        world.place.state.mkdir()
        world.mount.kill()
        assert wait_until(lambda: watch.now.recovery_failures >= 2, at_most=30, every=0.05)
        assert "cannot be written down" in watch.now.note
        assert world.units.asked == []
        world.place.state.rmdir()
        world.comes(lambda now: now.recoveries == 1)
        assert world.units.asked[0] == "stop plex.service"


def test_it_stops_at_once_in_the_middle_of_a_recovery(world: World) -> None:
    with world.watched(recover=True, deadline=600):
        world.comes(lambda now: now.state == "healthy")
        world.mount.store.mode = "hang"  # type: ignore[attr-defined]
        world.mount.kill()
        # The probe after the start waits for a store that hangs, for 600 s.
        assert wait_until(
            lambda: any(line["step"] == "start" for line in world.events("step")), at_most=30, every=0.05
        )
    told = world.told()
    assert told.pid == 0 and not told.recovering
    assert told.waiting == ("plex.service",)  # for the next monitor to start


def test_what_is_published_survives_another_release(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"name": "media", "mountpoint": "/m", "waiting": ["a"], "from the future": 1}))
    found = published.read(file)
    assert found is not None and found.waiting == ("a",)
    file.write_text("{torn")
    assert published.read(file) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mountpoint": "relative"}, "absolute"),
        ({"mountpoint": "/m", "recover": True}, "unit"),
        ({"mountpoint": "/m", "listen": "0.0.0.0:9816"}, "loopback"),
        ({"mountpoint": "/m", "evry": 3}, "evry"),
    ],
)
def test_a_wrong_option_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Exception, match=said):
        WatchOptions.of(given)
