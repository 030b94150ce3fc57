"""What comes through a mount is what the store holds; a few bad objects are named, not held against it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from medialift.errors import Transient
from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import wait_until
from medialift.mounts.probe import Remote, probe
from tests.mount_world import RCLONE, S3Mount
from tests.store_world import StoreWorld, store_world

pytestmark = pytest.mark.xdist_group("mount comparison")

NAMES = [f"Films/Film {n} [4K] {{x}} *?/film.mkv" for n in range(9)]
CHUNK = 128 * 1024


@pytest.fixture(scope="module")
def store() -> Iterator[StoreWorld]:
    with store_world() as world:
        yield world


@pytest.fixture
def healed(store: StoreWorld) -> Iterator[StoreWorld]:
    store.empty()
    yield store
    store.faults.clear()


@pytest.fixture
def mount(healed: StoreWorld, tmp_path: Path) -> Iterator[S3Mount]:
    there = S3Mount(tmp_path, healed, prefix="media")
    yield there
    healed.faults.clear()
    there.down()


@pytest.fixture
def cached(healed: StoreWorld, tmp_path: Path) -> Iterator[S3Mount]:
    there = S3Mount(tmp_path, healed, prefix="media", cache="full")
    yield there
    healed.faults.clear()
    there.down()


def remote_of(mount: S3Mount) -> Remote:
    return Remote(RCLONE, mount.config, mount.name, mount.place)


def deny(mount: S3Mount, file: str) -> None:
    """Have the store refuse one object."""
    number = file.partition("Film ")[2][0]
    mount.store.faults.add("status403", f"GET /medialift/media/Films/Film%20{number}")


def test_what_comes_through_a_good_mount_is_what_the_store_holds(mount: S3Mount) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    mount.store.faults.reset_counters()
    verdict = probe(mount.place, files, remote=remote_of(mount))
    assert (verdict.state, verdict.differing, verdict.note) == ("healthy", (), "")
    assert mount.store.faults.counters()["by_method"]["HEAD"] >= 2  # the store was really asked


def test_a_mount_of_other_files_with_the_same_names_is_degraded(mount: S3Mount) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    mount.prefix = "other"
    mount.fill(*NAMES)
    verdict = probe(mount.place, files, remote=replace(remote_of(mount), remote="store:medialift/other"))
    assert verdict.state == "degraded" and "files differ from the store" in verdict.reason
    assert len(verdict.differing) >= 3 and set(verdict.differing) <= set(files)


def test_a_name_that_cannot_be_asked_for_hinders_no_comparison_of_the_others(tmp_path: Path) -> None:
    names = ("1.mkv", "2.mkv", "3.mkv", "two\nlines.mkv")
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(os.urandom(9_000))
    (config := tmp_path / "rclone.conf").touch()
    remote = Remote(RCLONE, config, str(tmp_path / "there"), tmp_path / "here")
    files = [str(tmp_path / "here" / name) for name in names]
    found = [probe(tmp_path / "here", files, filesystem="", remote=remote, seed=seed) for seed in range(6)]
    assert {verdict.state for verdict in found} == {"degraded"}
    assert any("line break" in verdict.note for verdict in found)


def test_a_mount_of_files_that_the_store_has_not_is_degraded(mount: S3Mount) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    verdict = probe(mount.place, files, remote=replace(remote_of(mount), remote="store:medialift/nowhere"))
    assert verdict.state == "degraded" and "holds no such bytes" in verdict.reason


def test_one_file_that_differs_is_named_and_condemns_nothing(cached: S3Mount) -> None:
    files = cached.fill(*NAMES, size=6_000)
    cached.up()
    for file in files:
        Path(file).read_bytes()
    cached.fill(NAMES[4], size=6_000)  # the cache still serves what it was
    found = (probe(cached.place, files, sample=9, remote=remote_of(cached), seed=n) for n in range(50))
    verdict = next(one for one in found if one.differing)
    assert (verdict.state, verdict.differing) == ("healthy", (files[4],))


@pytest.mark.parametrize("named", [True, False], ids=["named", "found"])
def test_one_file_that_does_not_read_is_named_and_condemns_nothing(mount: S3Mount, named: bool) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    deny(mount, files[3])
    verdict = probe(mount.place, files if named else [], sample=9)
    assert (verdict.state, verdict.differing) == ("healthy", (files[3],))


def test_others_are_looked_for_when_the_only_file_named_does_not_read(mount: S3Mount) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    deny(mount, files[3])
    verdict = probe(mount.place, [files[3]], sample=1)
    assert (verdict.state, verdict.differing, len(verdict.reads)) == ("healthy", (files[3],), 9)


def test_of_two_files_one_that_does_not_read_is_too_many(mount: S3Mount) -> None:
    files = mount.fill(*NAMES[:2])
    mount.up()
    deny(mount, files[0])
    assert probe(mount.place, files).state == "degraded"


def test_a_store_that_cannot_be_asked_condemns_nothing_and_is_told(mount: S3Mount, tmp_path: Path) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    closed = tmp_path / "closed.conf"
    closed.write_text(mount.config.read_text().replace(mount.store.store.endpoint, "http://127.0.0.1:1"))
    verdict = probe(mount.place, files, remote=replace(remote_of(mount), config=closed))
    assert verdict.healthy and "The store itself cannot be read" in verdict.note
    mount.store.faults.add("status403", "GET /medialift/media/")
    verdict = probe(mount.place, files, remote=replace(remote_of(mount), config=closed))
    assert verdict.state == "degraded"


def test_a_refusal_is_never_taken_for_an_absent_object(mount: S3Mount) -> None:
    [file] = mount.fill("a.mkv")
    remote = remote_of(mount)
    assert remote.cat(str(mount.place / "b.mkv"), 0, 100, 10) == b""
    assert remote.cat(file, 1_000_000, 100, 10) == b""
    for fault in ("status403", "status503", "reset"):
        for method in ("HEAD", "GET"):
            with mount.store.faults.active(fault, method), pytest.raises(Transient, match="cannot be read"):
                remote.cat(file, 0, 100, 10)


def test_asking_a_store_that_hangs_ends_at_the_deadline_and_at_a_stop(mount: S3Mount) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    mount.store.faults.add("hang", "HEAD")
    with pytest.raises(Transient, match=r"within 0\.5 s"):
        remote_of(mount).cat(files[0], 0, 100, 0.5)
    verdict = probe(mount.place, files, deadline=3, remote=remote_of(mount))
    assert verdict.healthy and "did not answer" in verdict.note
    stop = Event()
    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(probe, mount.place, files, remote=remote_of(mount), stop=stop)
        assert not wait_until(probing.done, at_most=1, every=0.1)
        stop.set()
        with pytest.raises(Stopped):
            probing.result(timeout=10)


def test_a_listing_that_does_not_come_back_is_hung(healed: StoreWorld, tmp_path: Path) -> None:
    mount = S3Mount(tmp_path, healed, prefix="media", more=["--dir-cache-time", "0s", "--timeout", "60s"])
    files = mount.fill(*NAMES)
    mount.up()
    try:
        healed.faults.add("hang")
        verdict = probe(mount.place, files, deadline=2)
        assert verdict.state == "hung" and verdict.reason.startswith("listing ")
    finally:
        healed.faults.clear()
        mount.down()


def test_a_quick_probe_costs_two_chunks_at_most(mount: S3Mount) -> None:
    files = mount.fill(*NAMES, size=4_000_000)
    mount.up()
    assert probe(mount.place, files).healthy
    mount.store.faults.reset_counters()
    assert probe(mount.place, files, sample=1).healthy
    assert 0 < mount.store.faults.counters()["bytes"] <= 2 * CHUNK + 10_000


def test_a_range_that_was_read_before_is_asked_for_again(mount: S3Mount) -> None:
    files = mount.fill("film.mkv", size=4_000_000)
    mount.up()
    for _ in range(3):
        mount.store.faults.reset_counters()
        assert probe(mount.place, files, sample=1, seed=7).healthy
        assert mount.store.faults.counters()["bytes"] >= CHUNK


def test_probes_of_a_full_cache_go_on_asking_the_store(cached: S3Mount) -> None:
    files = cached.fill("film.mkv", size=16_000_000)
    cached.up()
    asked = []
    for seed in range(5):
        cached.store.faults.reset_counters()
        assert probe(cached.place, files, sample=1, seed=seed).healthy
        asked.append(cached.store.faults.counters()["bytes"] >= CHUNK)
    assert asked.count(True) >= 4
