"""Files put where an archive is unpacked to, each new, with its permissions and its time."""

from __future__ import annotations

import os

from medialift.errors import Unsafe
from medialift.foundation.archive.member import Entry

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Placing:
    """Creates members below a folder that is ours alone, one after the other."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._folders: set[str] = set()
        self._handle = -1

    def begin(self, entry: Entry) -> None:
        """Create the member's file; `write` goes there.

        Raises:
            Unsafe: there is one of this name already, or a file where a folder should be.
        """
        path = f"{self._folder}/{entry.name}"
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

    def write(self, piece: memoryview) -> None:
        while piece and (written := os.write(self._handle, piece)) != len(piece):
            piece = piece[written:]

    def end(self, entry: Entry) -> None:
        """The member is complete."""
        handle, self._handle = self._handle, -1
        try:
            os.fchmod(handle, entry.mode & 0o777)
            os.utime(handle, (entry.mtime, entry.mtime))
        finally:
            os.close(handle)

    def close(self) -> None:
        """Let go of a member that was not completed."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _make(folder: str) -> None:
    # As Path.mkdir(parents=True, exist_ok=True), which costs more than the folder itself.
    try:
        os.mkdir(folder)  # noqa: PTH102
    except FileExistsError:
        return
    except FileNotFoundError:
        _make(folder.rpartition("/")[0])
        _make(folder)
