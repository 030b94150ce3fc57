"""How fast an archive of a Plex-like tree is written, against `tar czf` as the original system did it."""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from medialift.foundation.archive import Member, write

from .figure import Figure, paired_ratio, seconds

GROUP = "plex"

_SMALL_FILES = 4000
_DATABASE = 64 * 1024 * 1024


def measure() -> Iterator[Figure]:
    """One database and thousands of small files."""
    with tempfile.TemporaryDirectory() as folder:
        tree, out = Path(folder) / "tree", Path(folder) / "archive"
        _make(tree)
        ratio = paired_ratio(
            lambda: seconds(lambda: _theirs(tree, out)), lambda: seconds(lambda: _ours(tree, out)), pairs=2
        )
    yield Figure("writing an archive, every member hashed: times as fast as tar czf", ratio, "x", ">= 4")


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


def _ours(tree: Path, out: Path) -> None:
    with out.open("wb") as file:
        write(_members(tree), file, manifest={"format": 1})


def _members(tree: Path) -> Iterator[Member]:
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            facts = path.stat()
            yield Member(path.relative_to(tree).as_posix(), path, facts.st_mode & 0o777, int(facts.st_mtime))


def _theirs(tree: Path, out: Path) -> None:
    subprocess.run(["tar", "--directory", str(tree), "-czf", str(out), "."], check=True, timeout=600)
