"""Move the paths in a library to where the media are now: counted first, then in one pass, then proven.

What changes: section_locations.root_path, media_parts.file, media_streams.url, `file://` guids where the
database allows it, directories.path between Windows and the rest. What never does: hashes of parts, titles,
`plex://` and `local://` guids. Unicode is never normalised.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medialift.errors import Unsafe
from medialift.foundation.atomic import write_json
from medialift.foundation.sqlite import open_readonly, open_writer, table_columns, users
from medialift.foundation.sqlite_copy import copied_meanwhile, empty_log
from medialift.plex import database as facts
from medialift.plex.paths import PathMap
from medialift.plex.prefix_sql import FILE_URL, Prefixes
from medialift.plex.records import last_remap, record_path
from medialift.plex.residue import GUIDS, PATHS, URLS, Residue, residual

# ruff: noqa: S608  every name put into a statement is a constant of this package; values are bound

__all__ = ["Applied", "Change", "RemapPlan", "Residue", "apply", "plan", "residual"]

# The index on the paths is rewritten from end to end: SQLite's own 2 MB would write many pages twice.
_CACHE_KIB = 64 * 1024


@dataclass(frozen=True)
class Change:
    """Rows of one column that move from one folder to another."""

    table: str
    column: str
    old: str
    new: str
    rows: int


@dataclass(frozen=True)
class RemapPlan:
    """What a remap would do.

    Attributes:
        rows: what changes, per column and prefix; nothing with 0 rows.
        guids_left: rows with `file://` guids that stay as they are, since the database has old triggers:
            its Plex would have to change them itself. Plex finds those items again by their files.
        applied_before: this very map was applied already, and a second time would undo or double it.
    """

    database: Path
    paths: PathMap
    triggers: facts.Triggers
    rows: tuple[Change, ...] = ()
    guids_left: int = 0
    applied_before: bool = False

    @property
    def changes(self) -> int:
        """Values that change, over all tables."""
        return sum(change.rows for change in self.rows)

    def diff(self) -> dict[str, str]:
        """{before, after}: one line per column and prefix, for Ansible's diff."""
        return {
            "before": "".join(f"{c.table}.{c.column}: {c.old} ({c.rows})\n" for c in self.rows),
            "after": "".join(f"{c.table}.{c.column}: {c.new} ({c.rows})\n" for c in self.rows),
        }

    def to_dict(self) -> dict[str, Any]:
        """{changes, tables: {"media_parts.file": {old prefix: rows}}, guids_left, triggers}."""
        tables: dict[str, dict[str, int]] = {}
        for change in self.rows:
            tables.setdefault(f"{change.table}.{change.column}", {})[change.old] = change.rows
        return {
            "changes": self.changes,
            "tables": tables,
            "guids_left": self.guids_left,
            "triggers": self.triggers,
        }


@dataclass(frozen=True)
class Applied:
    """What a remap did: `backup` is the library as it was, `record` tells the way back; None: not written."""

    changes: int
    residue: Residue = field(default_factory=Residue)
    backup: Path | None = None
    record: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """{changes, residue, backup, record}."""
        return {
            "changes": self.changes,
            "residue": self.residue.to_dict(),
            "backup": str(self.backup or ""),
            "record": str(self.record or ""),
        }


def plan(database: Path, mappings: Mapping[str, str] | PathMap) -> RemapPlan:
    """Count, per column and prefix, the rows whose path would change.

    A prefix matches whole path components only: `/Media/TV` never touches `/Media/TVShows`.
    All mappings are applied in one pass, longest prefix first, so swaps and chains are safe.

    Raises:
        Permanent: the mappings are wrong, or there is no such database.
        Unsafe: Plex has the database open, or its schema is not one we know.
    """
    database = Path(database)
    paths = PathMap.of(mappings)
    _refuse_users(database)
    with open_readonly(database) as con:
        schema = facts.schema(con)
        empty = RemapPlan(database, paths, schema.triggers)
        if paths.changes_nothing:
            return empty
        if paths.feeds_itself and _was_applied(con, database, paths):
            return RemapPlan(database, paths, schema.triggers, applied_before=True)
        rows = [*_path_changes(con, paths), *_url_changes(con, paths, URLS), *_folder_changes(con, paths)]
        guids = _url_changes(con, paths, GUIDS)
        if schema.triggers == "new":
            return RemapPlan(database, paths, schema.triggers, (*rows, *guids))
        return RemapPlan(database, paths, schema.triggers, tuple(rows), sum(c.rows for c in guids))


