"""A Plex library of a million items: moving its paths, counting them, and what its sections hold."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from medialift.plex import remap
from medialift.plex.statistics import statistics

from . import plex_library
from .figure import Figure, paired_ratio, seconds

GROUP = "plex"

_PARTS = 1_000_000
_MAPPINGS = {root: f"/srv/cloud/media{number:02d}" for number, root in enumerate(plex_library.ROOTS)}


def measure() -> Iterator[Figure]:
    """One library for all; its files lie in the page cache, on either side of every pair."""
    with tempfile.TemporaryDirectory() as folder:
        library = plex_library.make(Path(folder) / "library.db", _PARTS)
        yield Figure(
            "check mode of a remap, 1,000,000 media_parts, 20 mappings: times one scan of media_parts",
            paired_ratio(
                lambda: seconds(lambda: remap.plan(library, _MAPPINGS)),
                lambda: seconds(lambda: _scan(library, {"media_parts": "file"})),
                warm_ups=1,
            ),
            "x",
            "<= 2",
        )
        # The columns that the statistics need lie no further to the right than these.
        tables = {
            "metadata_items": "deleted_at",
            "media_items": "media_analysis_version",
            "media_parts": "size",
        }
        yield Figure(
            "statistics of the sections, 1,000,000 items with files: times one scan of "
            "metadata_items, media_items and media_parts",
            paired_ratio(
                lambda: seconds(lambda: statistics(library)),
                lambda: seconds(lambda: _scan(library, tables)),
                warm_ups=1,
            ),
            "x",
            "<= 3",
        )
        yield Figure(
            "remap of 1,000,000 media_parts with 20 mappings, its count, its checks and its safety copy "
            "included: times a bare UPDATE of the same rows",
            paired_ratio(lambda: _remap(library, kept=True), lambda: _update(library), pairs=3),
            "x",
            "<= 2",
        )
        yield Figure(
            "the same remap without its safety copy: times a bare UPDATE",
            paired_ratio(lambda: _remap(library, kept=False), lambda: _update(library), pairs=3),
            "x",
            "<= 2",
        )


def _scan(library: Path, columns: dict[str, str]) -> None:
    """Read every row of these tables, up to one column, and do nothing with it."""
    with contextlib.closing(sqlite3.connect(f"{library.as_uri()}?mode=ro&immutable=1", uri=True)) as con:
        for table, column in columns.items():
            con.execute(f"SELECT count({column}) FROM {table} NOT INDEXED").fetchone()  # noqa: S608


def _remap(library: Path, *, kept: bool) -> float:
    with _copy(library) as copy:
        return seconds(lambda: remap.apply(remap.plan(copy, _MAPPINGS), backup=kept))


def _update(library: Path) -> float:
    with _copy(library) as copy:
        return seconds(lambda: _bare_update(copy))


def _bare_update(library: Path) -> None:
    """One transaction, committed and on the disk, with SQLite's own settings."""
    root = plex_library.ROOTS[0]
    with contextlib.closing(sqlite3.connect(library)) as con, con:
        con.execute("UPDATE media_parts SET file = ? || substr(file, ?)", (_MAPPINGS[root], len(root) + 1))


@contextlib.contextmanager
def _copy(library: Path) -> Iterator[Path]:
    """A fresh copy whose bytes are on the disk already: flushing those is part of no measured time."""
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        copy = Path(shutil.copyfile(library, Path(folder) / library.name))
        os.sync()
        yield copy
