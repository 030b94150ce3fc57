"""A mount comes back from whatever state it is in, in the order that harms no reader and no library."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from medialift.errors import Transient, Unsafe
from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import wait_until
from medialift.mounts import locks, mountinfo
from medialift.mounts.probe import DEGRADED, EMPTY, HEALTHY, Verdict, probe
from medialift.mounts.recovery import Recovery, Step, Times, recover
from tests.mount_program import MountProcess
from tests.mount_world import StoreMount

WHOLE = ["stop consumers", "terminate", "detach", "start", "probe", "resume"]
KILLED = [*WHOLE[:2], "kill", *WHOLE[2:]]
TIMES = Times(terminate=1.0, kill=10, detach=10, start=20, settle=20, between=0.2, another=20)


class CachedMount(StoreMount):
    """A mount of the web store in a cache mode."""

    def __init__(self, folder: Path, cache: str) -> None:
        super().__init__(folder)
        self.cache, self.folder = cache, folder

    def flags(self) -> list[str]:
        return [
            *(self.cache if word == "off" else word for word in super().flags()),
            *("--cache-dir", str(self.folder / "cache")),
        ]


@pytest.fixture(params=["off", "full"])
def mount(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CachedMount]:
    there = CachedMount(tmp_path, request.param)
    there.fill(*(f"Movies/{n}.mkv" for n in range(6)), size=3_000_000)
    there.up()
    yield there
    there.down()


@pytest.fixture
def back(tmp_path: Path) -> Callable[..., Recovery]:
    """back(mount, …) recovers it; `back.said` holds what was called, in order."""
    said: list[str] = []

    def run(mount: StoreMount, **options: Any) -> Recovery:
        given = {
            "mountpoint": mount.place,
            "stop_consumers": lambda: said.append("stopped"),
            "probe": lambda stop: probe(mount.place, deadline=5, stop=stop),
            "resume": lambda: said.append("resumed"),
            "times": TIMES,
            "locks": tmp_path / "locks",
            **options,
        }
        return recover(given.pop("program", MountProcess(mount)), **given)

    run.said = said  # type: ignore[attr-defined]
    return run


def names(recovery: Recovery) -> list[str]:
    return [step.name for step in recovery.steps]


def blocked_reader(mount: StoreMount, name: str = "Movies/5.mkv") -> subprocess.Popen[bytes]:
    """A reader of our own that waits for a store that does not answer."""
    mount.store.mode = "hang"  # type: ignore[attr-defined]
    reader = subprocess.Popen(
        ["head", "-c", "1000", str(mount.place / name)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert wait_until(lambda: waits_in_kernel(reader.pid), at_most=20, every=0.05)
    return reader


def waits_in_kernel(pid: int) -> bool:
    """Its read is with rclone, or waits for a page that is (the kernel's names for the two)."""
    waits_in = Path(f"/proc/{pid}/wchan").read_text()
    return any(name in waits_in for name in ("request_wait_answer", "fuse", "folio_wait"))


def test_a_stale_mount_comes_back_and_reads(mount: Any, back: Any) -> None:
    mount.kill()
    assert mount.mounted() and not os.path.ismount(mount.place)
    recovery = back(mount)
    assert names(recovery) == WHOLE
    assert recovery.verdict.healthy and back.said == ["stopped", "resumed"]
    assert all(step.ok and step.seconds >= 0 and step.at > 1e9 for step in recovery.steps)
    assert recovery.to_dict()["steps"][1]["note"] == "it did not run"


def test_a_frozen_rclone_that_hears_no_sigterm_is_killed(mount: Any, back: Any) -> None:
    mount.freeze()
    assert names(back(mount)) == KILLED


def test_a_reader_that_is_stuck_in_the_kernel_is_freed(mount: Any, back: Any) -> None:
    reader = blocked_reader(mount)

    def healed(stop: Event) -> Verdict:
        mount.store.mode = "ok"
        return probe(mount.place, deadline=5, stop=stop)

    recovery = back(mount, probe=healed)
    assert recovery.verdict.healthy
    assert reader.wait(10) != 0  # its read failed: it was no part of a file
    assert mountinfo.at(mount.place, mountinfo.mounts()) is not None


def test_while_the_store_still_hangs_nothing_is_resumed(mount: Any, back: Any) -> None:
    reader = blocked_reader(mount)
    told: list[Step] = []
    with pytest.raises(Transient, match="after it was recovered"):
        back(
            mount,
            probe=lambda stop: probe(mount.place, deadline=1, stop=stop),
            times=Times(**{**vars(TIMES), "settle": 1.0}),
            tell=told.append,
        )
    assert back.said == ["stopped"]
    assert [(step.name, step.ok) for step in told][-1] == ("probe", False)
    assert reader.wait(10) != 0
    # What the probe itself left behind does not keep the next recovery from its work.
    mount.store.mode = "ok"
    mount.store.released.set()
    assert back(mount).verdict.healthy
    assert back.said == ["stopped", "stopped", "resumed"]


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[CachedMount]:
    """One whose cache mode does not matter."""
    there = CachedMount(tmp_path, "off")
    there.fill("Movies/a.mkv", "Movies/b.mkv")
    there.up()
    yield there
    there.down()


def test_a_stop_ends_it_at_once_while_it_waits_for_a_program_that_does_not_end(plain: Any, back: Any) -> None:
    class Deaf(MountProcess):
        def stop(self) -> None:
            stop.set()

    stop = Event()
    with pytest.raises(Stopped):
        back(plain, program=Deaf(plain), stop=stop, times=Times(terminate=3600))
    assert back.said == ["stopped"] and plain.mounted()


def test_a_stop_ends_it_at_once_while_the_probe_is_blocked(plain: Any, back: Any) -> None:
    stop, out = Event(), Event()
    plain.kill()

    def blocked(stop: Event) -> Verdict:
        plain.store.mode = "hang"
        out.set()
        return probe(plain.place, deadline=600, stop=stop)

    with ThreadPoolExecutor() as pool:
        recovering = pool.submit(back, plain, probe=blocked, stop=stop)
        assert out.wait(30)
        stop.set()
        with pytest.raises(Stopped):
            recovering.result(20)  # of the 600 s that the probe had
    assert back.said == ["stopped"]
    # A recovery that was stopped keeps no lock.
    assert not locks.busy(plain.place, plain.folder / "locks")


def test_consumers_that_cannot_be_stopped_keep_the_mount_as_it_is(plain: Any, back: Any) -> None:
    def refuse() -> None:
        raise Transient("Plex still scans")

    before = plain.rclone.pid
    with pytest.raises(Transient, match="Plex still scans"):
        back(plain, stop_consumers=refuse)
    assert plain.rclone.pid == before and plain.rclone.poll() is None
    assert probe(plain.place).state == HEALTHY


def test_a_mount_of_somebody_else_is_never_taken_down(plain: Any, back: Any) -> None:
    with pytest.raises(Unsafe, match=r"fuse\.rclone of"):
        back(plain, filesystem="fuse.sshfs")
    assert back.said == [] and plain.rclone.poll() is None


def test_a_mount_that_comes_back_empty_is_refused_and_nothing_resumed(plain: Any, back: Any) -> None:
    with pytest.raises(Unsafe, match="empty"):
        back(plain, probe=lambda _stop: Verdict(str(plain.place), EMPTY, "it lists nothing"))
    assert back.said == ["stopped"]


def test_a_program_that_never_mounts_is_told_as_such(plain: Any, back: Any) -> None:
    class Broken(MountProcess):
        def start(self) -> None:
            """It ends at once, as rclone does when its port is taken."""

    with pytest.raises(Transient, match="did not come up"):
        back(plain, program=Broken(plain), times=Times(**{**vars(TIMES), "start": 0.5}))
    assert back.said == ["stopped"] and not plain.mounted()


def test_mounts_that_lie_on_one_another_are_all_detached(plain: Any, back: Any) -> None:
    class Above(CachedMount):
        def flags(self) -> list[str]:
            return [*super().flags(), "--allow-non-empty"]

    def there() -> int:
        return [str(one.mountpoint) for one in mountinfo.mounts()].count(str(plain.place))

    above = Above(plain.folder, "off")
    above.up()
    try:
        assert wait_until(lambda: there() == 2, at_most=20, every=0.05)
        assert back(plain).verdict.healthy
        assert there() == 1
    finally:
        above.down()


def test_of_two_recoveries_the_second_waits_and_is_content_with_the_first(plain: Any, back: Any) -> None:
    inside, go = Event(), Event()
    program = MountProcess(plain)

    def slow(stop: Event) -> Verdict:
        inside.set()
        go.wait(30)
        return probe(plain.place, deadline=5, stop=stop)

    plain.kill()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(back, plain, program=program, probe=slow)
        assert inside.wait(30)
        second = pool.submit(back, plain, program=program)
        assert wait_until(lambda: back.said == ["stopped", "stopped"], at_most=10, every=0.05)
        go.set()
        assert names(first.result(30)) == WHOLE
        assert names(second.result(30)) == ["stop consumers", "wait for another", "resume"]
    assert program.starts == 1


def test_a_second_recovery_goes_on_where_the_first_failed(plain: Any, back: Any) -> None:
    inside, go = Event(), Event()
    program = MountProcess(plain)

    def ill(_stop: Event) -> Verdict:
        inside.set()
        go.wait(30)
        return Verdict(str(plain.place), DEGRADED, "nothing reads")

    plain.kill()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(
            back, plain, program=program, probe=ill, times=Times(**{**vars(TIMES), "settle": 0.1})
        )
        assert inside.wait(30)
        seen = iter([Verdict(str(plain.place), DEGRADED, "nothing reads")])
        second = pool.submit(
            back,
            plain,
            program=program,
            probe=lambda stop: next(seen, None) or probe(plain.place, deadline=5, stop=stop),
        )
        assert wait_until(lambda: back.said == ["stopped", "stopped"], at_most=10, every=0.05)
        go.set()
        with pytest.raises(Transient):
            first.result(30)
        assert names(second.result(30)) == ["stop consumers", "wait for another", *WHOLE[1:]]


def test_a_recovery_that_waits_for_another_can_be_stopped(plain: Any, back: Any) -> None:
    stop = Event()
    with locks.held(plain.place, plain.folder / "locks") as taken:
        assert taken()
        with pytest.raises(Stopped):
            back(plain, stop_consumers=stop.set, stop=stop)
    assert plain.mounted()
