"""An edit applied to a module's text: all of its blocks or none, each at the one place that it names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from itertools import pairwise

from medialift.healing.code.blocks import Block
from medialift.healing.code.refusal import Refused

_MOST_LINES = 120
_HEAD_LINES = 2


def apply(text: str, blocks: Sequence[Block]) -> str:
    """The text with all blocks applied.

    All are looked for in the text as it was, so none finds what another one wrote. Blanks at the ends of
    lines do not count, and neither does an indentation that all lines of a block lack alike.

    Raises:
        Refused: a block is not there, or more than once; two overlap; nothing changes; it is too much.
    """
    lines = text.split("\n")
    spans = sorted((_place(lines, number, block) for number, block in enumerate(blocks, start=1)))
    for (_, end, _), (begin, _, _) in pairwise(spans):
        if begin < end:
            raise Refused("Two blocks of the edit are for the same lines", f"line {begin + 1}")
    changed = list(lines)
    for begin, end, replacement in reversed(spans):
        changed[begin:end] = replacement
    result = "\n".join(changed)
    if result == text:
        raise Refused("The edit changes nothing", f"{len(blocks)} blocks")
    touched = sum(line[0] in "+-" for line in difflib.unified_diff(lines, changed, n=0)) - _HEAD_LINES
    if touched > _MOST_LINES:
        raise Refused("The edit is too large", f"{touched} lines", f"At most {_MOST_LINES}")
    return result


def unified(before: str, after: str, module: str) -> str:
    """What changed, as people read it."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{module}", f"b/{module}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _place(lines: Sequence[str], number: int, block: Block) -> tuple[int, int, list[str]]:
    """(first line, line behind the last, what comes there) of a block."""
    for same in (_alike, _alike_but_for_ends):
        found = _found(lines, block.search, same)
        if len(found) > 1:
            at = ", ".join(str(one + 1) for one in found[:5])
            raise Refused("A block of the edit fits more than one place", f"block {number}: lines {at}")
        if found:
            return found[0], found[0] + len(block.search), list(block.replace)
    return _indented(lines, number, block)


def _indented(lines: Sequence[str], number: int, block: Block) -> tuple[int, int, list[str]]:
    """The place of a block that was written without the indentation that it has there."""
    first = next(line for line in block.search if line.strip())
    found: list[tuple[int, str]] = []
    for begin in range(len(lines) - len(block.search) + 1):
        here = lines[begin : begin + len(block.search)]
        there = next((line for line in here if line.strip()), "")
        lack = there[: max(0, len(_margin(there)) - len(_margin(first)))]
        if lack and [one.rstrip() for one in here] == [_moved(one, lack) for one in block.search]:
            found.append((begin, lack))
    if len(found) != 1:
        why = "fits more than one place" if found else "is not in the module"
        raise Refused(f"A block of the edit {why}", f"block {number}: {first.strip()[:80]}")
    begin, lack = found[0]
    return begin, begin + len(block.search), [_moved(line, lack) for line in block.replace]


def _found(lines: Sequence[str], search: Sequence[str], same: Callable[[str, str], bool]) -> list[int]:
    return [
        begin
        for begin in range(len(lines) - len(search) + 1)
        if all(same(*pair) for pair in zip(lines[begin : begin + len(search)], search, strict=True))
    ]


def _alike(one: str, other: str) -> bool:
    return one == other


def _alike_but_for_ends(one: str, other: str) -> bool:
    return one.rstrip() == other.rstrip()


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]


def _moved(line: str, by: str) -> str:
    return f"{by}{line}".rstrip() if line.strip() else ""
