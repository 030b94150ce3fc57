"""Unpacking to disk, beside the place where it will be, and moved there when all of it is good."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from medialift.errors import Unsafe
from medialift.foundation.archive.member import Entry
from medialift.foundation.atomic import sync_folder

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Unpacking:
    """Writes wanted members under a hidden folder beside `into`; `publish` renames it to `into`.

    Without `publish`, leaving the block removes everything that was written.
    """

    def __init__(self, into: Path, want: Callable[[str], bool]) -> None:
        self._into = Path(into)
        self._want = want
        self._folders: set[str] = set()
        self._handle = -1
        self._staging = ""

    def __enter__(self) -> Unpacking:
        if self._into.exists() and (not self._into.is_dir() or any(self._into.iterdir())):
            raise Unsafe(
                "The folder to unpack into is not empty", str(self._into), "Name an empty or absent one"
            )
        self._staging = tempfile.mkdtemp(prefix=f".{self._into.name}.", suffix=".part", dir=self._into.parent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        if Path(self._staging).exists():
            shutil.rmtree(self._staging)

    def begin(self, entry: Entry) -> Callable[[memoryview], object] | None:
        if not self._want(entry.name):
            return None
        path = f"{self._staging}/{entry.name}"
        folder = path.rpartition("/")[0]
        try:
            if folder not in self._folders:
                _make(folder)
                # Members come folder by folder: remembering few is enough, and memory stays constant.
                if len(self._folders) > 1000:
                    self._folders.clear()
                self._folders.add(folder)
            self._handle = os.open(path, _NEW_FILE, entry.mode & 0o777)
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise Unsafe(
                "The archive holds a member twice, or below another", entry.name, "Do not use it"
            ) from error
        return self._write

    def end(self, entry: Entry) -> None:
        handle, self._handle = self._handle, -1
        try:
            os.fchmod(handle, entry.mode & 0o777)
            os.utime(handle, (entry.mtime, entry.mtime))
        finally:
            os.close(handle)

    def publish(self) -> None:
        """All was good: the folder appears under its name."""
        Path(self._staging).chmod(0o755)
        # Over an empty folder a rename is allowed, over a full one it is not.
        Path(self._staging).rename(self._into)
        sync_folder(self._into.parent)

    def _write(self, piece: memoryview) -> None:
        while written := os.write(self._handle, piece):
            if written == len(piece):
                return
            piece = piece[written:]


def _make(folder: str) -> None:
    # As Path.mkdir(parents=True, exist_ok=True), which costs more than the folder itself.
    try:
        os.mkdir(folder)  # noqa: PTH102
    except FileExistsError:
        return
    except FileNotFoundError:
        _make(folder.rpartition("/")[0])
        _make(folder)
