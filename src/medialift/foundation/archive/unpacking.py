"""Unpacking to disk, beside the place where it will be, and moved there when all of it is good."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from medialift.errors import Unsafe
from medialift.foundation.archive.member import Entry
from medialift.foundation.archive.placing import Placing
from medialift.foundation.atomic import sync_folder


class Unpacking:
    """Writes wanted members under a hidden folder beside `into`; `publish` renames it to `into`.

    Without `publish`, leaving the block removes everything that was written.
    """

    def __init__(self, into: Path, want: Callable[[str], bool]) -> None:
        self._into = Path(into)
        self._want = want
        self._staging = ""

    def __enter__(self) -> Unpacking:
        if self._into.exists() and (not self._into.is_dir() or any(self._into.iterdir())):
            raise Unsafe(
                "The folder to unpack into is not empty", str(self._into), "Name an empty or absent one"
            )
        self._staging = tempfile.mkdtemp(prefix=f".{self._into.name}.", suffix=".part", dir=self._into.parent)
        self._placing = Placing(self._staging)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._placing.close()
        if Path(self._staging).exists():
            shutil.rmtree(self._staging)

    @property
    def folder(self) -> str:
        """Where the members are put until all are known to be good."""
        return self._staging

    def wants(self, name: str) -> bool:
        return self._want(name)

    def begin(self, entry: Entry) -> Callable[[memoryview], object] | None:
        if not self._want(entry.name):
            return None
        self._placing.begin(entry)
        return self._placing.write

    def end(self, entry: Entry) -> None:
        self._placing.end(entry)

    def publish(self) -> None:
        """All was good: the folder appears under its name."""
        Path(self._staging).chmod(0o755)
        # Over an empty folder a rename is allowed, over a full one it is not.
        Path(self._staging).rename(self._into)
        sync_folder(self._into.parent)
