"""What becomes of the bytes when the library lies on the server's own disk: linked instead of kept twice.

A file is always uploaded first, and the server is never asked to open a path. Then, when both files have the
same hash, the server's copy is replaced in one step by a hard link, a reflink or a symbolic link. Whatever
goes wrong, the copy stays.

- hard link: both names share the bytes for good. A program that changes the book in place changes both.
- reflink: the bytes are shared until one of the two is changed. Needs Btrfs, XFS or the like.
- symbolic link: the server needs the library at the same path, which is proven by its own answer.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medialift.errors import MedialiftError, Permanent
from medialift.foundation.atomic import sync_folder

Mode = Literal["copy", "hardlink", "reflink", "symlink"]
_FICLONE = 0x40049409
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.ENOSYS)


@dataclass(frozen=True)
class Transfer:
    """How copies of the server are replaced.

    Attributes:
        data: the server's data folder on this host; its books are in `books`. None for `copy`.
    """

    mode: Mode = "copy"
    data: Path | None = None

    @property
    def links(self) -> bool:
        return self.mode != "copy"

    def check(self, library: Path) -> None:
        """Find out beforehand whether the mode works here.

        Raises:
            Permanent: it does not, and why.
        """
        if not self.links:
            return
        books = self._books()
        if not books.is_dir():
            raise Permanent(
                "The server's data folder is not there", str(books), "Correct books.server_books, or copy"
            )
        if self.mode == "symlink":
            return
        if library.stat().st_dev != books.stat().st_dev:
            raise Permanent(
                f"The library and the server's books are on two file systems, so '{self.mode}' cannot work",
                f"{library} and {books}",
                "Set books.transfer to copy or symlink",
            )
        if self.mode == "reflink":
            self._try_reflink(books)

    def _books(self) -> Path:
        if self.data is None:
            raise Permanent("The server's data folder is not named", "books.server_books", "Set it, or copy")
        return self.data / "books"

    @staticmethod
    def _try_reflink(books: Path) -> None:
        with (
            tempfile.NamedTemporaryFile(dir=books, prefix=".medialift-") as one,
            tempfile.NamedTemporaryFile(dir=books, prefix=".medialift-") as other,
        ):
            one.write(b"\0" * 4096)
            one.flush()
            _clone(one.fileno(), other.fileno(), books)

    async def replace(
        self, ours: Path, location: str, sha1: str, *, served: Callable[[], Awaitable[int | None]]
    ) -> None:
        """Put a link to `ours` in the place of the server's copy.

        Args:
            location: of the copy below the server's books.
            served: how many bytes the server gives of it now; None when it fails over it.

        Raises:
            Permanent: it was not done, and why; the copy is as it was.
            Transient: the server did not tell whether it can follow the link; the copy is as it was.
        """
        copy = self._books() / location
        size = await asyncio.to_thread(self._put, ours, copy, sha1)
        if self.mode != "symlink":
            return
        try:
            followed = await served() == size
        except MedialiftError:
            # A link that nobody has proven may be a book that nobody can read.
            await asyncio.to_thread(_copy_back, ours, copy)
            raise
        if not followed:
            await asyncio.to_thread(_copy_back, ours, copy)
            raise Permanent(
                "The server cannot follow a symbolic link into the library",
                location,
                "Mount the library for the server at the same path, or set books.transfer to another mode",
            )

    def _put(self, ours: Path, copy: Path, sha1: str) -> int:
        """Replace the copy, unless it is a link already; its size."""
        try:
            if copy.is_symlink() or copy.samefile(ours):
                return ours.stat().st_size
            before = copy.stat()
            if _sha1(copy) != sha1 or _sha1(ours) != sha1:
                raise Permanent("The server's copy is not the file that was sent", str(copy), "Run verify")
            beside = Path(tempfile.mktemp(prefix=".medialift-", dir=copy.parent))  # noqa: S306  a link, not opened
            try:
                self._link(ours, beside, before)
                beside.rename(copy)
            finally:
                with suppress(FileNotFoundError):
                    beside.unlink()
            sync_folder(copy.parent)
            return before.st_size
        except OSError as error:
            raise Permanent(
                f"The server's copy could not be replaced by a {self.mode} ({error.strerror})",
                str(copy),
                "It stays a copy; set books.transfer to copy if it is to be one",
            ) from error

    def _link(self, ours: Path, beside: Path, before: os.stat_result) -> None:
        if self.mode == "hardlink":
            beside.hardlink_to(ours)
        elif self.mode == "symlink":
            beside.symlink_to(ours.resolve())
        else:
            with ours.open("rb") as source, beside.open("xb") as target:
                _clone(source.fileno(), target.fileno(), beside.parent)
                _dress(target.fileno(), before)
                os.fsync(target.fileno())


def _dress(handle: int, before: os.stat_result) -> None:
    """Owner and mode as the server's own copy had them."""
    os.fchmod(handle, before.st_mode & 0o7777)
    with suppress(PermissionError):
        os.fchown(handle, before.st_uid, before.st_gid)


def _clone(source: int, target: int, where: Path) -> None:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        raise Permanent(
            "The file system has no reflinks",
            str(where),
            "Use Btrfs or XFS with reflinks, or set books.transfer to hardlink or copy",
        ) from error


def _copy_back(ours: Path, copy: Path) -> None:
    beside = copy.with_name(f".medialift-{copy.name[:200]}")
    with ours.open("rb") as source, beside.open("wb") as target:
        while piece := source.read(1 << 20):
            target.write(piece)
        target.flush()
        os.fchmod(target.fileno(), 0o644)
        os.fsync(target.fileno())
    beside.rename(copy)


def _sha1(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
