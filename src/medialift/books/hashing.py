"""The hash of a book file as the server knows it: SHA-1 and size, of a file that stood still meanwhile."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medialift.errors import MedialiftError, Permanent, Transient

# Large enough that Python's own share of the work does not show beside SHA-1's.
_BUFFER = 1 << 20

# These say something about the file; any other error of the system may be gone tomorrow.
_FOR_GOOD = {
    errno.ENOENT: ("The file is missing", "Check the library in Calibre (Library maintenance)"),
    errno.ENOTDIR: ("The file is missing", "Check the library in Calibre (Library maintenance)"),
    errno.EACCES: ("The file may not be read", "Let the user that runs this read it"),
    errno.EPERM: ("The file may not be read", "Let the user that runs this read it"),
    errno.EISDIR: ("This is a folder, not a file", "Check the library in Calibre (Library maintenance)"),
    errno.ELOOP: ("The file is a link that leads nowhere", "Repair or remove the link"),
    errno.ENAMETOOLONG: ("The name of the file is too long", "Rename the book in Calibre"),
}


@dataclass(frozen=True)
class Hashed:
    """What a file holds: `sha1` in small hex digits, `size` in bytes, and its time while it was read."""

    sha1: str
    size: int
    mtime_ns: int


def hash_file(path: Path, *, going_on: Callable[[int], object] | None = None) -> Hashed:
    """Read a whole file and tell its SHA-1 and size.

    Args:
        going_on: called after each MiB with the bytes read so far; what it raises ends the reading.

    Raises:
        Permanent: it is missing, no file, or may not be read.
        Transient: it changed while it was read, or the disk does not give it now.
    """
    try:
        # Without O_NONBLOCK the opening of a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise _explained(error, path) from error
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise Permanent("This is no file", _shown(path), "Check the library in Calibre")
        digest = hashlib.sha1(usedforsecurity=False)
        buffer = bytearray(max(1, min(_BUFFER, before.st_size + 1)))
        view = memoryview(buffer)
        read = 0
        while count := os.readv(descriptor, [buffer]):
            digest.update(view[:count])
            read += count
            if read > before.st_size:
                break  # it grows, perhaps as fast as it is read
            if going_on is not None:
                going_on(read)
        after = os.fstat(descriptor)
    except OSError as error:
        raise _explained(error, path) from error
    finally:
        os.close(descriptor)
    if read != after.st_size or _state(before) != _state(after):
        raise Transient("The file changed while it was read", _shown(path), "It is read again later")
    return Hashed(digest.hexdigest(), read, after.st_mtime_ns)


def _state(found: os.stat_result) -> tuple[int, int]:
    # Not the time of its inode: that changes as well when somebody links to the file.
    return found.st_size, found.st_mtime_ns


def _explained(error: OSError | ValueError, path: Path) -> MedialiftError:
    if not isinstance(error, OSError):  # a NUL in its name
        return Permanent("The name of the file is none", _shown(path), "Rename the book in Calibre")
    if error.errno in _FOR_GOOD:
        what, hint = _FOR_GOOD[error.errno]
        return Permanent(what, _shown(path), hint)
    return Transient(
        f"The file cannot be read ({error.strerror or error})", _shown(path), "Check the disk and its mount"
    )


def _shown(path: Path) -> str:
    """A path as it can be shown and stored: no NUL, and a mark for bytes that are no UTF-8."""
    return str(path).encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
