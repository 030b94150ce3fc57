"""What lies below a folder: names, sizes and times, read once, so that all else works on what was read."""

from __future__ import annotations

import errno
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache
from pathlib import Path

# Of downloads that are not finished: their own endings, and what rsync calls a file while it copies it.
_UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".opdownload", ".!qb", ".!ut", ".aria2")
_RSYNC = re.compile(r"\.(.+\.[A-Za-z0-9]{2,4})\.[A-Za-z0-9]{6}")
OWN = ".medialift-"
"""What the intake itself puts into folders of others begins so, and is never looked at."""
_NOT_SHOWN = ("Cc", "Cs", "Cn", "Zl", "Zp")
_TURNING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
# A clock of a file server that is off by more than this is no clock: its times say nothing.
_CLOCKS_DIFFER = 86_400.0


@dataclass(frozen=True)
class File:
    """A file: its size in bytes, its own time (mtime, ns), and when anything of it changed last (ctime, s).

    A copy that keeps the times of the files still tells by the latter when it came.
    """

    path: Path
    size: int
    modified: int = 0
    changed: float = 0.0

    @property
    def ending(self) -> str:
        """Its ending in small letters, with the dot."""
        return self.path.suffix.lower()


@dataclass(frozen=True)
class Trouble:
    """What keeps a file or folder from being read: why, its path, and what to do.

    Attributes:
        away: the file system did not answer as it should; that may be so for everything else too.
    """

    why: str
    path: Path
    hint: str
    away: bool = False


