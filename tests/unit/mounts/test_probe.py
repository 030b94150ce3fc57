"""Only bytes that were just read say that a mount is there, and asking never hangs."""

from __future__ import annotations

import os
import random
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import wait_until
from medialift.mounts import mountinfo
from medialift.mounts.probe import probe, stuck_readers

NAMES = [f"Movies/Film {n} (20{n:02d})/film.mkv" for n in range(8)]


def mount_of(mount: Any) -> mountinfo.Mount:
    there = mountinfo.at(mount.place, mountinfo.mounts())
    assert there is not None
    return there


def test_a_mount_whose_files_read_is_healthy(mount: Any) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    verdict = probe(mount.place, files, sample=4)
    assert (verdict.state, verdict.reason) == ("healthy", "")
    assert len(verdict.reads) == 4 and all(read.ok for read in verdict.reads)
    assert all(read.path in files and read.at > 1e9 for read in verdict.reads)


def test_without_a_list_files_are_found_below_each_root(mount: Any) -> None:
    mount.fill(*NAMES, "Music/a.mp3", "Music/b.mp3")
    mount.up()
    verdict = probe(mount.place, roots=[str(mount.place / "Movies"), str(mount.place / "Music")], sample=2)
    assert verdict.healthy
    assert sorted(read.path.split("/")[-1][-3:] for read in verdict.reads) == ["mkv", "mkv", "mp3", "mp3"]


def test_nothing_mounted_is_absent(tmp_path: Path) -> None:
    assert probe(tmp_path).state == "absent"


def test_another_file_system_is_foreign(mount: Any) -> None:
    mount.fill("a.mkv")
    mount.up()
    verdict = probe(mount.place, filesystem="fuse.sshfs")
    assert verdict.state == "foreign" and "fuse.rclone" in verdict.reason


def test_a_mount_that_lists_nothing_is_empty(mount: Any) -> None:
    mount.up()
    assert probe(mount.place, [str(mount.place / "a.mkv")]).state == "empty"


def test_files_that_are_not_there_make_it_degraded(mount: Any) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    verdict = probe(mount.place, files[:2] + [str(mount.place / f"gone {n}") for n in range(2)])
    assert verdict.state == "degraded" and "2 of 4" in verdict.reason


def test_a_few_files_gone_from_the_store_do_not_condemn_a_mount(mount: Any) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    verdict = probe(mount.place, [*files, str(mount.place / "gone.mkv")], sample=9)
    assert verdict.healthy
    assert [read.ok for read in verdict.reads].count(False) == 1


def test_a_mount_that_lists_but_does_not_read_is_degraded(store_mount: Any) -> None:
    files = store_mount.fill(*NAMES)
    store_mount.up()
    assert probe(store_mount.place, files).healthy
    store_mount.store.mode = "error"
    verdict = probe(store_mount.place, files)
    assert verdict.state == "degraded" and "cannot be read" in verdict.reason
    assert len(list((store_mount.place / "Movies").iterdir())) == len(NAMES)  # and it still lists


def test_a_frozen_mount_is_hung_and_the_check_comes_back_in_time(mount: Any) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    mount.freeze()
    begun = time.monotonic()
    verdict = probe(mount.place, files, deadline=2)
    assert verdict.state == "hung"
    assert time.monotonic() - begun < 6


def test_no_second_reader_is_sent_after_one_that_ignores_being_killed(store_mount: Any) -> None:
    files = store_mount.fill("big.mkv", size=3_000_000)
    store_mount.up()
    assert probe(store_mount.place, files).healthy
    store_mount.store.mode = "hang"
    begun = time.monotonic()
    first = probe(store_mount.place, files, deadline=1.5)
    assert first.state == "hung" and "big.mkv did not come back" in first.reason
    assert [read.ok for read in first.reads] == [False]
    second = probe(store_mount.place, files, deadline=1.5)
    assert second.state == "hung" and "still stuck" in second.reason
    assert time.monotonic() - begun < 6
    assert len(list(stuck_readers(str(store_mount.place)))) == 1
    store_mount.kill()
    assert wait_until(lambda: not list(stuck_readers(str(store_mount.place))), at_most=5, every=0.05)


