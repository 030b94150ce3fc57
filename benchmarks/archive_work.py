"""One export or import in a process of its own, so that its memory is its own: prints its seconds.

`python -m benchmarks.archive_work write DATA ARCHIVE` or `unpack ARCHIVE FOLDER`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from medialift.errors import Unsafe
from medialift.foundation import archive
from medialift.foundation.archive import Member
from medialift.plex.data_folder import BLOBS_NAME, CONTENTS, LIBRARY_NAME, DataFolder, forbidden
from medialift.plex.restore import staging
from medialift.plex.restore.source import ArchiveSource

from .figure import seconds


def main(verb: str, source: Path, target: Path) -> None:
    work = {"write": _write, "unpack": _unpack}[verb]
    print(seconds(lambda: work(source, target)))


def _write(source: Path, target: Path) -> None:
    with target.open("wb") as out:
        archive.write(_members(DataFolder(source)), out, manifest={"format": 1})


def _members(data: DataFolder) -> Iterator[Member]:
    # As an export does it, the second look at each name included.
    yield Member(LIBRARY_NAME, data.library)
    yield Member(BLOBS_NAME, data.blobs)
    for member in data.members(CONTENTS):
        if forbidden(member.name):
            raise Unsafe("A file that must stay with its server was about to be exported", member.name)
        yield member


def _unpack(source: Path, target: Path) -> None:
    staging.unpack(ArchiveSource.at(source), target, sidecar=None)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
