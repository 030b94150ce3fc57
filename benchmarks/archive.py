"""Writing and unpacking an archive of 200,000 files and 2 GB, against what tar, gzip and zstd do.

All read from a page cache that is warm and write to the same disk. Ours hash and check every member.
"""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import metadata_tree
from .figure import Figure, seconds

GROUP = "plex"

_FILES, _FEW_FILES = 200_000, 20_000
_ROUNDS = 3
_GZIP_ROUNDS = 2
_MEGABYTE = 1e6
_CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class _Run:
    """Seconds, and bytes of memory: the sum of the most that each process of it had at any time."""

    seconds: float
    memory: int


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        tree, few = room / "tree", room / "few"
        metadata_tree.make(tree, _FILES)
        metadata_tree.make(few, _FEW_FILES)
        os.sync()
        yield from _export(room, tree, few)
        yield from _import(room)


def _export(room: Path, tree: Path, few: Path) -> Iterator[Figure]:
    ours, gzip, zstd = room / "ours.tar.zst", room / "gzip.tar.gz", room / "zstd.tar.zst"
    with_gzip = f"tar --directory {_q(tree)} --create --gzip --file {_q(gzip)} ."
    with_zstd = f"tar --directory {_q(tree)} --create . | zstd -q -f -T0 -3 -o {_q(zstd)}"
    _ours("write", tree, ours)  # now everything is in the page cache
    runs: list[_Run] = []
    to_gzip, to_zstd = [], []
    for number in range(_ROUNDS):
        runs.append(_ours("write", tree, ours))
        to_zstd.append(runs[-1].seconds / seconds(lambda: _shell(with_zstd)))
        if number < _GZIP_ROUNDS:
            to_gzip.append(seconds(lambda: _shell(with_gzip)) / runs[-1].seconds)
    memory = max(run.memory for run in runs)
    small = max(_ours("write", few, room / "few.tar.zst").memory for _ in range(_ROUNDS))
    what = "export of 200,000 files"
    yield Figure(f"{what}: times as fast as tar czf", statistics.median(to_gzip), "x", ">= 4")
    yield Figure(f"{what}: time against tar | zstd -T0", statistics.median(to_zstd), "x", "<= 1.5")
    yield Figure(f"{what}: size against tar czf", ours.stat().st_size / gzip.stat().st_size, "x", "<= 1")
    yield Figure(f"{what}: memory", memory / _MEGABYTE, "MB", "<= 200")
    yield Figure(f"{what}: memory against 20,000 files", memory / small, "x", "<= 1.1")


def _import(room: Path) -> Iterator[Figure]:
    """Nothing is removed in between: ext4 looks twice at the inodes of files that were just deleted."""
    ratios = []
    for number in range(_ROUNDS):
        theirs = room / f"theirs-{number}"
        theirs.mkdir()
        os.sync()
        ours = _ours("unpack", room / "ours.tar.zst", room / f"ours-{number}").seconds
        os.sync()
        command = f"zstd -q -d -c {_q(room / 'zstd.tar.zst')} | tar --directory {_q(theirs)} --extract"
        ratios.append(ours / seconds(lambda command=command: _shell(command)))  # type: ignore[misc]
    yield Figure(
        "import of 200,000 files, verified: time against zstd -d | tar x",
        statistics.median(ratios),
        "x",
        "<= 1.5",
    )


def _ours(verb: str, source: Path, target: Path) -> _Run:
    command = [sys.executable, "-m", "benchmarks.archive_work", verb, str(source), str(target)]
    most: dict[int, int] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=_CHECKOUT, text=True) as process:
        while process.poll() is None:
            for pid in (process.pid, *_children(process.pid)):
                # The latest counts: before a new process runs its program, it shows its parent's memory.
                most[pid] = _peak(pid) or most.get(pid, 0)
            time.sleep(0.1)
        told = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"{shlex.join(command)} ended with {process.returncode}")
    return _Run(float(told), sum(most.values()))


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _peak(pid: int) -> int:
    """The most memory that a process had, in bytes; 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    told = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(told[0]) * 1024 if told else 0


def _shell(command: str) -> None:
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True, timeout=900)


def _q(path: Path) -> str:
    return shlex.quote(str(path))
