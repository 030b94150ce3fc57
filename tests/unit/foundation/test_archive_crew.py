"""Of a large archive other processes do a part of the work; nobody can tell from what comes out."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import zstandard

from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation import archive
from medialift.foundation.archive import Member, crew
from medialift.foundation.waiting import wait_until

MANY = crew.WORTHWHILE + 1500


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """Thousands of small files; behind those that one process does alone, odd names and large files too."""
    folder = tmp_path_factory.mktemp("tree")
    chance = random.Random(3)
    for number in range(MANY):
        path = folder / f"{number // 50:03}" / f"{number:05}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(chance.randbytes(chance.randrange(3000)))
    for name, size in {
        "065/é ü": 10,
        "066/" + "n" * 200: 700,
        "067/large": 9 << 20,
        "068/edge": 4 << 20,
    }.items():
        (folder / name).write_bytes(chance.randbytes(size))
    (folder / "066/00001").write_bytes(b"")
    (folder / "067/large").chmod(0o600)
    return folder


def members(tree: Path) -> list[Member]:
    return [
        Member(path.relative_to(tree).as_posix(), path) for path in sorted(tree.rglob("*")) if path.is_file()
    ]


def packed(given, workers=2) -> bytes:
    out = io.BytesIO()
    archive.write(given, out, manifest={"format": 1}, workers=workers)
    return out.getvalue()


def extract(stream, into, **options):
    return archive.extract(stream, into, workers=2, **options)


def unpacked(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mode,
            int(path.stat().st_mtime),
            path.read_bytes(),
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def data(tree) -> bytes:
    return packed(members(tree))


def workers() -> list[int]:
    """Processes of this one that work on archives."""
    me = os.getpid()
    children = {
        pid for task in Path(f"/proc/{me}/task").iterdir() for pid in (task / "children").read_text().split()
    }
    return [int(pid) for pid in children if b"archive.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.fixture(autouse=True)
def nobody_is_left():
    """Whatever happened, no worker outlives its archive."""
    yield
    assert workers() == []
    opened = [handle.readlink() for handle in Path("/proc/self/fd").iterdir() if handle.is_symlink()]
    assert [path for path in opened if "medialift-archive" in path.name] == []


@pytest.mark.parametrize(
    ("processors", "pack", "unpack"), [(1, 0, 0), (2, 0, 2), (3, 1, 3), (4, 2, 4), (64, 4, 4)]
)
def test_a_crew_is_as_large_as_the_machine_is_worth(processors, pack, unpack):
    assert (crew.hands(crew.PACK, processors), crew.hands(crew.UNPACK, processors)) == (pack, unpack)


def test_a_crew_writes_the_same_members_in_the_same_order(tree, data):
    def listed(archived):
        told = []

        class Listing:
            def begin(self, entry):
                told.append(entry)

            def end(self, entry):
                raise AssertionError

        return archive.open_archive(io.BytesIO(archived)).drain(Listing()), told

    with_crew, without = listed(data), listed(packed(members(tree), workers=0))
    assert with_crew[1] == without[1]
    assert (with_crew[0].members, with_crew[0].content_bytes) == (
        without[0].members,
        without[0].content_bytes,
    )


def test_a_crew_unpacks_what_went_in(tree, data, tmp_path):
    verified = extract(io.BytesIO(data), tmp_path / "out")
    assert unpacked(tmp_path / "out") == unpacked(tree)
    assert archive.verify(io.BytesIO(data), workers=2) == verified
    assert archive.verify(io.BytesIO(data), workers=0) == verified


def test_a_crew_unpacks_only_what_is_wanted(tree, data, tmp_path):
    verified = extract(io.BytesIO(data), tmp_path / "out", want=lambda name: name.startswith("06"))
    assert set(unpacked(tmp_path / "out")) == {name for name in unpacked(tree) if name.startswith("06")}
    assert verified.members == len(members(tree))


def test_a_member_of_which_a_byte_changed_is_found_by_a_crew(tree, tmp_path):
    given = members(tree)
    # The list says what the writer hashed: lie to it about one member that a worker packs.
    lying = bytes(b ^ 1 for b in given[3000].source.read_bytes())
    honest = packed(given)
    other = tmp_path / "other"
    other.write_bytes(lying)
    os.utime(other, (given[3000].source.stat().st_mtime,) * 2)
    swapped = packed([*given[:3000], Member(given[3000].name, other), *given[3001:]])
    listed = _member(honest, archive.CHECKSUMS_NAME)
    with pytest.raises(Unsafe, match=f"wrong checksum: {given[3000].name}"):
        extract(io.BytesIO(_with(swapped, archive.CHECKSUMS_NAME, listed)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_member_given_twice_is_refused_by_a_crew_and_nothing_stays(tree, tmp_path):
    given = members(tree)
    with pytest.raises(Unsafe, match=f"twice, or below another: {given[2500].name}"):
        extract(io.BytesIO(packed([*given, given[2500]])), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_vanished_or_is_none_is_told_from_a_crew_as_from_one(tree, tmp_path):
    given = members(tree)
    with pytest.raises(Transient, match="changed while it was being archived"):
        packed([*given[:3000], Member("gone", tmp_path / "gone"), *given[3000:]])
    with pytest.raises(Permanent, match="not a regular file"):
        packed([*given[:3000], Member("folder", tmp_path), *given[3000:]])


def test_a_truncated_archive_is_refused_by_a_crew_and_nothing_stays(data, tmp_path):
    with pytest.raises(Unsafe, match="truncated"):
        extract(io.BytesIO(data[: -len(data) // 50]), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_dies_is_an_error_and_no_archive(tree):
    given = members(tree)

    def killing():
        yield from given[:3000]
        ends = time.monotonic() + 60
        while not (found := workers()) and time.monotonic() < ends:
            time.sleep(0.01)
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        yield from given[3000:]

    with pytest.raises(Transient, match="died"):
        packed(killing())


def test_a_disk_that_is_full_is_told_by_a_worker_and_nothing_stays(data, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    # Room for what is unpacked before there is a crew, and a bit more: each file takes a page.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=11m", "tmpfs", disk], check=True)
    try:
        with pytest.raises(OSError, match="No space left on device"):
            extract(io.BytesIO(data), disk / "out")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


LEADER = """
import io, sys, time
from pathlib import Path
from medialift.foundation import archive

