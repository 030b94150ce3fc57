"""A file that matters is written beside itself, flushed, and renamed: a reader sees old or new, no half."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def replacing(path: Path, *, mode: int | None = 0o644) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends well, and leaves no trace when not.

    The temporary file is dot-named and lies in the same folder, so the rename stays within one file
    system. Contents and folder are flushed to disk before and after the rename.

    Args:
        mode: None for what this process's umask leaves of 0666, as of any file that it makes.

    Raises:
        OSError: as `open` and `rename` raise it (disk full, no such folder, no permission).
    """
    path = Path(path)
    if mode is None:
        name = str(path.with_name(f".{path.name}.{secrets.token_hex(4)}.part"))
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    else:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, content: bytes, *, mode: int | None = 0o644) -> None:
    """Replace `path` by `content` in one step."""
    with replacing(path, mode=mode) as file:
        file.write(content)


def write_text(path: Path, content: str, *, mode: int | None = 0o644) -> None:
    """Replace `path` by `content` (UTF-8) in one step."""
    write_bytes(path, content.encode(), mode=mode)


def write_json(path: Path, content: Any, *, mode: int | None = 0o644) -> None:
    """Replace `path` by `content` as indented JSON with a final newline, in one step.

    Raises:
        TypeError: `content` holds something JSON cannot; `path` is left as it was.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n", mode=mode)
