"""Folder prefixes as SQL that compares bytes: whole folder names, no LIKE, no REPLACE.

`LIKE` takes `_` and `%` for wildcards and ignores case, `REPLACE` also rewrites what merely contains the
folder. A range does neither, can use an index, and costs no copy of the text: everything below `/a` lies
from `/a/` up to, not including, `/a0`, since `0` follows `/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from medialift.plex.paths import Mapped, PathMap, separator

FILE_URL = "{0} >= 'file://' AND {0} < 'file:/0'"
"""Condition on a column: it holds a `file://` url."""


@dataclass(frozen=True)
class Prefixes:
    """SQL for the lines of a path map over one column; `bound` holds the values of its parameters."""

    column: str
    lines: tuple[Mapped, ...]

    @classmethod
    def of(cls, column: str, paths: PathMap) -> Prefixes:
        return cls(column, paths.lines)

    @property
    def bound(self) -> Mapping[str, str | int]:
        values: dict[str, str | int] = {}
        for number, line in enumerate(self.lines):
            values |= {
                **bounds(line.old, str(number)),
                f"n{number}": line.new,
                f"a{number}": len(line.old) + 1,
            }
        return values

    def matches(self, number: int) -> str:
        """Condition: line `number` covers the column, itself or by what lies below."""
        return within(self.column, str(number))

    def which(self) -> str:
        """Number of the line that decides, or -1. The longest prefix comes first."""
        cases = " ".join(f"WHEN {self.matches(n)} THEN {n}" for n in range(len(self.lines)))
        return f"CASE {cases} ELSE -1 END"

    def moves(self) -> str:
        """Condition: the column would change."""
        if all(line.old != line.new for line in self.lines):
            return "(" + " OR ".join(self.matches(n) for n in range(len(self.lines))) + ")"
        # A line that maps a folder to itself shields it from the broader line behind it.
        cases = " ".join(
            f"WHEN {self.matches(n)} THEN {int(line.old != line.new)}" for n, line in enumerate(self.lines)
        )
        return f"CASE {cases} ELSE 0 END"

    def mapped(self) -> str:
        """What the column becomes."""
        cases = []
        for number, line in enumerate(self.lines):
            rest = f"substr({self.column}, :a{number})"
            if line.old_separator != line.new_separator:
                rest = f"replace({rest}, '{line.old_separator}', '{line.new_separator}')"
            cases.append(f"WHEN {self.matches(number)} THEN :n{number} || {rest}")
        return f"CASE {' '.join(cases)} ELSE {self.column} END"


def within(column: str, name: str) -> str:
    """Condition on the parameters of `bounds(…, name)`: the column is that folder or lies below it."""
    return f"({column} = :o{name} OR ({column} >= :s{name} AND {column} < :e{name}))"


def bounds(prefix: str, name: str) -> Mapping[str, str]:
    """Parameters for `within`."""
    mark = separator(prefix)
    return {f"o{name}": prefix, f"s{name}": prefix + mark, f"e{name}": prefix + chr(ord(mark) + 1)}


def outside(column: str, prefixes: Iterable[str], name: str) -> tuple[str, Mapping[str, str]]:
    """Condition and parameters: the column lies in none of these folders."""
    conditions, values = ["1"], {}
    for number, prefix in enumerate(prefixes):
        conditions.append(f"NOT {within(column, f'{name}{number}')}")
        values.update(bounds(prefix, f"{name}{number}"))
    return "(" + " AND ".join(conditions) + ")", values