@dataclass(frozen=True)
class Folder:
    """A folder as it was read.

    Attributes:
        troubles: of itself and of files in it, not of folders below.
        unfinished: files of downloads and copies that are under way.
    """

    path: Path
    files: tuple[File, ...] = ()
    folders: tuple[Folder, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    unfinished: tuple[File, ...] = ()

    def below(self) -> Iterator[Folder]:
        """Itself and all folders below, from the top."""
        yield self
        for folder in self.folders:
            yield from folder.below()

    def all_files(self) -> Iterator[File]:
        """Every file in it and below."""
        for folder in self.below():
            yield from folder.files


@dataclass(frozen=True)
class Reading:
    """How a folder is read.

    Attributes:
        ignore: patterns of names that are not looked at.
        audio: endings of audio files; those must be readable.
        leave_out: folders that are never looked into: the intake's own.
    """

    ignore: tuple[str, ...] = ()
    audio: frozenset[str] = frozenset()
    leave_out: frozenset[Path] = field(default_factory=frozenset)

    def ignores(self, name: str) -> bool:
        """Whether a file or folder of this name is not looked at."""
        return name.startswith(OWN) or _pattern(self.ignore).match(name.lower()) is not None


@cache
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One for all: every name of an inbox is looked at every few seconds."""
    return re.compile("|".join(translate(one.lower()) for one in patterns) or r"(?!)")


def read(path: Path, how: Reading, *, by_name: bool = True) -> Folder | File | None:
    """What lies at this path; None when it is ignored, gone, or neither a file nor a folder.

    Links are followed, but not in a circle.

    Args:
        by_name: ignore the path itself by its name; what is below is ignored by its names in any case.

    That something below cannot be read, for whatever reason, is a trouble of its folder. Whether the whole
    file system is away then is for the caller to find out: `Trouble.away`.

    Raises:
        OSError: the path itself cannot be looked at.
    """
    if by_name and (how.ignores(path.name) or path in how.leave_out):
        return None
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        return Folder(path, troubles=(_forbidden(path),))
    if stat.S_ISDIR(found.st_mode):
        return _folder(path, how, ((found.st_dev, found.st_ino),))
    return _file(path, found) if stat.S_ISREG(found.st_mode) else None


def newest(folder: Folder | File, now: float) -> float:
    """When something of it was changed last (epoch, s), unfinished files included.

    A time more than a day ahead of `now` is of a clock that is wrong, and counts as none.
    """
    files = (
        [folder]
        if isinstance(folder, File)
        else [file for one in folder.below() for file in (*one.files, *one.unfinished)]
    )
    times = (time for file in files for time in (file.changed, file.modified / 1e9))
    return max((one for one in times if one <= now + _CLOCKS_DIFFER), default=0.0)


def shown(path: Path | str) -> str:
    """A path for people: what is not UTF-8, steers a terminal or turns the direction of text is escaped."""
    text = os.fsencode(str(path)).decode(errors="backslashreplace")
    return "".join(
        one.encode("unicode_escape").decode()
        if unicodedata.category(one) in _NOT_SHOWN or unicodedata.bidirectional(one) in _TURNING
        else one
        for one in text
    )


def is_utf8(path: Path | str) -> bool:
    """Whether a name can be written down at all."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _folder(path: Path, how: Reading, above: tuple[tuple[int, int], ...]) -> Folder:
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except PermissionError:
        return Folder(path, troubles=(_forbidden(path),))
    except (FileNotFoundError, NotADirectoryError):
        return Folder(path)
    except OSError as error:
        return Folder(path, troubles=(unreadable(path, error),))
    files: list[File] = []
    folders: list[Folder] = []
    unfinished: list[File] = []
    troubles = [] if is_utf8(path.name) else [_not_utf8(path)]
    for entry in entries:
        below = path / entry.name
        half = _is_unfinished(entry.name, how.audio)
        if below in how.leave_out or (how.ignores(entry.name) and not half):
            continue
        try:
            found = below.stat()
        except FileNotFoundError:
            if entry.is_symlink() and below.suffix.lower() in how.audio:
                troubles.append(_broken(below))
            continue
        except PermissionError:
            troubles.append(_forbidden(below))
            continue
        except OSError as error:
            troubles.append(_circle(below) if error.errno == errno.ELOOP else unreadable(below, error))
            continue
        if stat.S_ISDIR(found.st_mode):
            if how.ignores(entry.name):
                continue
            place = (found.st_dev, found.st_ino)
            if place in above:
                troubles.append(_circle(below))
            else:
                folders.append(_folder(below, how, (*above, place)))
        elif stat.S_ISREG(found.st_mode):
            (unfinished if half else files).append(_file(below, found))
            troubles += _troubles_of_file(below, how.audio)
    return Folder(path, tuple(files), tuple(folders), tuple(troubles), tuple(unfinished))


def _file(path: Path, found: os.stat_result) -> File:
    return File(path, found.st_size, found.st_mtime_ns, found.st_ctime)


def _troubles_of_file(path: Path, audio: Iterable[str]) -> Iterator[Trouble]:
    if not is_utf8(path.name):
        yield _not_utf8(path)
    elif path.suffix.lower() in audio and not os.access(path, os.R_OK, effective_ids=True):
        yield _forbidden(path)


def _is_unfinished(name: str, audio: Iterable[str]) -> bool:
    if name.lower().endswith(_UNFINISHED):
        return True
    inner = _RSYNC.fullmatch(name)
    return inner is not None and Path(inner[1]).suffix.lower() in audio


def _forbidden(path: Path) -> Trouble:
    return Trouble(
        "This may not be read",
        path,
        "Give the user of the intake the right to read and write it; it is looked at again by itself",
    )


def unreadable(path: Path, error: OSError) -> Trouble:
    """The trouble of a path of which the file system says this error."""
    return Trouble(
        f"This cannot be read ({(error.strerror or 'no answer').lower()})",
        path,
        "Look at the disk or mount that it lies on; it is looked at again by itself",
        away=True,
    )


def _not_utf8(path: Path) -> Trouble:
    return Trouble(
        "This name is not UTF-8",
        path,
        "Rename it, or all of them: convmv -f latin1 -t utf-8 -r --notest FOLDER",
    )


def _broken(path: Path) -> Trouble:
    return Trouble("This link leads nowhere", path, "Put the file there, or remove the link")


def _circle(path: Path) -> Trouble:
    return Trouble("This link leads back to a folder above it", path, "Remove the link")
