"""Folder prefixes as SQL that compares bytes: whole folder names, no LIKE, no REPLACE.

`LIKE` takes `_` and `%` for wildcards and ignores case, `REPLACE` also rewrites what merely contains the
folder. A range does neither, can use an index, and costs no copy of the text: everything below `/a` lies
from `/a/` up to, not including, `/a0`, since `0` follows `/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

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
        return values | {f"p{number}": point for number, (point, _) in enumerate(self._segments)}

    def matches(self, number: int) -> str:
        """Condition: line `number` covers the column, itself or by what lies below."""
        return within(self.column, str(number))

    def which(self) -> str:
        """Number of the line that decides, or -1."""
        return self._decide(lambda number: "-1" if number is None else str(number))

    def moves(self) -> str:
        """Condition: the column would change. A line that maps a folder to itself shields it."""
        return self._decide(
            lambda number: str(int(number is not None and self.lines[number].old != self.lines[number].new))
        )

    def mapped(self) -> str:
        """What the column becomes."""
        return self._decide(self._moved)

    def _moved(self, number: int | None) -> str:
        if number is None:
            return self.column
        line = self.lines[number]
        rest = f"substr({self.column}, :a{number})"
        if line.old_separator != line.new_separator:
            rest = f"replace({rest}, '{line.old_separator}', '{line.new_separator}')"
        return f":n{number} || {rest}"

    def _decide(self, leaf: Callable[[int | None], str]) -> str:
        """A binary search among the segments, as nested CASEs: 20 lines cost six comparisons, not forty."""

        def tree(low: int, high: int) -> str:
            if high - low == 1:
                return leaf(self._segments[low][1]) if low >= 0 else leaf(None)
            middle = (low + high) // 2
            less, more = tree(low, middle), tree(middle, high)
            return (
                less if less == more else f"CASE WHEN {self.column} < :p{middle} THEN {less} ELSE {more} END"
            )

        # An empty or missing path is below every point, but NULL compares to nothing: settle it first.
        return f"CASE WHEN {self.column} IS NULL THEN {leaf(None)} ELSE {tree(-1, len(self._segments))} END"

    @cached_property
    def _segments(self) -> tuple[tuple[str, int | None], ...]:
        """All texts in order of their bytes, cut where another line begins to decide: (first text, line)."""
        points: set[str] = set()
        for line in self.lines:
            mark = line.old_separator
            # The folder itself (its successor ends that) and all that lies below it.
            points |= {line.old, line.old + "\0", line.old + mark, line.old + chr(ord(mark) + 1)}
        ordered = sorted(points, key=lambda text: text.encode("utf-8", "surrogateescape"))
        return tuple((point, self._decides(point)) for point in ordered)

    def _decides(self, path: str) -> int | None:
        return next((n for n, line in enumerate(self.lines) if line.rest(path) is not None), None)


def within(column: str, name: str) -> str:
    """Condition on the parameters of `bounds(…, name)`: the column is that folder or lies below it."""
    return f"({column} = :o{name} OR ({column} >= :s{name} AND {column} < :e{name}))"


def bounds(prefix: str, name: str) -> Mapping[str, str]:
    """Parameters for `within`."""
    mark = separator(prefix)
    return {f"o{name}": prefix, f"s{name}": prefix + mark, f"e{name}": prefix + chr(ord(mark) + 1)}


def outside(column: str, prefixes: Iterable[str], name: str) -> tuple[str, Mapping[str, str]]:
    """Condition and parameters: the column lies in none of these folders."""
    conditions: list[str] = ["1"]
    values: dict[str, str] = {}
    for number, prefix in enumerate(prefixes):
        conditions.append(f"NOT {within(column, f'{name}{number}')}")
        values.update(bounds(prefix, f"{name}{number}"))
    return "(" + " AND ".join(conditions) + ")", values
