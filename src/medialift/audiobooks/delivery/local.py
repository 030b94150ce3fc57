"""A library in a folder of this host, or of a mount (NFS, SMB): copies that are read back, or hard links."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from medialift.audiobooks.delivery.components import alike
from medialift.audiobooks.delivery.library import CHUNK, Limits, hash_of
from medialift.audiobooks.delivery.naming import Place
from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation.atomic import sync_folder

# What a mount says when its server is away, and a disk that is full: both end without our doing.
_PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOTCONN, errno.ESTALE, errno.EHOSTDOWN, errno.ETIMEDOUT}
    | {errno.EAGAIN, errno.EBUSY, errno.ENODEV, errno.ECONNABORTED, errno.EHOSTUNREACH, errno.ENETUNREACH}
)
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL})


@dataclass(frozen=True)
class LocalLibrary:
    """The library at `root`, which must be there: made anew, it would hide that a mount is away."""

    root: Path
    limits: Limits
    transfer: Literal["copy", "hardlink"] = "copy"

    def ready(self) -> None:
        """See Library."""
        with _told(self.root):
            if not self.root.is_dir():
                raise Transient(
                    "The folder of a library is not there", str(self.root), "Mount it, or make the folder"
                )

    def settled(self, place: Place) -> Place:
        """See Library."""
        folder = PurePosixPath()
        for part in place.folder.parts:
            folder /= self._spelled(folder, part)
        return replace(place, folder=folder, file=self._spelled(folder, place.file))

    def names(self, folder: PurePosixPath) -> list[str]:
        """See Library."""
        with _told(self.root / folder):
            try:
                return sorted(one.name for one in (self.root / folder).iterdir())
            except FileNotFoundError:
                return []

    def fingerprint(self, path: PurePosixPath) -> str | None:
        """See Library. It is the hash of the content."""
        file = self.root / path
        with _told(file):
            if not os.path.lexists(file):
                return None
            if not file.is_file():
                raise Unsafe("There is something else where a book is to lie", str(file), "Move it away")
            return f"sha256:{hash_of(file, self.limits)}"

    def holds(self, path: PurePosixPath, source: Path, *, there: str) -> bool:
        """See Library."""
        file = self.root / path
        with _told(file):
            if file.samefile(source):
                return True
            same_size = file.stat().st_size == source.stat().st_size
            return same_size and there == f"sha256:{hash_of(source, self.limits)}"

    def put(self, path: PurePosixPath, source: Path, *, replace: bool, passing: bool = False) -> str:
        """See Library."""
        target = self.root / path
        self.ready()
        with _told(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            # Its length is bounded, whatever that of the name is; one that a crash left is taken over.
            short = hashlib.sha256(target.name.encode()).hexdigest()[:16]
            beside = target.with_name(f".medialift-{short}.part")
            try:
                linked = self.transfer == "hardlink" and not passing
                found = self._link(source, beside) if linked else self._copy(source, beside)
                _publish(beside, target, replace=replace)
            finally:
                with suppress(OSError):
                    beside.unlink(missing_ok=True)
            return f"sha256:{found}"

    def shown(self, path: PurePosixPath) -> str:
        """See Library."""
        return str(self.root / path)

    def _spelled(self, folder: PurePosixPath, name: str) -> str:
        if os.path.lexists(self.root / folder / name):
            return name
        return next((other for other in self.names(folder) if alike(other, name)), name)

    def _copy(self, source: Path, target: Path) -> str:
        """Copy, and read back what lies on the disk."""
        digest = hashlib.sha256()
        # The mode is as the umask wants it: other people's servers read what lies here.
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(handle, "wb", buffering=0) as written, source.open("rb", buffering=0) as read:
            while chunk := read.read(CHUNK):
                self.limits.left()
                digest.update(chunk)
                view = memoryview(chunk)
                while view:
                    view = view[written.write(view) :]
            os.fsync(handle)
            # What is read now comes from the disk or the server, not from memory.
            with suppress(OSError):
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        if hash_of(target, self.limits) != digest.hexdigest():
            raise Transient(
                "A copy differs from its source", str(target), "Check the disk or the mount it is on"
            )
        return digest.hexdigest()

    def _link(self, source: Path, target: Path) -> str:
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in _NO_LINKS | {errno.EXDEV}:
                raise
            raise Permanent(
                "A hard link cannot be made into a library",
                str(target.parent),
                "Let it lie on the file system of the converted books, or set its transfer to copy",
            ) from error
        return hash_of(target, self.limits)


def _publish(beside: Path, target: Path, *, replace: bool) -> None:
    """Give a whole file its name. A link never takes the place of another file, as a rename would."""
    if replace:
        beside.replace(target)
    else:
        try:
            os.link(beside, target)
        except FileExistsError:
            raise _taken(target) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(target):
                raise _taken(target) from None
            beside.rename(target)
    # A share may not know how to flush a folder.
    with suppress(OSError):
        sync_folder(target.parent)


def _taken(target: Path) -> Unsafe:
    return Unsafe("Another file took the name of a book", str(target), "Look at both, and rename one of them")


@contextmanager
def reading(subject: Path) -> Iterator[None]:
    """What the file system refuses of a book that is to be delivered, as an error with three parts."""
    with _told(subject, "A book cannot be delivered", "Look at the file, and at the disk it is on"):
        yield


@contextmanager
def _told(
    subject: Path,
    what: str = "A library cannot be written",
    hint: str = "Correct its permissions, or its path in the settings",
) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where, why = str(error.filename or subject), error.strerror or str(error)
        if error.errno in _PASSING:
            raise Transient(f"{what}: {why}", where, "It is tried again") from error
        raise Permanent(f"{what}: {why}", where, hint) from error
