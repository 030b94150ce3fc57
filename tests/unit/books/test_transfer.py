"""Copies of the server become links, or stay what they are: nothing in between."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from medialift.books.links import Transfer
from medialift.books.server.answers import Lost
from medialift.errors import Permanent, Transient


@pytest.fixture
def world(tmp_path: Path):
    ours, copy = tmp_path / "library" / "a.epub", tmp_path / "data" / "books" / "A" / "a.epub"
    for file in (ours, copy):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"the same bytes")
    return ours, copy


def replace(
    world: tuple[Path, Path], mode: str, *, served: int | Exception | None = 14, sha1: str = ""
) -> None:
    async def serve() -> int | None:
        if isinstance(served, Exception):
            raise served
        return served

    ours, copy = world
    transfer = Transfer(mode, copy.parents[2])  # type: ignore[arg-type]
    known = sha1 or hashlib.sha1(b"the same bytes").hexdigest()
    asyncio.run(transfer.replace(ours, f"A/{copy.name}", known, served=serve))


def test_a_hard_link_shares_the_file(world):
    replace(world, "hardlink")
    replace(world, "hardlink")
    assert world[0].samefile(world[1]) and not world[1].is_symlink()
    assert [one.name for one in world[1].parent.iterdir()] == ["a.epub"]


def test_a_symbolic_link_that_the_server_cannot_follow_is_taken_back(world):
    with pytest.raises(Permanent, match="same path"):
        replace(world, "symlink", served=None)
    assert not world[1].is_symlink() and world[1].read_bytes() == b"the same bytes"
    replace(world, "symlink")
    assert world[1].is_symlink() and world[1].samefile(world[0])


def test_a_symbolic_link_about_which_the_server_says_nothing_is_taken_back(world):
    with pytest.raises(Transient):
        replace(world, "symlink", served=Lost("?"))
    assert not world[1].is_symlink() and world[1].read_bytes() == b"the same bytes"


def test_a_symbolic_link_that_a_dead_worker_left_is_proven_too(world):
    world[1].unlink()
    world[1].symlink_to(world[0])
    with pytest.raises(Permanent, match="same path"):
        replace(world, "symlink", served=None)
    assert not world[1].is_symlink() and world[1].read_bytes() == b"the same bytes"


@pytest.mark.parametrize("mode", ["hardlink", "symlink", "reflink"])
def test_a_copy_with_other_bytes_is_left_alone(world, mode: str):
    world[1].write_bytes(b"other bytes")
    with pytest.raises(Permanent):
        replace(world, mode)
    assert world[1].read_bytes() == b"other bytes" and not world[1].is_symlink()


def test_a_file_system_without_reflinks_is_refused_beforehand_and_the_copy_stays(world):
    transfer = Transfer("reflink", world[1].parents[2])
    try:
        transfer.check(world[0].parent)
    except Permanent as error:
        assert "hardlink or copy" in str(error)
        with pytest.raises(Permanent):
            replace(world, "reflink")
    else:
        replace(world, "reflink")
    assert world[1].read_bytes() == b"the same bytes" and not world[1].samefile(world[0])
    assert [one.name for one in world[1].parent.iterdir()] == ["a.epub"]


def test_two_file_systems_are_refused_beforehand(world):
    other = Path("/dev/shm") / "library-of-a-test"
    other.mkdir(exist_ok=True)
    try:
        with pytest.raises(Permanent, match="two file systems"):
            Transfer("hardlink", world[1].parents[2]).check(other)
        Transfer("symlink", world[1].parents[2]).check(other)
        Transfer().check(other)
    finally:
        other.rmdir()


def test_a_data_folder_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(Permanent, match="server_books"):
        Transfer("hardlink", tmp_path / "nowhere").check(tmp_path)
