"""Where an archive comes from: a file, or an object of the store; its description lies beside it."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from medialift.cloud import objects
from medialift.errors import Permanent, Unsafe
from medialift.plex.restore.described import Sidecar

NEWEST = "newest"
_ARCHIVES = (".tar.zst", ".tar.gz")


class ArchiveSource(Protocol):
    """An archive that can be read from its beginning, any number of times."""

    @property
    def name(self) -> str:
        """As a person names it: a path or a key."""
        ...

    def size(self) -> int:
        """Bytes.

        Raises:
            Permanent: there is no such archive.
        """
        ...

    def open(self) -> AbstractContextManager[BinaryIO]: ...

    def sidecar(self) -> Sidecar | None:
        """Its description; None when there is none, as with archives of the old kind."""
        ...


@dataclass(frozen=True)
class LocalArchive:
    """An archive in a file, `<file>.json` beside it."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise Permanent("There is no such archive", self.name, "Check the path") from error

    def open(self) -> AbstractContextManager[BinaryIO]:
        self.size()
        return self.path.open("rb")

    def sidecar(self) -> Sidecar | None:
        try:
            text = self.path.with_name(self.path.name + ".json").read_bytes()
        except FileNotFoundError:
            return None
        return _parsed(text, self.name)


@dataclass(frozen=True)
class StoredArchive:
    """An archive in the store, `<key>.json` beside it."""

    store: objects.Store
    bucket: str
    key: str

    @property
    def name(self) -> str:
        return self.key

    def size(self) -> int:
        found = objects.head(self.store, self.bucket, self.key)
        if found is None:
            raise Permanent(
                "There is no such archive", f"{self.bucket}/{self.key}", "Look at the bucket for its name"
            )
        return found.size

    def open(self) -> AbstractContextManager[BinaryIO]:
        return cast(
            "AbstractContextManager[BinaryIO]", objects.open_reader(self.store, self.bucket, self.key)
        )

    def sidecar(self) -> Sidecar | None:
        key = f"{self.key}.json"
        if objects.head(self.store, self.bucket, key) is None:
            return None
        return _parsed(objects.get_bytes(self.store, self.bucket, key), self.name)


def find(
    name: str,
    *,
    store: objects.Store | None = None,
    bucket: str = "",
    prefix: str = "",
    library: str = "",
    kind: str = "burst",
) -> ArchiveSource:
    """The archive that a person means.

    Args:
        name: an absolute path, a key of the store, or "newest": the newest of `<prefix>/<kind>/<library>-…`
            whose description is complete.

    Raises:
        Permanent: there is none, or a store is needed and not configured.
    """
    if name.startswith("/"):
        return LocalArchive(Path(name))
    if store is None or not bucket:
        raise Permanent(
            "The archive is in the store, and no store is configured",
            name or "no name",
            "Set store.bucket and its keys, or name a file with its full path",
        )
    if name != NEWEST:
        return StoredArchive(store, bucket, name)
    start = f"{prefix}/{kind}/{library}-"
    keys = {found.key for found in objects.list_objects(store, bucket, start)}
    # The description is written last: an archive without one was never finished. Names end in their time.
    complete = sorted(key for key in keys if key.endswith(_ARCHIVES) and f"{key}.json" in keys)
    if not complete:
        raise Permanent("There is no archive to import yet", f"{bucket}/{start}…", "Run a burst first")
    return StoredArchive(store, bucket, complete[-1])


def _parsed(text: bytes, name: str) -> Sidecar:
    try:
        told: Any = json.loads(text)
    except ValueError as error:
        raise Unsafe("The description beside the archive cannot be read", name, "Export again") from error
    return Sidecar.of(told, name)