def test_a_mount_whose_program_died_is_stale_not_absent(mount: Any) -> None:
    files = mount.fill("a.mkv")
    mount.up()
    mount.kill()
    verdict = probe(mount.place, files, deadline=5)
    assert verdict.state == "stale" and "its program died" in verdict.reason
    assert not os.path.ismount(mount.place)


def test_a_plain_folder_will_do_when_no_type_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(b"x" * 10)
    assert probe(tmp_path, filesystem="").healthy


def test_a_mount_of_something_else_than_expected_is_foreign(mount: Any) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    assert probe(mount.place, files, source=mount_of(mount).source).healthy
    verdict = probe(mount.place, files, source="store:media")
    assert verdict.state == "foreign" and "not of store:media" in verdict.reason


def test_a_folder_that_another_mount_hides_is_foreign(mount: Any) -> None:
    mount.fill(*NAMES)
    mount.up()
    hidden = mount.place / "Movies"
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(hidden)], check=True)
    try:
        (hidden / "film.mkv").write_bytes(b"x" * 10_000)
        verdict = probe(mount.place, [str(hidden / "film.mkv")])
    finally:
        subprocess.run(["umount", str(hidden)], check=True)
    assert verdict.state == "foreign" and "another file system" in verdict.reason


def test_a_root_without_a_file_is_empty_though_the_mount_is_not(mount: Any) -> None:
    mount.fill(*NAMES)
    (mount.source / "Music").mkdir()
    mount.up()
    verdict = probe(mount.place, roots=[str(mount.place / "Movies"), str(mount.place / "Music")])
    assert verdict.state == "empty" and verdict.reason.endswith("Music")


def test_files_without_content_prove_nothing(mount: Any) -> None:
    empty = mount.fill("a.nfo", "b.nfo", size=0)
    mount.up()
    assert probe(mount.place, empty).state == "empty"


def test_others_are_read_in_place_of_files_without_content(mount: Any) -> None:
    empty = mount.fill("a.nfo", "b.nfo", size=0)
    files = mount.fill("Movies/film.mkv")
    mount.up()
    verdict = probe(mount.place, [*empty, *files], sample=1)
    assert verdict.healthy and [read.path for read in verdict.reads] == files


def test_a_quick_probe_reads_one_file(mount: Any) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    verdict = probe(mount.place, files, sample=1)
    assert verdict.healthy and len(verdict.reads) == 1


def test_a_quick_probe_that_fails_reads_more_before_it_condemns(mount: Any) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    gone = str(mount.place / "gone.mkv")
    asked = [gone, *files[:4]]
    seed = next(n for n in range(1000) if random.Random(n).sample(asked, 5)[0] == gone)
    verdict = probe(mount.place, asked, sample=1, seed=seed)
    assert verdict.healthy and verdict.differing == (gone,)
    assert len(verdict.reads) == 9


def test_a_library_of_one_file_fails_closed(store_mount: Any) -> None:
    store_mount.fill("a.mkv")
    store_mount.up()
    store_mount.store.mode = "error"
    assert probe(store_mount.place).state == "degraded"


def test_a_stop_ends_a_probe_at_once_though_its_reader_is_stuck(store_mount: Any) -> None:
    files = store_mount.fill("big.mkv", size=3_000_000)
    store_mount.up()
    store_mount.store.mode = "hang"
    stop = Event()
    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(probe, store_mount.place, files, deadline=600, stop=stop)
        assert not wait_until(probing.done, at_most=1, every=0.1)
        stop.set()
        with pytest.raises(Stopped):
            probing.result(timeout=10)


def test_a_probe_that_was_stopped_before_sends_nothing(mount: Any) -> None:
    files = mount.fill("a.mkv")
    mount.up()
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        probe(mount.place, files, stop=stop)


def test_a_mount_that_is_taken_away_while_it_is_read_is_absent(mount: Any) -> None:
    files = mount.fill(*NAMES)
    mount.up()
    there = [mountinfo.mounts(), ()]
    gone = [str(mount.place / f"gone {n}") for n in range(len(files))]
    assert probe(mount.place, gone, mounts=lambda: there.pop(0)).state == "absent"
