"""Uploads of ours whose answer was lost: found again on the server instead of being made twice.

The server has no list of its uploads. Their rows have rising numbers, so the row of a lost metadata task lies
above the highest number that was known before it was called; or, where the server's database is in reach, it
is simply asked for. An upload that has no row yet can only be found on the disk, by the name that we gave it.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from medialift.books.server.api import Server

_AT_ONCE = 8
# So many numbers above the highest that anybody has seen may be those of others' calls at the same time.
_BEYOND = 96
_AT_MOST = 5000


class Uploads:
    """The numbers of upload rows that this worker has seen, and the search for those it has not.

    Args:
        data: the server's data folder, where this host has it.
        of_file: asks the server's database for the number of the row of a file; None: it is not in reach.
    """

    def __init__(
        self,
        server: Server,
        *,
        highest: int = 0,
        data: Path | None = None,
        of_file: Callable[[str], int | None] | None = None,
    ) -> None:
        self.highest = highest
        self._server, self._data, self._of_file = server, data, of_file

    def saw(self, number: int) -> None:
        self.highest = max(self.highest, number)

    async def row_of(self, server_file: str, above: int) -> int | None:
        """The number of the row of an upload, above a number; None when the task has left none.

        Raises:
            Transient: the server does not answer.
        """
        if self._of_file is not None:
            return await asyncio.to_thread(self._of_file, server_file)
        last = min(max(self.highest, above) + _BEYOND, above + _AT_MOST)
        for start in range(above + 1, last + 1, _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, last + 1))
            rows = await asyncio.gather(*(self._server.upload_row(number) for number in numbers))
            for row in rows:
                if row is not None:
                    self.saw(row.id)
                    if row.file == server_file:
                        return row.id
        return None

    async def on_disk(self, upload_name: str, size: int, sha1: str) -> str | None:
        """Where the server keeps an upload of this name and content, if we can see its folder.

        Only for a content that is claimed, and of which no upload is written down: then all others of this
        name are what earlier attempts left half, or did not live to tell of, and they are removed.
        """
        if self._data is None:
            return None
        return await asyncio.to_thread(self._look, self._data / "uploads", upload_name, size, sha1)

    async def clear(self, upload_name: str) -> None:
        """Remove what earlier attempts left of an upload of which nothing is needed any more."""
        if self._data is not None:
            await asyncio.to_thread(self._look, self._data / "uploads", upload_name, -1, "")

    @staticmethod
    def _look(folder: Path, upload_name: str, size: int, sha1: str) -> str | None:
        kept: str | None = None
        for found in sorted(folder.glob(f"*/{upload_name}")):
            # Whatever the disk says against it, the file is sent again then.
            with suppress(OSError):
                if kept is None and found.stat().st_size == size and _sha1(found) == sha1:
                    kept = f"{found.parent.name}/{found.name}"
                else:
                    shutil.rmtree(found.parent)
        return kept


def _sha1(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()
