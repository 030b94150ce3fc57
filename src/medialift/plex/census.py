"""Who was there before a run: every living item with its files, kept in a file of the run's own.

A run that was cut short and is started again still compares with what was there before it first began: what
its first half took away must not pass for something that was never there.
"""

# ruff: noqa: S608  every text put into a statement is a constant of this file; values are bound

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from medialift.errors import Permanent
from medialift.foundation.sqlite import open_readonly, text, translated
from medialift.plex.database import LEAF_TYPES
from medialift.plex.server import Section

# A part lives while it, its media and its item do. Plex marks all three, though not in one moment.
_LIVING = (
    "FROM media_parts p JOIN media_items m ON m.id = p.media_item_id "
    "JOIN metadata_items i ON i.id = m.metadata_item_id "
    "WHERE p.deleted_at IS NULL AND m.deleted_at IS NULL AND i.deleted_at IS NULL AND p.file <> ''"
)


@dataclass(frozen=True)
class LostItem:
    """A movie, episode, track or photo that lived before and does not now.

    Attributes:
        section: its section's key.
        files: the files that it had and that are not in another item now.
        merged: a part of it lives on, in another item: Plex took two for one.
    """

    id: int
    section: str
    title: str
    files: tuple[str, ...]
    merged: bool = False


@dataclass(frozen=True)
class LostPart:
    """A file of an item that lives on, or of one that is no leaf (a trailer); no living part has it now."""

    section: str
    title: str
    file: str


@dataclass(frozen=True)
class Losses:
    """All that lived before and does not now."""

    items: tuple[LostItem, ...] = ()
    parts: tuple[LostPart, ...] = ()

    def files(self) -> Iterator[str]:
        """Every file that something was lost for."""
        for item in self.items:
            yield from item.files
        for part in self.parts:
            yield part.file


@dataclass(frozen=True)
class Census:
    """The living of one moment, in a file."""

    file: Path

    def take(self, database: Path, sections: Iterable[Section]) -> None:
        """Write down who lives now, besides those that were written down before.

        Costs one pass over the library and a file of about a tenth of its size.

        Raises:
            Transient, Permanent: the database could not be read, or the file not be written. That is an
                error, and never an empty library.
        """
        beside = self.file.with_name(self.file.name + ".new")
        beside.unlink(missing_ok=True)
        if self.file.is_file():
            shutil.copyfile(self.file, beside)
        with _writing(beside) as out, open_readonly(database) as con:
            out.execute(
                "CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, section TEXT, kind INTEGER, "
                "title BLOB)"
            )
            out.execute(
                "CREATE TABLE IF NOT EXISTS part (id INTEGER PRIMARY KEY, item INTEGER, section TEXT, "
                "title BLOB, file BLOB)"
            )
            for section in sections:
                if section.type not in LEAF_TYPES:
                    continue
                kind = LEAF_TYPES[section.type]
                out.executemany(
                    "INSERT OR IGNORE INTO item VALUES (?, ?, ?, ?)",
                    (
                        (row[0], section.key, kind, _bytes(row[1]))
                        for row in con.execute(
                            "SELECT id, title FROM metadata_items "
                            "WHERE library_section_id = ? AND metadata_type = ? AND deleted_at IS NULL",
                            (int(section.key), kind),
                        )
                    ),
                )
                out.executemany(
                    "INSERT OR IGNORE INTO part VALUES (?, ?, ?, ?, ?)",
                    (
                        (row[0], row[1], section.key, _bytes(row[2]), _bytes(row[3]))
                        for row in con.execute(
                            f"SELECT p.id, i.id, i.title, p.file {_LIVING} AND m.library_section_id = ?",
                            (int(section.key),),
                        )
                    ),
                )
            out.execute("CREATE INDEX IF NOT EXISTS part_item ON part (item)")
        beside.rename(self.file)

    def forget(self) -> None:
        """The run has ended and told what it found."""
        self.file.unlink(missing_ok=True)

    def counts(self) -> Counter[str]:
        """How many items each section had, by its key."""
        with open_readonly(self.file) as con:
            return Counter(
                dict(con.execute("SELECT section, count(*) FROM item GROUP BY section").fetchall())
            )

    def parts(self) -> set[int]:
        """The ids of all files' rows."""
        with open_readonly(self.file) as con:
            return {row[0] for row in con.execute("SELECT id FROM part")}

    def losses(self, database: Path) -> Losses:
        """Who lived then and does not now. Rows that are gone altogether count, as those marked deleted do.

        Raises:
            Transient, Permanent: a database could not be read.
        """
        with open_readonly(database) as con:
            con.execute("ATTACH ? AS census", (f"{self.file.absolute().as_uri()}?mode=ro&immutable=1",))
            items = con.execute(
                "SELECT c.id, c.section, c.title FROM census.item c "
                "LEFT JOIN metadata_items i ON i.id = c.id "
                "WHERE i.id IS NULL OR i.deleted_at IS NOT NULL OR i.metadata_type <> c.kind "
                "OR i.library_section_id IS NOT CAST(c.section AS INTEGER) ORDER BY c.id"
            ).fetchall()
            lost = {row[0] for row in items}
            files: dict[int, list[str]] = {}
            parts = []
            for item, section, title, file in con.execute(
                "SELECT c.item, c.section, c.title, c.file FROM census.part c "
                f"WHERE c.id NOT IN (SELECT p.id {_LIVING}) ORDER BY c.id"
            ):
                name = text(file)
                if item in lost:
                    files.setdefault(item, []).append(name)
                else:
                    parts.append((section, text(title), name))
            merged = {
                item
                for item in lost
                if con.execute(
                    f"SELECT 1 FROM census.part c WHERE c.item = ? AND c.id IN "
                    f"(SELECT p.id {_LIVING} AND p.id = c.id)",
                    (item,),
                ).fetchone()
            }
            # A file that another part has by now, such as one that Plex read anew, is not lost.
            wanted = {name for _, _, name in parts}
            held = (
                {row[0] for row in con.execute(f"SELECT p.file {_LIVING}") if row[0] in wanted}
                if wanted
                else set()
            )
        return Losses(
            tuple(
                LostItem(item, section, text(title), tuple(files.get(item, ())), item in merged)
                for item, section, title in items
            ),
            tuple(LostPart(section, title, name) for section, title, name in parts if name not in held),
        )


