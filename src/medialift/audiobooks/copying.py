"""Copying a whole file: by the kernel where it can, else byte by byte; on disk when it is done."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from threading import Event
from typing import BinaryIO

from medialift.errors import Transient

_BY_KERNEL_BYTES, _BYTES = 1 << 26, 1 << 22
# The kernel copies within a file system only, and not on all of them; an inbox is often another one.
_NOT_BY_KERNEL = frozenset(
    (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF, errno.ETXTBSY)
)


def copy(source: Path, target: Path, stop: Event | None = None) -> None:
    """Copy the bytes of a file; what was at `target` is overwritten.

    Raises:
        Transient: `stop` was set.
        OSError: it cannot be read or written, or became shorter while it was read.
    """
    with source.open("rb") as read, target.open("wb") as written:
        left = os.fstat(read.fileno()).st_size
        by_kernel = True
        while left:
            if stop is not None and stop.is_set():
                raise Transient("Copying a book was stopped", str(source))
            copied = _by_kernel(read, written, left) if by_kernel else None
            if copied is None:
                by_kernel = False
                content = read.read(min(left, _BYTES))
                copied = len(content)
                written.write(content)
            if not copied:
                raise OSError(errno.EIO, "It became shorter while it was read", str(source))
            left -= copied
        written.flush()
        os.fsync(written.fileno())


def _by_kernel(read: BinaryIO, written: BinaryIO, left: int) -> int | None:
    """Bytes that the kernel copied; None when it cannot copy from there to there (some say so with 0)."""
    try:
        return os.copy_file_range(read.fileno(), written.fileno(), min(left, _BY_KERNEL_BYTES)) or None
    except OSError as error:
        if error.errno in _NOT_BY_KERNEL:
            return None
        raise
