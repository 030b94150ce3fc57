"""A Plex data folder of the right size and mix: a database, XML, and artwork that no coder makes smaller."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

from medialift.plex.data_folder import DataFolder

_FILES_OF_A_BUNDLE = 8
_DATABASE_OF_A_FILE = 1000
# Artwork is cut from this noise in turn: what repeats lies further back than any window of zstd or gzip.
_NOISE = 64 << 20
# The quantisation and Huffman tables that stand at the head of every JPEG.
_JPEG_HEAD = 600
_AGENTS = ("_combined", "tv.plex.agents.movie")


def make(folder: Path, files: int) -> DataFolder:
    """Make `files` metadata files of ten kilobytes on average, and a database of a kilobyte for each."""
    chance = random.Random(7)  # noqa: S311  (the same tree each time, and no secret)
    data = DataFolder(folder)
    data.databases.mkdir(parents=True)
    _database(data.library, files * _DATABASE_OF_A_FILE, chance)
    _database(data.blobs, 1 << 20, chance)
    people = [
        f'<Person name="Actor {chance.randrange(9999)}" photo="https://metadata.example/people/'
        f'{chance.randbytes(12).hex()}.jpg"/>\n'
        for _ in range(3000)
    ]
    artwork = _artwork(chance)
    for number in range(files // _FILES_OF_A_BUNDLE):
        name = hashlib.sha256(b"%d" % number).hexdigest()[:40]
        contents = folder / f"Metadata/Movies/{name[0]}/{name[1:]}.bundle/Contents"
        for agent in _AGENTS:
            for kind in ("posters", "art"):
                (contents / agent / kind).mkdir(parents=True)
            xml = "".join(chance.choices(people, k=chance.randrange(10, 60)))
            (contents / agent / "Info.xml").write_text(xml)
            for kind in ("posters", "posters", "art"):
                key = f"tv.plex.agents.movie_{chance.randbytes(20).hex()}"
                (contents / agent / kind / key).write_bytes(next(artwork))
    return data


def _database(path: Path, size: int, chance: random.Random) -> None:
    words = [f"/library/media/Movies/{chance.randrange(10**6)}" for _ in range(5000)]
    with path.open("wb") as file:
        while file.tell() < size:
            file.write("\n".join(chance.choices(words, k=5000)).encode())


def _artwork(chance: random.Random) -> Iterator[bytes]:
    head = chance.randbytes(_JPEG_HEAD)
    noise = b"".join(chance.randbytes(1 << 20) for _ in range(_NOISE >> 20))
    for start in itertools.count():
        at = start % 4096
        while True:
            size = int(min(80_000, max(2_000, chance.lognormvariate(9.2, 0.6))))
            if at + size > _NOISE:
                break
            yield head + noise[at : at + size]
            at += size
