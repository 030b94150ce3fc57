"""What breaks a mount, row by row: it lists and stats as if it were well, and the probe is not fooled.

The rows are what was seen on real mounts of a real store: each fault of it, with rclone's cache off and full.
All are played at the same time, each on a mount of its own, since what they mostly do is wait.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest

from medialift.foundation.waiting import wait_until
from medialift.mounts.probe import probe, stuck_readers
from tests.mount_world import S3Mount
from tests.store_world import StoreWorld, moto_at, store_world

# One world for the whole module: it must not be made once more on another worker.
pytestmark = pytest.mark.xdist_group("mount facts")

DEADLINE = 4.0
MODES = ("off", "full")
# Of the store's answers to the requests of one mount, for objects only: lists go on working.
PROXIED = ("reset", "status403", "status503", "truncate", "hang")
# Of the store as a whole.
WHOLE = ("stop", "refuse", "kill")
SILENT = ("hang", "stop")
ROWS = [(fault, mode) for fault in PROXIED + WHOLE for mode in MODES]


class Row:
    """One mount: how it looked while its store was broken, and after."""

    def __init__(self, folder: Path, world: StoreWorld, fault: str, mode: str) -> None:
        self.mode = mode
        self.mount = S3Mount(
            folder / f"{fault}-{mode}",
            world,
            prefix=f"{fault}-{mode}",
            cache=mode,
            endpoint=world.direct if fault == "kill" else "",
            # What waits shall wait until the store answers, not until rclone gives it up.
            more=["--timeout", "60s"] if fault in SILENT else [],
        )
        self.fill()

    def fill(self) -> None:
        self.files = self.mount.fill(*[f"films/{n}.mkv" for n in range(8)], size=200_000)
        self.sentinel = Path(self.mount.fill("films/sentinel.mkv", size=20_000)[0])
        # In another folder, so that the probe leaves it alone.
        self.fresh = self.mount.fill("other/fresh.mkv", size=200_000)[0]

    def up(self) -> None:
        """Mount it, and look around: rclone remembers the lists, and in mode full what the sentinel holds."""
        self.mount.up()
        self.folder = self.mount.place / "films"
        assert len(list(self.folder.iterdir())) == 9
        Path(self.fresh).stat()
        self.remembered = self.sentinel.read_bytes()

    def suffer(self) -> None:
        """Look at it while its store is broken."""
        self.names = len(list(self.folder.iterdir()))
        self.size = Path(self.files[0]).stat().st_size
        if self.mode == "full":  # without a cache it would fail, or wait
            self.sentinel_reads = self.sentinel.read_bytes()
        reader = subprocess.Popen(
            ["head", "-c1", self.fresh], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        begun = monotonic()
        self.verdict = probe(self.mount.place, self.files, deadline=DEADLINE)
        self.waited = monotonic() - begun
        self.reader_waits = reader.poll() is None
        self.again = probe(self.mount.place, self.files, deadline=1)
        self.stuck = len(list(stuck_readers(str(self.mount.place))))
        reader.kill()

    def recover(self) -> None:
        """Look at it until it is well."""

        def well() -> bool:
            self.afterwards = probe(self.mount.place, self.files, deadline=20)
            return self.afterwards.healthy

        wait_until(well, at_most=60, every=0.2)


def together(rows: Sequence[Row], step: Callable[[Row], None]) -> None:
    with ThreadPoolExecutor(len(rows)) as pool:
        list(pool.map(step, rows))


def play_proxied(folder: Path, world: StoreWorld, seen: dict[tuple[str, str], Row]) -> None:
    """The faults that the proxy makes for one mount each."""
    rows = {(fault, mode): Row(folder, world, fault, mode) for fault in PROXIED for mode in MODES}
    try:
        together([*rows.values()], Row.up)
        for (fault, _), row in rows.items():
            world.faults.add(fault, f"GET /{world.bucket}/{row.mount.prefix}/")
        together([*rows.values()], Row.suffer)
        world.faults.clear()
        together([*rows.values()], Row.recover)
    finally:
        for row in rows.values():
            row.mount.down()
    seen.update(rows)


def play_whole(folder: Path, world: StoreWorld, seen: dict[tuple[str, str], Row]) -> None:
    """The faults of a store that is stopped, is not let through to, or dies."""
    rows = {(fault, mode): Row(folder, world, fault, mode) for fault in WHOLE for mode in MODES}
    stopped = [row for (fault, _), row in rows.items() if fault == "stop"]
    closed = [row for (fault, _), row in rows.items() if fault != "stop"]
    with ExitStack() as store:
        try:
            together([*rows.values()], Row.up)
            world.moto.send_signal(signal.SIGSTOP)
            together(stopped, Row.suffer)
            world.moto.send_signal(signal.SIGCONT)
            together(stopped, Row.recover)
            world.faults.add("refuse")
            world.moto.kill()
            world.moto.wait(10)
            together(closed, Row.suffer)
            world.faults.clear()
            store.enter_context(moto_at(int(world.direct.rpartition(":")[2])))
            world.make_bucket()
            together(closed, Row.fill)
            together(closed, Row.recover)
        finally:
            world.moto.send_signal(signal.SIGCONT)
            for row in rows.values():
                row.mount.down()
    seen.update(rows)


@pytest.fixture(scope="module")
def store() -> Iterator[StoreWorld]:
    with store_world() as world:
        yield world


@pytest.fixture(scope="module")
def rows(store: StoreWorld, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Row]:
    """Every fault with every cache, all played at the same time."""
    seen: dict[tuple[str, str], Row] = {}
    folder = tmp_path_factory.mktemp("rows")
    with store_world() as other, ThreadPoolExecutor(2) as pool:
        for played in (
            pool.submit(play_proxied, folder, store, seen),
            pool.submit(play_whole, folder, other, seen),
        ):
            played.result()
    return seen


@pytest.fixture(params=ROWS, ids="-".join)
def row(request: pytest.FixtureRequest, rows: dict[tuple[str, str], Row]) -> Row:
    return rows[request.param]


def test_a_mount_without_its_store_lists_and_stats_as_if_it_were_well(row: Row) -> None:
    assert (row.names, row.size) == (9, 200_000)


@pytest.mark.parametrize("fault", PROXIED + WHOLE)
def test_a_file_read_before_is_served_from_a_full_cache_as_if_it_were_well(
    rows: dict[tuple[str, str], Row], fault: str
) -> None:
    row = rows[fault, "full"]
    assert row.sentinel_reads == row.remembered


def test_the_probe_says_what_it_is_by_its_deadline(row: Row) -> None:
    assert row.verdict.state in ("degraded", "hung")
    assert row.waited < DEADLINE + 10


def test_the_probe_comes_back_while_other_readers_still_wait(rows: dict[tuple[str, str], Row]) -> None:
    silent = [rows[fault, mode] for fault in SILENT for mode in MODES]
    assert [row.verdict.state for row in silent] == ["hung"] * 4
    assert all(row.reader_waits for row in silent)


def test_a_refusal_that_comes_at_once_is_degraded_not_hung(rows: dict[tuple[str, str], Row]) -> None:
    for fault in ("status403", "truncate"):
        row = rows[fault, "off"]
        assert row.verdict.state == "degraded" and "3 of 3 files cannot be read" in row.verdict.reason


def test_no_more_than_one_reader_is_ever_left_in_a_mount(row: Row) -> None:
    assert not row.again.healthy
    assert row.stuck <= 1


def test_a_reader_that_ignores_being_killed_keeps_the_next_one_out(rows: dict[tuple[str, str], Row]) -> None:
    row = rows["hang", "off"]
    assert row.stuck == 1 and "still stuck" in row.again.reason


def test_a_mount_is_well_again_when_its_store_is(row: Row) -> None:
    assert row.afterwards.healthy, row.afterwards.reason
    assert not list(stuck_readers(str(row.mount.place)))
