"""Files are read for a collection by somebody who may hang in our place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from medialift.diagnostics import files
from tests.mount_world import RealMount


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[RealMount]:
    there = RealMount(tmp_path)
    there.fill("a.log")
    there.up()
    yield there
    there.down()


def told(*patterns: str, **more: object) -> dict[str, str]:
    """{name: content, or why it is missing}."""
    found = files.newest(patterns, **{"kept": 1 << 20, "patience": 30.0, **more})  # type: ignore[arg-type]
    return {part.name.removeprefix("files/"): part.missing or part.content for part in found}


def test_every_file_is_read_once_links_and_folders_are_not(tmp_path):
    (tmp_path / "a.log").write_text("a")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b.log").write_text("b")
    (tmp_path / "link.log").symlink_to("/etc/passwd")
    (tmp_path / "folder.log").mkdir()
    os.mkfifo(tmp_path / "pipe.log")
    found = told(f"{tmp_path}/*.log", f"{tmp_path}/**/*.log")
    assert {Path(name).name: text for name, text in found.items()} == {"a.log": "a", "b.log": "b"}


def test_what_is_not_there_is_no_news_and_what_cannot_be_read_is(tmp_path):
    assert told(f"{tmp_path}/nowhere/*.log", f"{tmp_path}/nothing.log") == {}
    (loop := tmp_path / "loop").symlink_to(loop)
    [(_, why)] = told(f"{loop}/*.log").items()
    assert "levels of symbolic links" in why


def test_of_too_many_files_the_newest_are_read_and_it_says_so(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.log").write_text("x")
        os.utime(tmp_path / f"{number}.log", (number, number))
    found = told(f"{tmp_path}/*.log", most=2)
    assert [Path(name).name for name in found] == ["_.log", "3.log", "4.log"]
    assert "3 older files are left out" in next(iter(found.values()))


def test_a_hung_mount_is_told_and_does_not_cost_what_comes_after(tmp_path, mount):
    (tmp_path / "after.log").write_text("after\n")
    mount.freeze()
    found = told(f"{mount.place}/*.log", f"{tmp_path}/after.log", patience=1.0)
    [(at, why), (after, text)] = found.items()
    assert str(mount.place).lstrip("/") in at and "does not answer within 1 s" in why
    assert after.endswith("after.log") and text == "after\n"


def test_not_more_readers_are_left_stuck_than_a_host_can_bear(mount):
    mount.freeze()
    found = told(*(f"{mount.place}/{name}*.log" for name in "abcd"), patience=0.5)
    whys = list(found.values())
    assert ["does not answer" in why for why in whys] == [True, True, False, False]
    assert all("too many readers are stuck" in why for why in whys[2:])


def test_a_mount_whose_program_died_is_told(mount):
    mount.kill()
    [(_, why)] = told(f"{mount.place}/*.log").items()
    assert "not connected" in why