def apply(plan: RemapPlan, *, backup: bool = True, clock: Callable[[], float] = time.time) -> Applied:
    """Do what the plan counted: all of it in one transaction, or nothing.

    Beside the database are written a copy of it as it was (`….before-remap-<UTC time>`), unless `backup`
    is off, and `….remap.json` with the map, its inverse and the name of that copy. The copy is on the disk
    before anything is committed; if nothing is, there is none.

    Raises:
        Unsafe: Plex has the database open, it is not the one that was planned for any more, or old paths
            would be left behind. Nothing was changed.
        Permanent: the copy cannot be written. Nothing was changed.
    """
    database, paths = plan.database, plan.paths
    if not plan.changes:
        return Applied(0)
    _refuse_users(database)
    moment = time.gmtime(clock())
    copy = database.with_name(f"{database.name}.before-remap-{time.strftime('%Y%m%dT%H%M%SZ', moment)}")
    if backup:
        empty_log(database)
    with open_writer(database) as con:
        con.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        con.create_function("map_url", 1, paths.map_url, deterministic=True)
        kept = copied_meanwhile(con, database, copy) if backup else nullcontext()
        with kept, _moved_bundles(con, plan):
            done = _move(con, "media_parts", "file", paths)
            done += _update_urls(con, URLS)
            done += _update_folders(con, paths)  # finds its sections by their roots, so before those move
            done += _move(con, "section_locations", "root_path", paths)
            if plan.triggers == "new":
                done += _update_guids(con)
            if done != plan.changes:
                raise Unsafe(
                    f"The library changed since it was counted ({plan.changes} values then, {done} now)",
                    str(database),
                    "Stop Plex and start again",
                )
            left = residual(con, paths.olds, targets=paths.news)
            faults = {**left.paths, **(left.guids if plan.triggers == "new" else {})}
            if faults:
                raise Unsafe(
                    "Old paths would be left behind",
                    ", ".join(f"{column}: {rows}" for column, rows in faults.items()),
                    "Nothing was changed; report this with the map",
                )
            record = record_path(database)
            # Before the commit: if the commit fails, the record's locations do not match and it is ignored.
            write_json(
                record,
                {
                    "applied": time.strftime("%Y-%m-%dT%H:%M:%SZ", moment),
                    "forward": paths.to_dict(),
                    "inverse": paths.inverse().to_dict(),
                    "changes": done,
                    "backup": copy.name if backup else "",
                    "locations": _locations(con),
                },
            )
    return Applied(done, left, copy if backup else None, record)


def _refuse_users(database: Path) -> None:
    who = users(database)
    if who:
        raise Unsafe("The library is open in another program", ", ".join(who), "Stop Plex first")


def _locations(con: sqlite3.Connection) -> list[str]:
    return [row[0] for row in con.execute("SELECT root_path FROM section_locations ORDER BY id")]


def _was_applied(con: sqlite3.Connection, database: Path, paths: PathMap) -> bool:
    last = last_remap(database)
    return last is not None and last["forward"] == paths.to_dict() and last["locations"] == _locations(con)


def _path_changes(con: sqlite3.Connection, paths: PathMap) -> Iterator[Change]:
    for table, column in PATHS:
        for number, rows in _count(con, table, column, paths).items():
            line = paths.lines[number]
            if rows and line.old != line.new:
                yield Change(table, column, line.old, line.new, rows)


def _count(con: sqlite3.Connection, table: str, column: str, paths: PathMap) -> dict[int, int]:
    """Rows per line of the map: {number of the line: rows}."""
    prefixes = Prefixes.of(column, paths)
    if not _is_indexed(con, table, column):
        query = f"SELECT {prefixes.which()} AS line, count(*) FROM {table} GROUP BY line"
        counted = dict(con.execute(query, prefixes.bound).fetchall())
        return {number: counted.get(number, 0) for number in range(len(paths.lines))}
    # With an index each line costs two small ranges of it. A shorter prefix covers the longer ones inside.
    covered = [
        con.execute(
            f"SELECT count(*) FROM {table} WHERE {prefixes.matches(number)}",
            {name: prefixes.bound[name] for name in (f"o{number}", f"s{number}", f"e{number}")},
        ).fetchone()[0]
        for number in range(len(paths.lines))
    ]
    own: dict[int, int] = {}
    for number, line in enumerate(paths.lines):
        inner = [other for other in range(number) if line.rest(paths.lines[other].old) is not None]
        outermost = [
            other
            for other in inner
            if not any(
                between != other and paths.lines[between].rest(paths.lines[other].old) is not None
                for between in inner
            )
        ]
        own[number] = covered[number] - sum(covered[other] for other in outermost)
    return own


def _is_indexed(con: sqlite3.Connection, table: str, column: str) -> bool:
    return (
        con.execute(
            "SELECT 1 FROM pragma_index_list(?) AS list, pragma_index_info(list.name) AS info "
            "WHERE info.seqno = 0 AND info.name = ? AND NOT list.partial",
            (table, column),
        ).fetchone()
        is not None
    )