def workers():
    tasks = Path("/proc/self/task").iterdir()
    return [pid for task in tasks for pid in (task / "children").read_text().split()]

def members(tree):
    for number, path in enumerate(sorted(path for path in tree.rglob("*") if path.is_file())):
        if number == 2304:
            until = time.monotonic() + 60
            while not workers() and time.monotonic() < until:
                time.sleep(0.05)
            print(*workers(), flush=True)
            time.sleep(600)
        yield archive.Member(str(path.relative_to(tree)), path)

archive.write(members(Path(sys.argv[1])), io.BytesIO(), manifest={}, workers=2)
"""


def test_workers_end_when_who_led_them_is_killed(tree):
    def works(pid: str) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    words = [sys.executable, "-c", LEADER, str(tree)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as leader:
        led = leader.stdout.readline().split()
        assert led and all(works(pid) for pid in led)
        leader.kill()
    assert wait_until(lambda: not any(works(pid) for pid in led), at_most=60, every=0.05)


def test_names_as_long_as_a_disk_allows_hold_nobody_up(tmp_path):
    folder = tmp_path / "tree" / "/".join(["日" * 80] * 8)
    folder.mkdir(parents=True)
    for number in range(crew.WORTHWHILE + 600):
        (folder / f"{number}").write_bytes(b"x")
    data = packed(members(tmp_path / "tree"))
    extract(io.BytesIO(data), tmp_path / "out")
    assert unpacked(tmp_path / "out") == unpacked(tmp_path / "tree")


def _member(data: bytes, name: str) -> bytes:
    plain = zstandard.ZstdDecompressor().stream_reader(data).read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        return tar.extractfile(name).read()


def _with(data: bytes, name: str, content: bytes) -> bytes:
    """The archive with other bytes, as many, in a member."""
    plain = zstandard.ZstdDecompressor().stream_reader(data).read()
    was = _member(data, name)
    assert len(was) == len(content)
    return zstandard.ZstdCompressor().compress(plain.replace(was, content))
