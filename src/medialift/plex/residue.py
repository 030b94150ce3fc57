"""What is left of old paths in a library: raw, percent-encoded and fully encoded."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from medialift.foundation.sqlite import table_columns
from medialift.plex.database import Database, reading
from medialift.plex.paths import URL_SAFE, separator, url_rest
from medialift.plex.prefix_sql import FILE_URL, bounds, outside, within

# ruff: noqa: S608  every name put into a statement is a constant of this package; values are bound

PATHS = (("section_locations", "root_path"), ("media_parts", "file"))
URLS = (("media_streams", "url"),)
GUIDS = (
    ("metadata_items", "guid"),
    ("metadata_item_settings", "guid"),
    ("metadata_item_views", "guid"),
    ("metadata_item_views", "grandparent_guid"),
)
EXTRA = (
    "media_items",
    "media_parts",
    "media_streams",
    "metadata_items",
    "taggings",
    "metadata_item_settings",
)
_WORD = re.compile("[A-Za-z0-9]+")
_FEW = 3


@dataclass(frozen=True)
class Residue:
    """Rows that still name an old folder, per column.

    Attributes:
        paths: in the columns that the server opens files by: any of these is a fault.
        guids: `file://` guids: a fault where they could have been changed.
        extra: texts of extra_data that mention one; Plex does not open files by them.
    """

    paths: Mapping[str, int] = field(default_factory=dict)
    guids: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """{paths: {column: rows}, guids: {…}, extra: {…}}; columns without a residue are left out."""
        return {"paths": dict(self.paths), "guids": dict(self.guids), "extra": dict(self.extra)}


def residual(database: Database, prefixes: Iterable[str], *, targets: Iterable[str] = ()) -> Residue:
    """Count the rows that still lie below any of `prefixes`.

    Args:
        targets: folders that paths were moved to: what lies in them is at home there, even below an old
            prefix.
    """
    old, new = tuple(prefixes), tuple(targets)
    if not old:
        return Residue()
    with reading(database) as con:
        return Residue(
            paths=_found(
                {f"{table}.{column}": _raw(con, table, column, old, new) for table, column in PATHS}
                | {f"{table}.{column}": _urls(con, table, column, old, new) for table, column in URLS}
            ),
            guids=_found(
                {
                    f"{table}.{column}": _urls(con, table, column, old, new)
                    for table, column in GUIDS
                    if column in table_columns(con, table)
                }
            ),
            extra=_found(
                {
                    f"{table}.extra_data": _mentions(con, table, old, new)
                    for table in EXTRA
                    if "extra_data" in table_columns(con, table)
                }
            ),
        )


def _found(counts: dict[str, int]) -> dict[str, int]:
    return {column: rows for column, rows in counts.items() if rows}


def _raw(con: sqlite3.Connection, table: str, column: str, old: tuple[str, ...], new: tuple[str, ...]) -> int:
    beside, values = outside(column, new, "t")
    parameters = dict(values)
    for number, prefix in enumerate(old):
        parameters |= bounds(prefix, str(number))
    below = " OR ".join(within(column, str(number)) for number in range(len(old)))
    query = f"SELECT count(*) FROM {table} WHERE ({below}) AND {beside}"
    return int(con.execute(query, parameters).fetchone()[0])


def _urls(
    con: sqlite3.Connection, table: str, column: str, old: tuple[str, ...], new: tuple[str, ...]
) -> int:
    return sum(
        1
        for (url,) in con.execute(f"SELECT {column} FROM {table} WHERE {FILE_URL.format(column)}")
        if any(url_rest(url, prefix) is not None for prefix in old)
        and not any(url_rest(url, prefix) is not None for prefix in new)
    )


def _mentions(con: sqlite3.Connection, table: str, old: tuple[str, ...], new: tuple[str, ...]) -> int:
    wanted = {form for prefix in old for form in _forms(prefix)}
    # A target below an old prefix contains it; text that names the target only is no residue.
    hidden = {form for prefix in new for form in _forms(prefix) if any(text in form for text in wanted)}
    parameters: dict[str, str] = {}
    text = "extra_data"
    for number, form in enumerate(sorted(hidden, key=len, reverse=True)):
        text = f"replace({text}, :h{number}, '')"
        parameters[f"h{number}"] = form
    for number, form in enumerate(sorted(wanted)):
        parameters[f"w{number}"] = form
    mentioned = " OR ".join(f"instr({text}, :w{number})" for number in range(len(wanted)))
    # Nearly no extra_data holds a part of a folder's name, or a separator at all: ask for those first.
    words = _common_words(old)
    parameters |= {f"c{number}": word for number, word in enumerate(words)}
    spoken = " OR ".join(f"instr(extra_data, :c{number})" for number in range(len(words))) or "1"
    query = (
        f"SELECT count(*) FROM {table} WHERE extra_data <> '' AND ({spoken}) AND (instr(extra_data, '/') "
        f"OR instr(extra_data, '%2F') OR instr(extra_data, '\\') OR instr(extra_data, '%5C')) "
        f"AND ({mentioned})"
    )
    return int(con.execute(query, parameters).fetchone()[0])


def _common_words(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """Few words of which every folder holds one, as no encoding changes them; none when there are no few.

    Folders of one library mostly share a part (`/library/media/disk01`, `/library/media/disk02`).
    """
    found: list[str] = []
    spelt = {prefix: set(_WORD.findall(prefix)) for prefix in prefixes}
    while spelt:
        in_how_many = Counter(word for words in spelt.values() for word in words)
        if len(found) == _FEW or not all(spelt.values()):
            return ()
        best = max(in_how_many, key=lambda word: (in_how_many[word], len(word), word))
        found.append(best)
        spelt = {prefix: words for prefix, words in spelt.items() if best not in words}
    return tuple(found)


def _forms(prefix: str) -> set[str]:
    """How text may write the folder, its separator behind it."""
    mark = separator(prefix)
    text = (prefix + mark).encode("utf-8", "surrogateescape")
    full = quote(text, safe="")
    return {
        prefix + mark,
        (prefix + mark).replace("\\", "\\\\"),  # a backslash inside JSON
        quote(text, safe=URL_SAFE),
        full,
        full.replace(".", "%2E").replace("-", "%2D").replace("_", "%5F"),
    }
