"""The tree of a folder as text: what a person is shown of a book that is not understood."""

from __future__ import annotations

from collections.abc import Iterator

from medialift.audiobooks.listing import File, Folder, shown
from medialift.audiobooks.natural import natural_key
from medialift.foundation.units import format_size

# Of a folder with hundreds of files the first and last ones tell enough.
_FIRST, _LAST, _LINES = 6, 2, 60


def tree(what: Folder | File) -> str:
    """Names and sizes, at most 60 lines; long runs of files are cut short in the middle."""
    if isinstance(what, File):
        return _line(what)
    lines = [f"{shown(what.path.name)}/", *_lines(what, "  ")]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"  … and {len(lines) - _LINES + 1} more lines"]
    return "\n".join(lines)


def _lines(folder: Folder, indent: str) -> Iterator[str]:
    troubles = {trouble.path: trouble.why for trouble in folder.troubles}
    if folder.path in troubles:
        yield f"{indent}({troubles.pop(folder.path).lower()})"
    for below in sorted(folder.folders, key=lambda one: natural_key(one.path.name)):
        yield f"{indent}{shown(below.path.name)}/"
        yield from _lines(below, indent + "  ")
    files = sorted((*folder.files, *folder.unfinished), key=lambda one: natural_key(one.path.name))
    cut = len(files) - _FIRST - _LAST
    for place, file in enumerate(files):
        if cut > 1 and place == _FIRST:
            yield f"{indent}… {cut} more files"
        if cut <= 1 or place < _FIRST or place >= len(files) - _LAST:
            said = troubles.pop(file.path, "")
            yield f"{indent}{_line(file)}{f' ({said.lower()})' if said else ''}"
    for path, why in troubles.items():
        yield f"{indent}{shown(path.name)} ({why.lower()})"


def _line(file: File) -> str:
    return f"{shown(file.path.name)} ({format_size(file.size)})"
