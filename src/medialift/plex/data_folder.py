"""Plex's data folder: what of it travels in an archive, and what never leaves its server."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import Literal, get_args
from xml.etree import ElementTree

from medialift.errors import Permanent, Unsafe
from medialift.foundation.archive import Member
from medialift.plex.database import BLOBS, LIBRARY

Content = Literal["databases", "metadata", "media"]
CONTENTS: tuple[Content, ...] = get_args(Content)

DATABASES = "Plug-in Support/Databases"
LIBRARY_NAME = f"{DATABASES}/{LIBRARY}"
BLOBS_NAME = f"{DATABASES}/{BLOBS}"

# A file's name in an archive, the path to read it from, and what was found there.
_Found = tuple[str, str, os.DirEntry[str]]

# The folders that hold a content; nothing outside of them is ever looked at.
TREES: dict[Content, str] = {"metadata": "Metadata", "media": "Media/localhost"}

# Wherever they lie, these are a server's identity, or of use to it alone. Source: the files that Plex keeps
# in its data folder; an import that carried them over would make two servers one.
FORBIDDEN_NAMES = frozenset(
    {
        ".localadmintoken",
        "cache",
        "codecs",
        "crash reports",
        "diagnostics",
        "drivers",
        "logs",
        "preferences.xml",
        "updates",
    }
)
# Certificates and keys, and every database with its logs and dated copies: the two that travel are named.
_FORBIDDEN_ENDS = (".pid", ".p12", ".pem", ".key", ".crt", ".part", ".db", "-wal", "-shm", "-journal")
_DATED_DATABASE = ".db-"

_PREVIEW = ".bif"
_name = attrgetter("name")


@dataclass(frozen=True)
class Size:
    """How much there is to archive, in files and bytes; `databases` of the bytes are the two databases'."""

    files: int
    bytes: int
    databases: int


@dataclass(frozen=True)
class DataFolder:
    """The folder that holds Preferences.xml, `Metadata`, `Media` and `Plug-in Support`."""

    path: Path

    @property
    def databases(self) -> Path:
        return self.path / DATABASES

    @property
    def library(self) -> Path:
        return self.path / LIBRARY_NAME

    @property
    def blobs(self) -> Path:
        return self.path / BLOBS_NAME

    @property
    def preferences(self) -> Path:
        return self.path / "Preferences.xml"

    def checked(self) -> DataFolder:
        """Itself, when a library is in it.

        Raises:
            Permanent: there is no such folder, or no pair of databases in it.
        """
        if not self.path.is_dir():
            raise Permanent("There is no such Plex data folder", str(self.path), "Set plex.data")
        for database in (self.library, self.blobs):
            if not database.is_file():
                raise Permanent(
                    "Plex's data folder holds no library", str(database), "Set plex.data; start Plex once"
                )
        return self

    def members(self, contents: Iterable[Content], *, previews: bool = True) -> Iterator[Member]:
        """The files of `contents` but the databases, which only go as copies; folder by folder, sorted.

        Args:
            previews: `.bif` files too (large, and Plex can make them again).

        Raises:
            Unsafe: a link leads out of its folder.
            Permanent: a folder may not be read.
        """
        for name, path, _ in self._files(contents, previews):
            yield Member(name, path)

    def measure(self, contents: Iterable[Content], *, previews: bool = True) -> Size:
        """What an archive of `contents` would hold, by the sizes as they are now."""
        contents = tuple(contents)
        files = total = databases = 0
        if "databases" in contents:
            databases = sum(_size(path) for path in (self.library, self.blobs))
            files, total = 2, databases
        for _, _, entry in self._files(contents, previews):
            files += 1
            total += _size(entry)
        return Size(files, total, databases)

    def machine_digest(self) -> str:
        """sha256 of the server's machine identifier: tells servers apart and reveals none; "" if unknown."""
        try:
            told = ElementTree.fromstring(self.preferences.read_bytes())  # noqa: S314 - the user's own file
        except (FileNotFoundError, ElementTree.ParseError):
            return ""
        name = told.get("ProcessedMachineIdentifier") or told.get("MachineIdentifier") or ""
        return sha256(name.encode()).hexdigest() if name else ""

    def _files(self, contents: Iterable[Content], previews: bool) -> Iterator[_Found]:
        for content, tree in TREES.items():
            top = self.path / tree
            if content in contents and top.is_dir():
                # The top itself is often a link to a larger disk; from there on nothing may lead out.
                yield from _files(str(top), tree, os.path.realpath(top), previews)


def forbidden(name: str) -> bool:
    """Whether a path in an archive names something that must never travel.

    The two databases are allowed in their place only; every other database, dated copies too, is not.
    """
    if name in (LIBRARY_NAME, BLOBS_NAME):
        return False
    parts = name.lower().split("/")
    return not FORBIDDEN_NAMES.isdisjoint(parts) or _is_forbidden_file(parts[-1])


def _is_forbidden_file(lower: str) -> bool:
    # A newline at the end of a name makes no other file of it.
    return lower.rstrip("\n").endswith(_FORBIDDEN_ENDS) or _DATED_DATABASE in lower


def _files(top: str, name: str, inside: str, previews: bool) -> Iterator[_Found]:
    """Each file below `top`, which is `name` in the archive: folder by folder, sorted."""
    open_folders = [(_entries(top), name)]
    while open_folders:
        entries, name = open_folders[-1]
        for entry in entries:
            lower = entry.name.lower()
            if lower in FORBIDDEN_NAMES or _is_forbidden_file(lower):
                continue
            path = entry.path
            if entry.is_dir(follow_symlinks=False):
                open_folders.append((_entries(path), f"{name}/{entry.name}"))
                break
            if entry.is_symlink():
                path = _target(path, inside)
                if not path:
                    continue
            elif not entry.is_file(follow_symlinks=False):
                continue  # a socket or pipe holds nothing to keep
            if previews or not lower.endswith(_PREVIEW):
                yield f"{name}/{entry.name}", path, entry
        else:
            open_folders.pop()


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return iter(sorted(found, key=_name))
    except PermissionError as error:
        raise Permanent("A folder cannot be read", folder, "Run as its owner or root") from error
    except FileNotFoundError:
        return iter(())  # gone since its parent was listed


def _target(link: str, inside: str) -> str:
    """The file that a link leads to; "" for a dangling one, which has no content to lose.

    Raises:
        Unsafe: it leads out of the folder that is archived, or to a folder.
    """
    target = os.path.realpath(link)
    try:
        facts = Path(target).stat()
    except FileNotFoundError:
        return ""
    if not target.startswith(inside + "/") or not stat.S_ISREG(facts.st_mode):
        raise Unsafe(
            "A link in Plex's data folder does not lead to a file beside it",
            link,
            "Remove or replace the link",
        )
    return target


def _size(file: Path | os.DirEntry[str]) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
