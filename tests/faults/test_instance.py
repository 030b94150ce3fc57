"""The mount, Plex, the disk or all of the instance fails: home is untouched, and the next run succeeds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from threading import Event

import pytest

from medialift.errors import MedialiftError, Permanent
from medialift.foundation import jobs
from medialift.foundation.waiting import SystemClock, wait_until
from tests.faults import catalogue
from tests.faults.at_home import Interrupting, fill_up, small_disk
from tests.faults.lift import FILES, Home, Instance, succeeds, unharmed
from tests.mount_world import S3Mount


def hung(instance: Instance) -> Callable[[], None]:
    """The mount's program stops dead, as a machine that swaps does; what to do to undo it."""
    rclone = instance.mount.rclone
    assert rclone is not None
    instance.mount.freeze()
    return lambda: rclone.send_signal(signal.SIGCONT)


def stale(instance: Instance) -> Callable[[], None]:
    """The mount's program is killed and leaves its mount behind."""
    instance.mount.kill()

    def again() -> None:
        instance.mount.down()
        instance.mount.up()

    return again


def empty(instance: Instance) -> Callable[[], None]:
    """Nothing is mounted any more: an empty folder is there instead, and no error."""
    instance.mount.down()
    return instance.mount.up


def replaced(instance: Instance) -> Callable[[], None]:
    """Something else is mounted in its place: another part of the bucket, with other files."""
    return _something_else(instance, "other", [f"Movies/Another film {number}.mkv" for number in range(6)])


def mistaken(instance: Instance) -> Callable[[], None]:
    """What is mounted in its place has files of the same names: only their bytes tell."""
    return _something_else(instance, "alike", FILES)


def _something_else(instance: Instance, prefix: str, names: Sequence[str]) -> Callable[[], None]:
    instance.mount.down()
    other = S3Mount(instance.folder / "other", instance.store, prefix=prefix, place=instance.plex.media)
    other.fill(*names, size=200_000)
    other.up()

    def again() -> None:
        other.down()
        instance.mount.up()

    return again


@pytest.mark.parametrize(
    "breaks",
    [
        pytest.param(one, marks=pytest.mark.fault(catalogue.mount_fault(state)), id=one.__name__)
        for one, state in (
            *((one, one.__name__) for one in (hung, stale, empty, replaced)),
            (mistaken, "replaced"),
        )
    ],
)
def test_a_mount_that_fails_under_a_scan(
    instance: Instance, breaks: Callable[[Instance], Callable[[], None]], fault_moment: int
) -> None:
    instance.plex.switch(seconds_per_file=0.3)
    undo: list[Callable[[], None]] = []
    into = Random(fault_moment).random() * 2
    with instance.when("scan Movies", lambda: undo.append(breaks(instance)), after=into):
        status = instance.scan()
    assert status.state == jobs.FAILED or status.value["outcome"] == "quarantined" or fault_moment
    unharmed(instance, status)
    undo[0]()
    instance.plex.switch(seconds_per_file=0)
    succeeds(instance)


@pytest.mark.fault(catalogue.PLEX_MID_SCAN)
def test_a_plex_that_is_killed_in_the_middle_of_a_scan(instance: Instance, fault_moment: int) -> None:
    def die() -> None:
        assert instance.plex.process is not None
        instance.plex.process.kill()

    instance.plex.switch(seconds_per_file=0.3)
    with instance.when("scan Movies", die, after=Random(fault_moment).random() * 2):
        status = instance.scan()
    assert status.state == jobs.FAILED and "did not answer" in status.error["what"]
    unharmed(instance, status)
    # Its databases were not closed: nothing is exported of them, not even into the quarantine.
    with pytest.raises(MedialiftError):
        instance.export(status, quarantine=("Plex died",))
    instance.start()
    succeeds(instance)


def runs_in_a_process_of_its_own(instance: Instance) -> subprocess.Popen[bytes]:
    jobs.submit(instance.job, "plex-run", instance.arguments())
    jobs.request(instance.job)
    program = [str(Path(sys.executable).parent / "medialift"), "job", "run", str(instance.job)]
    return subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.fault(catalogue.INSTANCE_MID_SCAN)
def test_an_instance_that_is_lost_in_the_middle_of_a_scan(
    instance: Instance, home: Home, tmp_path: Path, fault_moment: int
) -> None:
    instance.plex.switch(seconds_per_file=0.3)
    with runs_in_a_process_of_its_own(instance) as run:
        assert wait_until(instance.scanning, at_most=60, every=0.02)
        SystemClock().sleep(Random(fault_moment).random() * 2, Event())
        run.kill()
    instance.lost()
    assert home.untouched()
    another = Instance(tmp_path / "another", home)
    try:
        another.set_up()
        succeeds(another)
    finally:
        another.down()


@pytest.mark.fault(catalogue.INSTANCE_MID_EXPORT)
@pytest.mark.parametrize(
    "phase", ["copy the databases", "check the databases", "write the archive", "verify the archive"]
)
def test_an_instance_that_is_lost_in_the_middle_of_an_export(
    instance: Instance, home: Home, tmp_path: Path, phase: str
) -> None:
    status = instance.scan()
    assert status.state == jobs.OK, status.error
    instance.stop()
    pid = os.fork()
    if pid == 0:
        try:
            journal = Interrupting(tmp_path / "export", phase, lambda: os.kill(os.getpid(), signal.SIGKILL))
            instance.export(status, journal=journal)
        finally:
            os._exit(1)
    _, ended = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(ended)
    with pytest.raises(Permanent):
        home.newest()
    assert home.untouched()
    if phase == "write the archive":
        # The machine itself lives on: the same export again is enough.
        instance.start()
        instance.export(status)
        assert home.comes_home()
        return
    instance.lost()
    another = Instance(tmp_path / "another", home)
    try:
        another.set_up()
        succeeds(another)
    finally:
        another.down()


@pytest.mark.fault(catalogue.DISK_INSTANCE)
@pytest.mark.parametrize("when", ["inject", "scan", "export"])
def test_an_instance_whose_disk_fills_up(home: Home, tmp_path: Path, when: str, fault_moment: int) -> None:
    with small_disk(tmp_path / "disk") as disk:
        instance = Instance(disk / "instance", home)
        try:
            leaving = Random(fault_moment).randrange(1 << 20) if fault_moment else 0
            other = disk / "somebody else's"
            if when == "inject":
                fill_up(disk, leaving)
                with pytest.raises((MedialiftError, OSError)):
                    instance.inject()
                other.unlink()
                instance.set_up()
            elif when == "scan":
                instance.set_up(seconds_per_file=0.3)
                with instance.when("scan Movies", lambda: fill_up(disk, leaving), after=0.3):
                    # The job cannot even write down how it ended.
                    status = attempt_to_scan(instance)
                other.unlink()
                unharmed(instance, status)
                # Plex is started anew by its unit: it may have died of it.
                instance.plex.process.kill()
                instance.start()
            else:
                instance.set_up()
                status = instance.scan()
                fill_up(disk, leaving)
                with pytest.raises((MedialiftError, OSError)):
                    instance.export(status)
                other.unlink()
                if not instance.running():
                    instance.start()
            assert home.untouched()
            succeeds(instance)
        finally:
            instance.down()


def attempt_to_scan(instance: Instance) -> jobs.Status:
    try:
        return instance.scan()
    except OSError:
        return jobs.state(instance.job)
