"""How fast an archive of a Plex-like tree is written, against `tar czf` as the original system did it."""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from medialift.foundation.archive import Member, write

from .figure import Figure

_SMALL_FILES = 4000
_DATABASE = 64 * 1024 * 1024


def measure() -> Figure:
    """One database and thousands of small files; each way runs twice and the faster time counts."""
    with tempfile.TemporaryDirectory() as folder:
        tree, out = Path(folder) / "tree", Path(folder) / "archive"
        _make(tree)
        ours = min(_ours(tree, out) for _ in range(2))
        theirs = min(_theirs(tree, out) for _ in range(2))
    return Figure(
        "writing an archive, seconds of tar czf / seconds of ours, every member hashed", ours, theirs
    )


def _make(tree: Path) -> None:
    chance = random.Random(7)  # noqa: S311  (the same tree each time, and no secret)
    words = [f"/library/media/Movies/{chance.randrange(10**6)}" for _ in range(5000)]
    tree.mkdir()
    with (tree / "library.db").open("wb") as database:
        while database.tell() < _DATABASE:
            database.write("\n".join(chance.choices(words, k=5000)).encode())
    for number in range(_SMALL_FILES):
        path = tree / "Metadata" / f"{number % 100:02}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.randrange(2_000, 20_000)))


def _ours(tree: Path, out: Path) -> float:
    began = time.monotonic()
    with out.open("wb") as file:
        write(_members(tree), file, manifest={"format": 1})
    return time.monotonic() - began


def _members(tree: Path) -> Iterator[Member]:
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            facts = path.stat()
            yield Member(path.relative_to(tree).as_posix(), path, facts.st_mode & 0o777, int(facts.st_mtime))


def _theirs(tree: Path, out: Path) -> float:
    began = time.monotonic()
    subprocess.run(["tar", "--directory", str(tree), "-czf", str(out), "."], check=True, timeout=600)
    return time.monotonic() - began
