"""Hashing book files: as fast as OpenSSL's own program."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from medialift.books.hashing import hash_file

from .figure import Figure, paired_ratio, seconds

GROUP = "books"

# As books are: many small ones, and one in a hundred full of pictures.
_SIZES = [400_000] * 396 + [60_000_000] * 4


def measure() -> Iterator[Figure]:
    """The files lie in the page cache, on either side of every pair."""
    with tempfile.TemporaryDirectory() as folder:
        files = _make(Path(folder))
        yield Figure(
            "hashing 400 book files, 398 MB: rate compared with `openssl dgst -sha1` on them",
            100 * paired_ratio(lambda: seconds(lambda: _openssl(files)), lambda: _ours(files), warm_ups=1),
            "%",
            ">= 80",
        )


def _make(folder: Path) -> list[Path]:
    content = os.urandom(max(_SIZES))
    files = []
    for number, size in enumerate(_SIZES):
        file = folder / f"{number}.epub"
        file.write_bytes(content[:size])
        files.append(file)
    os.sync()
    return files


def _openssl(files: list[Path]) -> None:
    program = shutil.which("openssl") or "openssl"
    subprocess.run([program, "dgst", "-sha1", *files], check=True, stdout=subprocess.DEVNULL)


def _ours(files: list[Path]) -> float:
    return seconds(lambda: [hash_file(file) for file in files])
