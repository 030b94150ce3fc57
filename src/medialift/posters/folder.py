"""The folder of pictures: what is downloaded lies in `pictures/KIND`, what is to be uploaded in `upload`, and
what was replaced, here or on the server, in `kept`."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation import atomic
from medialift.posters import picture
from medialift.posters.answers import Unusable
from medialift.posters.names import ENDINGS, file_name
from medialift.posters.picture import Picture

PICTURES, UPLOAD, KEPT = "pictures", "upload", "kept"
_PIECE = 1 << 20
_PART = ".part"
_LEFT_SECONDS = 3600.0
"""A half picture that is older was left by a worker that died."""
_OF_THE_FOLDER = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ESTALE, errno.ENOTCONN})
"""What a disk or a mount has one say of every picture."""


class FolderAway(Transient):
    """The folder is not there, or takes nothing: no picture is to blame."""


@dataclass(frozen=True)
class Folder:
    """The folder at `root`; all paths that go in and out here are below it, as the ledger has them."""

    root: Path

    def check(self, *, used: bool = False) -> None:
        """Make what is missing below it.

        Args:
            used: there are pictures in it. So it has `kept`, and what is there without is not it, but what
                lies below the place of a mount.

        Raises:
            FolderAway: it is not there: its disk or share is away, or has no room.
            Permanent: nobody may write to it.
        """
        if not _is_folder(self.root) or (used and not self.there()):
            raise self.away()
        try:
            for name in (PICTURES, UPLOAD, KEPT):
                (self.root / name).mkdir(exist_ok=True)
            with atomic.replacing(self.root / KEPT / ".probe"):
                pass
            (self.root / KEPT / ".probe").unlink()
            self._sweep()
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM):
                raise FolderAway(
                    "The folder of posters cannot be written",
                    f"{self.root}: {error.strerror}",
                    "Look at its disk and its mount",
                ) from error
            raise Permanent(
                "The folder of posters cannot be written",
                f"{self.root}: {error.strerror}",
                "Give it to the user that the worker runs as",
            ) from error

    def there(self) -> bool:
        """Whether it is there, and not what lies below the place of its mount; once it was checked."""
        return _is_folder(self.root / KEPT)

    def away(self) -> FolderAway:
        """The error that says so."""
        return FolderAway(
            "The folder of posters is away",
            str(self.root),
            f"Look at its mount. If it is a new one, make the folder `{KEPT}` in it",
        )

    def _sweep(self) -> None:
        for left in self.root.glob(f"{PICTURES}/*/.*{_PART}"):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _LEFT_SECONDS:
                    left.unlink()

    def place(self, name: str, id: str, image: str, format: str) -> str:
        """Where a picture that is new here goes."""
        return f"{PICTURES}/{image}/{file_name(name, id, format)}"

    def holds(self, path: str, sha256: str, size: int) -> bool:
        """Whether this very picture lies there."""
        file = self.root / path
        with suppress(OSError):
            return file.stat().st_size == size and self.hash(path) == sha256
        return False

    def hash(self, path: str) -> str:
        """The hash of what lies there; "" when nothing does."""
        found = hashlib.sha256()
        try:
            with (self.root / path).open("rb") as file:
                while piece := file.read(_PIECE):
                    found.update(piece)
        except FileNotFoundError:
            return ""
        return found.hexdigest()

    def write(self, path: str, body: bytes) -> Picture:
        """Write a picture, once it has been decoded from where it lies: a reader sees old or new.

        Raises:
            Unusable: it is none; nothing is changed.
            FolderAway: there is no room. Transient: the disk fails.
        """
        file = self.root / path
        part = file.with_name(f".{secrets.token_hex(8)}{_PART}")
        try:
            file.parent.mkdir(exist_ok=True)
            try:
                atomic.write_bytes(part, body, mode=None)
                found = picture.examine(part, body)
                part.replace(file)
            finally:
                part.unlink(missing_ok=True)
            atomic.sync_folder(file.parent)
        except OSError as error:
            raise _unwritten(file, error) from error
        return found

    def put_aside(self, path: str, id: str, image: str) -> None:
        """Keep what lies at a path before something takes its place; it stays there too."""
        file = self.root / path
        kept = self.root / kept_path(id, image, self.hash(path), file.suffix)
        try:
            kept.parent.mkdir(exist_ok=True)
            if not kept.exists():
                try:
                    kept.hardlink_to(file)
                except OSError:
                    atomic.write_bytes(kept, file.read_bytes(), mode=None)
                atomic.sync_folder(kept.parent)
        except OSError as error:
            raise _unwritten(kept, error) from error

    def remove(self, path: str) -> None:
        """Take away a file that was put aside."""
        (self.root / path).unlink(missing_ok=True)

    def keep(self, id: str, image: str, body: bytes) -> str:
        """Keep a picture of the server, whatever it is; where it lies. Then it is on the disk."""
        format = picture.format_of(body)
        path = kept_path(id, image, picture.digest(body), ENDINGS[format] if format else ".bin")
        if not self.holds(path, picture.digest(body), len(body)):
            try:
                (self.root / path).parent.mkdir(exist_ok=True)
                atomic.write_bytes(self.root / path, body, mode=None)
            except OSError as error:
                raise _unwritten(self.root / path, error) from error
        return path

    def kept(self, path: str, sha256: str) -> bytes:
        """A picture that was kept.

        Raises:
            Unsafe: it is not what was kept.
        """
        try:
            body = (self.root / path).read_bytes()
        except OSError as error:
            if error.errno in _OF_THE_FOLDER:
                raise self.away() from error
            raise Unsafe(
                "A picture that was kept cannot be read",
                f"{path}: {error.strerror}",
                "Bring it back to there",
            ) from error
        if picture.digest(body) != sha256:
            raise Unsafe("A picture that was kept is another now", path, "Bring the kept one back to there")
        return body


def read_source(file: Path, largest: int) -> tuple[bytes, Picture]:
    """A picture that is to be uploaded.

    Raises:
        Permanent: it cannot be read, is larger than may be, or is no whole picture.
        Transient: its folder is away.
    """
    try:
        # Without O_NONBLOCK a named pipe would be waited for.
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as opened:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Permanent("A picture is no file", str(file), "Put a file there")
            body = opened.read(largest + 1)
    except OSError as error:
        if error.errno in _OF_THE_FOLDER or _empty(file.parent):
            raise Transient("A folder of pictures is away", str(file.parent), "Look at its mount") from error
        raise Permanent("A picture cannot be read", f"{file}: {error.strerror}", "Put it there") from error
    if len(body) > largest:
        raise Permanent("A picture is too large", f"{file}: over {largest} bytes", "See posters.max_bytes")
    try:
        return body, picture.examine(file, body)
    except Unusable as error:
        raise Permanent(error.what, f"{file}: {error.subject}", "Put a whole picture there") from error


def kept_path(id: str, image: str, sha256: str, ending: str) -> str:
    """Where a kept picture lies: by its content, so the same one is kept once."""
    return f"{KEPT}/{id[:2]}/{id}.{image}.{sha256[:16]}{ending}"


def _unwritten(path: Path, error: OSError) -> Transient:
    kind = FolderAway if error.errno in _OF_THE_FOLDER else Transient
    return kind("A picture cannot be written", f"{path}: {error.strerror}", "Look at its disk")


def _is_folder(path: Path) -> bool:
    with suppress(OSError):  # a mount whose server has died
        return path.is_dir()
    return False


def _empty(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return True
