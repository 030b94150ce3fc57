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
    if _is_file(book):
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
    if not _still(book.root):
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
    same = now is not None and now.fingerprint == book.fingerprint
    if now is not None and same and (_same_times(book, now) or _as_backed_up(book, settings)):
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
    moved = folder / book.root.name
    if _still(book.root):
        if _below_a_link(book, settings):
            return book.root
        for path in _beside(book):
            moving.move(path, folder / path.name)
        allowed = _sized(book) if _is_file(book) else _whole(book, settings, extras=False)
        moved = moving.move(book.root, moved, allowed=allowed)
    moving.remove_empty(book.root.parent, up_to=_top(book, settings))
    return moved


def _archived(book: Book, target: Path, settings: AudiobooksSettings) -> Path:
    if (there := _earlier(target, book, times=False)) is not None and _proven(there, book):
        # Moved before a crash, or archived once before: this is the same again.
        _remove(book, settings)
        return there
    for path in _beside(book):
        moving.move(path, target.with_name(path.name))
    if _is_file(book):
        return moving.move(book.root, target, allowed=_sized(book))
    # What came late stays where it is, and is looked at anew.
    late = _late(book, settings)
    return moving.move(book.root, target, allowed=_whole(book, settings, late=late), stays=late)


def _deleted(book: Book, target: Path, settings: AudiobooksSettings) -> str:
    kept = ""
    base = book.root.parent if _is_file(book) else book.root
    for path in book.extras:
        behind_a_link = any(one.is_symlink() for one in (path, *path.parents) if one.is_relative_to(base))
        if path.suffix.lower() not in _GOES_TOO and not behind_a_link and _still(path):
            within = target.parent if _is_file(book) else target
            moved = moving.move(path, within / path.relative_to(base))
            kept = str(moved if _is_file(book) else target)
    _remove(book, settings)
    return kept


def _remove(book: Book, settings: AudiobooksSettings) -> None:
    """Remove the sources for good: they are proven elsewhere."""
    for path in _beside(book):
        moving.remove(path)
    if _is_file(book):
        moving.remove(book.root, allowed=_sized(book))
    else:
        late = _late(book, settings)
        moving.remove(book.root, allowed=_whole(book, settings, late=late), stays=late)


def _whole(
    book: Book, settings: AudiobooksSettings, *, extras: bool = True, late: Iterable[str] = ()
) -> Callable[[Path], bool]:
    """Whether a folder, wherever it is now, holds the book: all of its audio and nothing that came late.

    Args:
        extras: further files that are no audio count as well.
        late: files that are known to have come late.
    """
    reading = inbox.reading(settings)
    wanted = {part.name: part.size for part in book.parts}
    known = {path.relative_to(book.root).as_posix() for path in book.extras} | set(wanted) | set(late)

    def allowed(place: Path) -> bool:
        node = listing.read(place, reading, by_name=False)
        if not isinstance(node, Folder):
            return False
        sizes = {file.path.relative_to(place).as_posix(): file.size for file in node.all_files()}
        later = [name for name in sizes if name not in known and (extras or _is_audio(name, reading))]
        unfinished = any(one.unfinished for one in node.below())
        return not later and not unfinished and wanted.items() <= sizes.items()

    return allowed


def _sized(book: Book) -> Callable[[Path], bool]:
    """Whether the one file of a book, wherever it is now, is as large as it was."""
    return lambda place: place.stat().st_size == book.parts[0].size


def _late(book: Book, settings: AudiobooksSettings) -> list[str]:
    """Files that lie in its folder, below it, and are no part of the book and none of its extras."""
    if book.root.is_symlink():
        return []
    node = listing.read(book.root, inbox.reading(settings), by_name=False)
    known = {*(part.path for part in book.parts), *book.extras}
    files = node.all_files() if isinstance(node, Folder) else ()
    return [file.path.relative_to(book.root).as_posix() for file in files if file.path not in known]


def _beside(book: Book) -> list[Path]:
    """The extras of a single file, which lie beside it and are there still."""
    return [path for path in book.extras if _is_file(book) and _still(path)]


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


def _as_backed_up(book: Book, settings: AudiobooksSettings) -> bool:
    """Whether the sources hold the bytes of their backup: then only their times were changed."""
    there = _earlier(settings.backup_folder / _place(book, settings), book, times=False)
    return there is not None and _proven(there, book)


def _place(book: Book, settings: AudiobooksSettings) -> Path:
    """Where it lies below the inbox, or its name when it is from elsewhere."""
    if book.root.is_relative_to(settings.inbox):
        return book.root.relative_to(settings.inbox)
    return Path(book.root.name)


def _top(book: Book, settings: AudiobooksSettings) -> Path:
    """The folder that stays even when it is empty."""
    return settings.inbox if book.root.is_relative_to(settings.inbox) else book.root.parent


def _below_a_link(book: Book, settings: AudiobooksSettings) -> bool:
    """Whether a folder between the inbox and the book is a link: what is behind it is not ours to move."""
    top = _top(book, settings)
    return any(one.is_symlink() for one in book.root.parents if one != top and one.is_relative_to(top))


def _files(book: Book) -> Iterator[Path]:
    yield from (part.path for part in book.parts)
    yield from book.extras


def _bytes(book: Book) -> int:
    return book.bytes + sum(path.stat().st_size for path in book.extras if path.exists())


def _is_file(book: Book) -> bool:
    return book.structure is Structure.STANDALONE


def _is_audio(name: str, reading: Reading) -> bool:
    return Path(name).suffix.lower() in reading.audio


def _still(path: Path) -> bool:
    """Whether it is there, once a move that a crash cut off is completed."""
    moving.resume(path)
    return _there(path)


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
