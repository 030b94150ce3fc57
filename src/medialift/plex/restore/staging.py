"""Unpack an archive beside the library and prove it there, before anything of home's is touched."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medialift.errors import Unsafe
from medialift.foundation import archive
from medialift.foundation.archive import Verified
from medialift.foundation.sqlite import translated
from medialift.plex import database as facts
from medialift.plex import remap
from medialift.plex.data_folder import DATABASES
from medialift.plex.manifest import Manifest, Sidecar
from medialift.plex.paths import PathMap
from medialift.plex.restore import checks
from medialift.plex.restore.layout import LibraryFolder, own, wanted
from medialift.plex.restore.source import ArchiveSource

Integrity = Callable[[Path], Sequence[str]]


@dataclass(frozen=True)
class Staged:
    """An archive unpacked: its folder, what was verified, and its two databases."""

    folder: Path
    verified: Verified

    @property
    def library(self) -> Path:
        return self.folder / DATABASES / facts.LIBRARY

    @property
    def blobs(self) -> Path:
        return self.folder / DATABASES / facts.BLOBS


def unpack(source: ArchiveSource, folder: Path, *, sidecar: Sidecar | None) -> Staged:
    """Unpack what may enter a library, every member verified while it is written.

    Raises:
        Unsafe: the archive is damaged, is not the one described, or has no databases.
    """
    discard(folder)
    with source.open() as stream:
        verified = archive.extract(stream, folder, want=wanted)
    if sidecar is not None:
        if (verified.sha256, verified.bytes) != (sidecar.archive.sha256, sidecar.archive.bytes):
            raise Unsafe(
                "The archive is not the one that was described",
                f"{source.name}: sha256 {verified.sha256}, described is {sidecar.archive.sha256}",
                "Download it again, or use another archive",
            )
        if Manifest.from_dict(verified.manifest) != sidecar.manifest:
            raise Unsafe(
                "The archive's manifest is not the one beside it", source.name, "Use another archive"
            )
    staged = Staged(folder, verified)
    for database in (staged.library, staged.blobs):
        if not database.is_file():
            raise Unsafe(
                "The archive lacks a database", database.name, "Both travel together: use another archive"
            )
        _absorb_log(database)
    return staged


def prove(
    staged: Staged, paths: PathMap, owner: tuple[int, int], integrity: Integrity
) -> tuple[remap.Applied, int]:
    """Map the paths of a staged library, then check both databases as Plex itself would.

    Returns what the remap did, and how many rows with `file://` guids it had to leave as they were.

    Raises:
        Unsafe: schema unknown, databases of two libraries, old paths left, or a damaged database.
    """
    for name, database in (("library", staged.library), ("blobs", staged.blobs)):
        checks.refuse_damage(facts.quick_check(database), name)
    pair = facts.pair(staged.library, staged.blobs)
    checks.refuse_misfit_pair(pair.dangling, pair.vectors_missing, pair.fits)
    plan = remap.plan(staged.library, paths)
    # No backup: the archive is one.
    applied = remap.apply(plan, backup=False)
    own(staged.folder, owner)
    for name, database in (("library", staged.library), ("blobs", staged.blobs)):
        checks.refuse_damage(integrity(database), name)
        _flush(database)
    return applied, plan.guids_left


def discard(folder: Path) -> None:
    """Remove a staging folder and what an interrupted unpacking left beside it."""
    if folder.exists():
        shutil.rmtree(folder)
    if folder.parent.is_dir():
        for rest in folder.parent.glob(f".{folder.name}.*.part"):
            shutil.rmtree(rest)


def discard_all(data: LibraryFolder) -> None:
    """Remove every staging folder: nothing is under way any more."""
    if data.ours.is_dir():
        for folder in (*data.ours.glob("staging-*"), *data.ours.glob(".staging-*.part")):
            shutil.rmtree(folder)


def _absorb_log(database: Path) -> None:
    """Write a database's log into it: only the database itself is brought in."""
    if database.with_name(database.name + "-wal").exists():
        with translated(database):
            con = sqlite3.connect(database)
            try:
                con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                con.close()


def _flush(database: Path) -> None:
    log = database.with_name(database.name + "-wal")
    if log.exists() and log.stat().st_size:
        raise Unsafe("The check left a log beside the database", str(log), "Report this")
    with database.open("rb") as file:
        os.fsync(file.fileno())
