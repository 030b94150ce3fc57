"""How busy a host is: from counters between two looks, on devices that a folder of the test stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from threading import Event

import pytest

from medialift.foundation.waiting import SystemClock, wait_until
from medialift.healing.evidence import ServerHealth
from medialift.healing.pressure import Gauge, Level, Measured, Pressure, Sources, hung_mount_words
from medialift.mounts import mountinfo
from medialift.settings import ScalingSettings

LIMITS = ScalingSettings()
STALLS = "some avg10=99.00 avg60=98.00 avg300=40.00 total={0}\nfull avg10=0.00 avg60=0.00 total=7\n"


class Host:
    """A host with an NVMe disk in partitions, two disks in an array below LVM, and figures to be set."""

    def __init__(self, folder: Path) -> None:
        self.sys, self.stalls = folder / "sys", folder / "stalls"
        self.seconds = 0.0
        self.busy_seconds = {"nvme0n1": 100.0, "nvme0n1p2": 100.0, "sda": 50.0, "sdb": 0.0, "loop0": 3.0}
        self.waited, self.processor_seconds, self.used = 10.0, 1000.0, 0.4
        self.tell_stalls(0)
        self.table = ""
        self._disk("259:0", "nvme0n1", hardware=True)
        self._partition("259:2", "nvme0n1", "nvme0n1p2")
        self._disk("8:0", "sda", hardware=True)
        self._disk("8:16", "sdb", hardware=True)
        self._partition("8:1", "sda", "sda1")
        self._disk("9:0", "md0", slaves={"sda1": "8:1", "sdb": "8:16"})
        self._disk("254:0", "dm-0", slaves={"md0": "9:0"})
        (self.sys / "block" / "dm-0" / "dm").mkdir()
        (self.sys / "block" / "dm-0" / "dm" / "name").write_text("vg-data\n")
        self._disk("7:0", "loop0")
        self.mount("259:2", "/", "ext4", "/dev/nvme0n1p2")
        self.mount("254:0", "/srv/data", "xfs", "/dev/mapper/vg-data")
        self.mount("0:77", "/mnt/media", "fuse.rclone", "media:bucket")
        self.mount("0:78", "/mnt/nas", "nfs4", "nas:/books")
        self.mount("0:25", "/run", "tmpfs", "tmpfs")

    def _disk(
        self, number: str, name: str, *, hardware: bool = False, slaves: Mapping[str, str] | None = None
    ) -> None:
        place = self.sys / "block" / name
        place.mkdir(parents=True)
        if hardware:
            (place / "device").mkdir()
        for below, its in (slaves or {}).items():
            (place / "slaves" / below).mkdir(parents=True)
            (place / "slaves" / below / "dev").write_text(f"{its}\n")
        self._numbered(number, place)

    def _partition(self, number: str, disk: str, name: str) -> None:
        place = self.sys / "block" / disk / name
        place.mkdir()
        (place / "partition").write_text("1\n")
        self._numbered(number, place)

    def _numbered(self, number: str, place: Path) -> None:
        numbers = self.sys / "dev" / "block"
        numbers.mkdir(parents=True, exist_ok=True)
        (numbers / number).symlink_to(place)
        (place / "dev").write_text(f"{number}\n")
        names = self.sys / "class" / "block"
        names.mkdir(parents=True, exist_ok=True)
        (names / place.name).symlink_to(place)

    def mount(self, device: str, at: str, filesystem: str, source: str) -> None:
        self.table += f"36 35 {device} / {at} rw - {filesystem} {source} rw\n"

    def tell_stalls(self, seconds: float) -> None:
        self.stalls.write_text(STALLS.format(int(seconds * 1e6)))

    # A Clock that the test turns.
    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float, stop: Event) -> bool:
        self.seconds += seconds
        return stop.is_set()

    @property
    def gauge(self) -> Gauge:
        sources = Sources(
            busy=lambda: dict(self.busy_seconds),
            memory=lambda: self.used,
            processors=lambda: (self.waited, self.processor_seconds),
            stalls=self.stalls,
            sys=self.sys,
            mounts=lambda: mountinfo.parse(self.table),
        )
        return Gauge(sources, self)

    def minute(
        self, *, busy: Mapping[str, float] | None = None, waited: float = 0, stalled: float = 0
    ) -> None:
        """A minute passes, in which these disks were busy for so many seconds."""
        self.seconds += 60
        for name, more in (busy or {}).items():
            self.busy_seconds[name] += more
        self.processor_seconds += 120  # of two processors
        self.waited += waited
        told = int(self.stalls.read_text().split("total=")[1].split()[0]) / 1e6
        self.tell_stalls(told + stalled)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def measured(gauge: Gauge) -> Measured:
    found = gauge.measure()
    assert found is not None
    return found


def test_the_busy_time_between_two_looks_is_the_disks_share(host: Host) -> None:
    gauge = host.gauge
    assert gauge.measure() is None
    host.minute(busy={"nvme0n1": 57.0, "sda": 15.0}, waited=30, stalled=45)
    found = measured(gauge)
    assert (found.busy["nvme0n1"], found.busy["sda"], found.busy["sdb"]) == (0.95, 0.25, 0.0)
    assert (found.seconds, found.memory, found.iowait, found.stalled) == (60.0, 0.4, 0.25, 0.75)
    assert found.hardware == {"nvme0n1", "sda", "sdb"}


def test_before_the_second_look_nothing_is_known(host: Host) -> None:
    first = host.gauge.pressure(None, [Path("/srv")], None)
    assert first.level(LIMITS) == (Level.UNKNOWN, "nothing was measured yet")


def test_a_folder_has_the_disks_that_are_under_its_partition_or_its_array(host: Host) -> None:
    gauge = host.gauge
    assert gauge.disks_behind([Path("/home/books")]) == {"nvme0n1"}
    assert gauge.disks_behind([Path("/srv/data/mybookshelf2")]) == {"sda", "sdb"}
    assert gauge.disks_behind([Path("/"), Path("/srv/data")]) == {"nvme0n1", "sda", "sdb"}


def test_there_is_no_disk_behind_a_mount_of_the_network(host: Host) -> None:
    assert host.gauge.disks_behind([Path("/mnt/media/books"), Path("/mnt/nas"), Path("/run/x")]) == set()


@pytest.mark.parametrize(
    "source, disks",
    [
        ("/dev/sdb", {"sdb"}),
        ("/dev/nvme0n1p2", {"nvme0n1"}),
        ("/dev/mapper/vg-data", {"sda", "sdb"}),
        ("/dev/mapper/other", set()),
        ("/dev/gone", set()),
        ("tank/books", set()),
    ],
)
def test_btrfs_has_the_disk_that_was_mounted(host: Host, source: str, disks: set[str]) -> None:
    host.mount("0:99", "/srv/btrfs", "btrfs", source)
    assert host.gauge.disks_behind([Path("/srv/btrfs/library")]) == disks


def test_a_link_is_followed_to_the_disk_that_it_leads_to(host: Host, tmp_path: Path) -> None:
    (tmp_path / "library").symlink_to("/srv/data/calibre")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "books").symlink_to("../library")
    assert host.gauge.disks_behind([tmp_path / "library" / "x"]) == {"sda", "sdb"}
    assert host.gauge.disks_behind([tmp_path / "to" / "books"]) == {"sda", "sdb"}
    assert host.gauge.disks_behind([tmp_path / "round"]) == {"nvme0n1"}


def test_a_dead_mount_is_not_looked_into(host: Host, tmp_path: Path) -> None:
    host.mount("0:80", str(tmp_path / "dead"), "fuse.rclone", "dead:bucket")
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead" / "link").symlink_to("/srv/data")
    assert host.gauge.disks_behind([tmp_path / "dead" / "link"]) == set()


def test_a_hung_mount_is_io_wait_at_its_highest_with_all_disks_idle(host: Host) -> None:
    gauge = host.gauge
    gauge.measure()
    host.minute(busy={"sda": 1.0}, waited=118, stalled=59.4)
    found = measured(gauge)
    assert found.hung_mount
    assert "99% of the time while no disk has anything to do" in hung_mount_words(found)
    pressure = gauge.pressure(found, [Path("/srv/data")], None)
    assert pressure.hung_mount
    assert pressure.level(LIMITS)[0] is Level.CALM
    host.minute(busy={"nvme0n1": 58.0}, waited=118, stalled=59.4)
    assert not measured(gauge).hung_mount
    host.minute(busy={"sda": 1.0}, stalled=3)
    assert not measured(gauge).hung_mount


def test_without_the_kernels_account_of_stalls_io_wait_tells_of_a_hung_mount(host: Host) -> None:
    host.stalls.write_text("")
    gauge = host.gauge
    gauge.measure()
    host.seconds, host.waited, host.processor_seconds = 60, host.waited + 115, host.processor_seconds + 120
    found = measured(gauge)
    assert found.stalled is None and found.hung_mount
    host.stalls.unlink()
    host.seconds, host.processor_seconds = 120, host.processor_seconds + 120
    assert not measured(gauge).hung_mount


def test_a_disk_that_was_replaced_is_not_compared_with_the_former(host: Host) -> None:
    gauge = host.gauge
    gauge.measure()
    host.busy_seconds |= {"sda": 0.0, "sdc": 500.0}
    host.seconds += 60
    assert {"sda", "sdc"} & measured(gauge).busy.keys() == set()


def test_a_pipeline_meets_its_own_disks_only(host: Host) -> None:
    gauge = host.gauge
    gauge.measure()
    host.minute(busy={"nvme0n1": 60.0, "sda": 30.0, "sdb": 6.0})
    found = measured(gauge)
    assert gauge.pressure(found, [Path("/srv/data")], None).disks == {"sda": 0.5, "sdb": 0.1}
    assert gauge.pressure(found, [Path("/srv/data")], None).level(LIMITS)[0] is Level.HIGH
    assert gauge.pressure(found, [Path("/home")], None).level(LIMITS)[0] is Level.SATURATED


@pytest.mark.parametrize(
    "pressure, level, words",
    [
        (Pressure(disks={"sda": 0.49}), Level.CALM, "have room"),
        (Pressure(disks={"sda": 0.5}), Level.HIGH, "sda is busy for 50%"),
        (Pressure(disks={"sda": 0.9}), Level.SATURATED, "sda is busy for 90%"),
        (Pressure(memory=0.79), Level.CALM, ""),
        (Pressure(memory=0.81), Level.HIGH, "81% of the memory"),
        (Pressure(memory=0.9), Level.SATURATED, "90% of the memory"),
        (Pressure(server=ServerHealth("Shelf", ok=True, latency=0.2)), Level.CALM, ""),
        (Pressure(server=ServerHealth("Shelf", ok=True, latency=6.0)), Level.HIGH, "Shelf takes 6 s"),
        (Pressure(server=ServerHealth("Shelf", ok=True, latency=11.0)), Level.SATURATED, "Shelf takes 11 s"),
        (Pressure(server=ServerHealth("Shelf", ok=False, why="refused")), Level.UNKNOWN, "refused"),
        (Pressure(iowait=1.0, stalled=1.0), Level.CALM, ""),
    ],
)
def test_disks_memory_and_the_server_make_the_level(pressure: Pressure, level: Level, words: str) -> None:
    found, why = pressure.level(LIMITS)
    assert found is level and words in why
    assert json.dumps(pressure.to_dict())


def test_this_host_has_figures() -> None:
    gauge = Gauge(clock=SystemClock())
    gauge.measure()
    seen: list[Measured | None] = []
    assert wait_until(lambda: seen.append(gauge.measure()) or seen[-1] is not None, at_most=5, every=0.05)
    found = seen[-1]
    assert found is not None and 0 < found.memory < 1
    assert all(0 <= share <= 1 for share in [*found.busy.values(), found.iowait, found.stalled or 0])
    assert gauge.disks_behind([Path("/")]) <= found.busy.keys()