def living_items(database: Path, sections: Iterable[Section]) -> Counter[str]:
    """How many items of each section are not marked deleted: movies, episodes, tracks, photos; by its key.

    Raises:
        Transient, Permanent: the database could not be read. That is an error, and never an empty library.
    """
    with open_readonly(database) as con:
        return Counter(
            {
                section.key: con.execute(
                    "SELECT count(*) FROM metadata_items "
                    "WHERE library_section_id = ? AND metadata_type = ? AND deleted_at IS NULL",
                    (int(section.key), LEAF_TYPES[section.type]),
                ).fetchone()[0]
                for section in sections
                if section.type in LEAF_TYPES
            }
        )


def living_files(database: Path, section: str = "", root: str = "", at_most: int = -1) -> list[str]:
    """Files of the living, of one section or below one folder: all of them, or `at_most` at random.

    Raises:
        Transient, Permanent: the database could not be read.
    """
    where, values = "", list[str | int]()
    if section:
        where += " AND m.library_section_id = ?"
        values += [int(section)]
    if root:
        # By comparison, never by pattern: a name may hold anything.
        where += " AND p.file >= ? AND p.file < ?"
        values += [f"{root}/", f"{root}0"]
    order = " ORDER BY random() LIMIT ?" if at_most >= 0 else ""
    with open_readonly(database) as con:
        return [
            row[0]
            for row in con.execute(
                f"SELECT p.file {_LIVING}{where}{order}",
                (*values, at_most) if at_most >= 0 else values,
            )
        ]


def _bytes(name: str | None) -> bytes:
    # Names are kept as bytes: one that is not UTF-8 would not go back in as text.
    return (name or "").encode("utf-8", "surrogateescape")


@contextmanager
def _writing(file: Path) -> Iterator[sqlite3.Connection]:
    with translated(file):
        con = sqlite3.connect(file, isolation_level=None)
        try:
            con.text_factory = text
            # It is renamed when it is whole: a torn one is never read.
            con.execute("PRAGMA journal_mode = OFF")
            con.execute("BEGIN")
            yield con
            con.execute("COMMIT")
        except sqlite3.OperationalError as error:
            with suppress(OSError):
                file.unlink()
            raise Permanent("Who is in the library cannot be written down", str(file), str(error)) from error
        finally:
            con.close()
