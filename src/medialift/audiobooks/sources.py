"""What becomes of a book's sources: a copy before anything, and archived, deleted or kept when it is proven.

Nothing is removed here unless it is still what the book was made of: a file that was changed or added while
the book was converted is never archived or deleted. Of a link only the link is ever moved or removed, never
what it leads to.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from medialift.audiobooks import inbox, listing, moving
from medialift.audiobooks.book import Book, Structure
from medialift.audiobooks.listing import Folder, Reading, shown
from medialift.errors import Transient
from medialift.foundation.units import format_size
from medialift.settings import AudiobooksSettings

_log = logging.getLogger(__name__)
# File systems of cameras and sticks keep times in steps of two seconds.
_TIMES_DIFFER_NS = 2_000_000_000
# With `delete`, what says something only of the files that go; all else (a PDF, a bonus) is archived.
_GOES_TOO = frozenset({
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".txt", ".nfo", ".cue", ".opf", ".xml",
    ".json", ".yml", ".yaml", ".m3u", ".m3u8", ".pls", ".log", ".md5", ".sfv", ".sha256", ".url", ".lnk",
    ".html", ".htm", ".ini", ".db", ".torrent", ".lrc",
})  # fmt: skip


def back_up(book: Book, settings: AudiobooksSettings) -> Path | None:
    """Copy the sources to the backup folder, proven; where the copy is, None when none is wanted.

    A copy that is there from an earlier try is taken as it is; another book of that name gets a number.

    Raises:
        Transient: there is not enough room; the sources changed meanwhile.
        OSError: as the file systems say.
    """
    if not settings.backup:
        return None
    target = settings.backup_folder / _place(book, settings)
    if (there := _earlier(target, book, times=True)) is not None:
        return there
    target.parent.mkdir(parents=True, exist_ok=True)
    _room(settings.backup_folder, _bytes(book), settings.free_space)
    if book.structure is Structure.STANDALONE:
        copies = [moving.copy(path, target.with_name(path.name)) for path in _files(book)]
        return copies[0]
    return moving.copy(book.root, target, skip=inbox.reading(settings).ignores)


def complete(book: Book, settings: AudiobooksSettings, key: str = "") -> str:
    """Archive, delete or keep the sources of a book that is proven; where they are now, "" when deleted.

    May be called again after a crash at any point. Folders above the book that are empty then are removed,
    never the inbox itself. With `delete`, what is no part of the book and may be of use (a PDF, a bonus) is
    archived.

    Args:
        key: of the order, for the log.

    Raises:
        Transient: a source was changed, added or taken away since the book was found: nothing is removed.
        OSError: as the file systems say.
    """
    if settings.on_complete == "keep":
        return str(book.root)
    target = settings.archive / _place(book, settings)
    moving.resume(book.root)
    if not _there(book.root):
        found = _earlier(target, book, times=False)
        _log.info("the sources of %s (%s) had left already: %s", book.key, key, found or "deleted")
        return "" if found is None else str(found)
    if _below_a_link(book, settings):
        _log.warning("the sources of %s stay: they lie below a link", book.key)
        return str(book.root)
    check(book, settings)
    try:
        if settings.on_complete == "archive":
            return str(_archived(book, target, settings))
        return _deleted(book, target, settings)
    finally:
        moving.remove_empty(book.root.parent, up_to=_top(book, settings))


def check(book: Book, settings: AudiobooksSettings) -> None:
    """See that the sources are what they were when the book was found.

    Raises:
        Transient: they are not.
    """
    now = inbox.again(book, settings)
    if now is not None and now.fingerprint == book.fingerprint and _same_times(book, now):
        node = listing.read(book.root, inbox.reading(settings), by_name=False)
        if not (isinstance(node, Folder) and any(one.unfinished for one in node.below())):
            return
    raise Transient(
        "The sources changed while the book was made, so they are left as they are",
        shown(book.root),
        "The book is made again when they are quiet",
    )


def move_aside(book: Book, folder: Path, settings: AudiobooksSettings) -> Path:
    """Move a book with all that belongs to it into a folder, as it is; where its folder or file is now.

    Raises:
        Transient: it changed, or not all of it could be moved.
        OSError: as the file systems say.
    """
    moving.resume(book.root)
    moved = folder / book.root.name
    if _there(book.root):
        if _below_a_link(book, settings):
            return book.root
        if book.structure is Structure.STANDALONE:
            for path in book.extras:
                if _there(path):
                    moving.move(path, folder / path.name)
            moved = moving.move(book.root, moved, allowed=_sized(book, book.root))
        else:
            moved = moving.move(book.root, moved, allowed=_whole(book, settings, extras=False))
    moving.remove_empty(book.root.parent, up_to=_top(book, settings))
    return moved


def _archived(book: Book, target: Path, settings: AudiobooksSettings) -> Path:
    if (there := _earlier(target, book, times=False)) is not None and _proven(there, book):
        # Moved before a crash, or archived once before: this is the same again.
        _remove(book, settings)
        return there
    if book.structure is Structure.STANDALONE:
        for path in book.extras:
            if _there(path):
                moving.move(path, target.with_name(path.name))
        return moving.move(book.root, target, allowed=_sized(book, book.root))
    pieces = _pieces(book)
    if book.root.is_symlink() or not (_late(book, settings) or any(one.is_symlink() for one in pieces)):
        return moving.move(book.root, target, allowed=_whole(book, settings, extras=True))
    # What came late stays where it is, and is looked at anew.
    place = moving.free_name(target.parent, target.name)
    for path in pieces:
        if _there(path):
            moving.move(path, place / path.relative_to(book.root), allowed=_sized(book, path))
    _remove_empty_within(book.root)
    return place


def _deleted(book: Book, target: Path, settings: AudiobooksSettings) -> str:
    kept = ""
    within = target.parent if book.structure is Structure.STANDALONE else target
    base = book.root.parent if book.structure is Structure.STANDALONE else book.root
    for path in () if book.root.is_symlink() else _pieces(book, book.extras):
        if path.suffix.lower() not in _GOES_TOO and not path.is_symlink() and _there(path):
            moved = moving.move(path, within / path.relative_to(base))
            kept = str(moved if within == target.parent else target)
    _remove(book, settings)
    return kept


def _remove(book: Book, settings: AudiobooksSettings) -> None:
    """Remove the sources for good: they are proven elsewhere."""
    if book.structure is not Structure.STANDALONE and not _late(book, settings):
        moving.remove(book.root, allowed=_whole(book, settings, extras=True))
        return
    for path in _pieces(book):
        if _there(path):
            moving.remove(path, allowed=_sized(book, path))
    _remove_empty_within(book.root)


def _whole(book: Book, settings: AudiobooksSettings, *, extras: bool) -> Callable[[Path], bool]:
    """Whether a folder, wherever it is now, holds the book: all of its audio and nothing that came late.

    Args:
        extras: further files that are no audio count as well.
    """
    reading = inbox.reading(settings)
    wanted = {part.name: part.size for part in book.parts}
    known = {path.relative_to(book.root).as_posix() for path in book.extras} | set(wanted)

    def allowed(place: Path) -> bool:
        node = listing.read(place, reading, by_name=False)
        if not isinstance(node, Folder):
            return False
        sizes = {file.path.relative_to(place).as_posix(): file.size for file in node.all_files()}
        late = [name for name in sizes if name not in known and (extras or _is_audio(name, reading))]
        unfinished = any(one.unfinished for one in node.below())
        return not late and not unfinished and wanted.items() <= sizes.items()

    return allowed


def _sized(book: Book, path: Path) -> Callable[[Path], bool]:
    """Whether a file, wherever it is now, is as large as it was; one that is no part may be anything."""
    sizes = [part.size for part in book.parts if part.path == path]
    return lambda place: not sizes or place.stat().st_size == sizes[0]


def _late(book: Book, settings: AudiobooksSettings) -> bool:
    """Whether files lie there that are no part of the book and none of its extras."""
    node = listing.read(book.root, inbox.reading(settings), by_name=False)
    known = set(_files(book))
    return isinstance(node, Folder) and any(file.path not in known for file in node.all_files())


def _earlier(target: Path, book: Book, *, times: bool) -> Path | None:
    """Where a copy with the same files is, at the target or beside it with a number."""
    number = 1
    while True:
        stem, ending = (target.stem, target.suffix) if _is_file(book) else (target.name, "")
        tail = f" ({number}){ending}" if number > 1 else ending
        path = target.with_name(f"{moving.cut(stem, 255 - len(tail.encode()))}{tail}")
        if not _there(path):
            return None
        if _looks_like(path, book, times=times):
            return path
        number += 1


def _looks_like(place: Path, book: Book, *, times: bool) -> bool:
    try:
        for part in book.parts:
            found = (place if _is_file(book) else place / part.name).stat()
            if found.st_size != part.size:
                return False
            if times and abs(found.st_mtime_ns - part.path.stat().st_mtime_ns) > _TIMES_DIFFER_NS:
                return False
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _proven(place: Path, book: Book) -> bool:
    """Whether a place holds the same bytes as the sources, part for part, and is another place."""
    pairs = [(part.path, place if _is_file(book) else place / part.name) for part in book.parts]
    pairs += [
        (extra, place.with_name(extra.name) if _is_file(book) else place / extra.relative_to(book.root))
        for extra in book.extras
        if _there(extra)
    ]
    return all(
        copy.is_file() and not copy.samefile(source) and moving.same_content(source, copy)
        for source, copy in pairs
    )


def _same_times(book: Book, now: Book) -> bool:
    """Whether no part has another time; of one that was never looked at nothing is known."""
    before = {part.name: part.modified for part in book.parts}
    return all(before.get(part.name) in (0, part.modified) for part in now.parts)


def _place(book: Book, settings: AudiobooksSettings) -> Path:
    """Where it lies below the inbox, or its name when it is from elsewhere."""
    if book.root.is_relative_to(settings.inbox):
        return book.root.relative_to(settings.inbox)
    return Path(book.root.name)


def _top(book: Book, settings: AudiobooksSettings) -> Path:
    """The folder that stays even when it is empty."""
    return settings.inbox if book.root.is_relative_to(settings.inbox) else book.root.parent


def _pieces(book: Book, files: Iterable[Path] | None = None) -> list[Path]:
    """What is to be moved or removed one by one: files, and of what lies below a link the link."""
    found: dict[Path, None] = {}
    for path in _files(book) if files is None else files:
        between = [one for one in (path, *path.parents) if one != book.root and one.is_relative_to(book.root)]
        found[next((one for one in reversed(between) if one.is_symlink()), path)] = None
    return list(found)


def _below_a_link(book: Book, settings: AudiobooksSettings) -> bool:
    """Whether a folder between the inbox and the book is a link: what is behind it is not ours to move."""
    top = _top(book, settings)
    return any(one.is_symlink() for one in book.root.parents if one != top and one.is_relative_to(top))


def _remove_empty_within(root: Path) -> None:
    """Remove the folders of a book that are empty, and itself."""
    if root.is_symlink() or not root.is_dir():
        return
    for folder in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
        moving.remove_empty(folder, up_to=root)
    moving.remove_empty(root, up_to=root.parent)


def _files(book: Book) -> Iterator[Path]:
    yield from (part.path for part in book.parts)
    yield from book.extras


def _bytes(book: Book) -> int:
    return book.bytes + sum(path.stat().st_size for path in book.extras if path.exists())


def _is_file(book: Book) -> bool:
    return book.structure is Structure.STANDALONE


def _is_audio(name: str, reading: Reading) -> bool:
    return Path(name).suffix.lower() in reading.audio


def _there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _room(folder: Path, needed: int, spare: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed + spare:
        raise Transient(
            f"There is no room for a copy: {format_size(needed)} are needed, {format_size(free)} free",
            shown(folder),
            "Free some room; it is tried again by itself",
        )