def _url_changes(
    con: sqlite3.Connection, paths: PathMap, columns: tuple[tuple[str, str], ...]
) -> list[Change]:
    counts: dict[tuple[str, str, str, str], int] = {}
    for table, column in columns:
        if column not in table_columns(con, table):
            continue
        for (url,) in con.execute(f"SELECT {column} FROM {table} WHERE {FILE_URL.format(column)}"):
            line = paths.find_url(url)
            if line is not None and paths.map_url(url) != url:
                key = (table, column, line.old, line.new)
                counts[key] = counts.get(key, 0) + 1
    return [Change(*key, rows) for key, rows in counts.items()]


def _folder_changes(con: sqlite3.Connection, paths: PathMap) -> Iterator[Change]:
    for sections, old, new in _turned(con, paths):
        marks = ", ".join("?" for _ in sections)
        rows = con.execute(
            f"SELECT count(*) FROM directories WHERE library_section_id IN ({marks}) AND instr(path, ?)",
            (*sections, old),
        ).fetchone()[0]
        if rows:
            yield Change("directories", "path", old, new, rows)


def _turned(con: sqlite3.Connection, paths: PathMap) -> list[tuple[tuple[int, ...], str, str]]:
    """Sections that go from Windows to the rest or back: [(their ids, old separator, new separator)]."""
    found: dict[tuple[str, str], set[int]] = {}
    for section, root in con.execute("SELECT library_section_id, root_path FROM section_locations"):
        line = paths.find(root)
        if line is not None and line.old_separator != line.new_separator:
            found.setdefault((line.old_separator, line.new_separator), set()).add(section)
    return [(tuple(sorted(sections)), old, new) for (old, new), sections in found.items()]


def _move(con: sqlite3.Connection, table: str, column: str, paths: PathMap) -> int:
    prefixes = Prefixes.of(column, paths)
    return con.execute(
        f"UPDATE {table} SET {column} = {prefixes.mapped()} WHERE {prefixes.moves()}", prefixes.bound
    ).rowcount


def _update_folders(con: sqlite3.Connection, paths: PathMap) -> int:
    done = 0
    for sections, old, new in _turned(con, paths):
        marks = ", ".join("?" for _ in sections)
        done += con.execute(
            "UPDATE directories SET path = replace(path, ?, ?) "
            f"WHERE library_section_id IN ({marks}) AND instr(path, ?)",
            (old, new, *sections, old),
        ).rowcount
    return done


def _update_urls(con: sqlite3.Connection, columns: tuple[tuple[str, str], ...]) -> int:
    return sum(
        con.execute(
            f"UPDATE {table} SET {column} = map_url({column}) "
            f"WHERE {FILE_URL.format(column)} AND map_url({column}) <> {column}"
        ).rowcount
        for table, column in columns
        if column in table_columns(con, table)
    )


def _update_guids(con: sqlite3.Connection) -> int:
    # An item's hash is the SHA1 of its guid and names its bundle: both change, or neither.
    con.create_function("sha1", 1, _sha1, deterministic=True)
    con.execute(
        "UPDATE metadata_items SET hash = sha1(map_url(guid)) "
        f"WHERE {FILE_URL.format('guid')} AND map_url(guid) <> guid AND hash = sha1(guid)"
    )
    return _update_urls(con, GUIDS)


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


@contextmanager
def _moved_bundles(con: sqlite3.Connection, plan: RemapPlan) -> Iterator[None]:
    """Rename the metadata bundles of items whose guid changes; back again when the block fails."""
    moved: list[tuple[Path, Path]] = []
    try:
        for old, new in _bundles(con, plan):
            new.parent.mkdir(parents=True, exist_ok=True)
            old.rename(new)
            moved.append((old, new))
        yield
    except BaseException:
        for old, new in reversed(moved):
            new.rename(old)
        raise


def _bundles(con: sqlite3.Connection, plan: RemapPlan) -> list[tuple[Path, Path]]:
    folder = plan.database.parent
    metadata = folder.parent.parent / "Metadata"
    if plan.triggers != "new" or folder.name != "Databases" or not metadata.is_dir():
        return []
    found = []
    for (guid,) in con.execute(f"SELECT guid FROM metadata_items WHERE {FILE_URL.format('guid')}").fetchall():
        before, after = _sha1(guid), _sha1(plan.paths.map_url(guid))
        if before == after:
            continue
        for kind in metadata.iterdir():
            old = kind / before[0] / f"{before[1:]}.bundle"
            new = kind / after[0] / f"{after[1:]}.bundle"
            if old.is_dir() and not new.exists():
                found.append((old, new))
    return found
