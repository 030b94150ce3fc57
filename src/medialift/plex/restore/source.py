"""Which archive is meant: a file, an object of the store, or the newest; its description lies beside it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from medialift.cloud.objects import Store
from medialift.errors import Permanent
from medialift.plex import manifest
from medialift.plex.manifest import Kind, Sidecar
from medialift.plex.places import FolderPlace, Place, StorePlace

NEWEST = "newest"


@dataclass(frozen=True)
class ArchiveSource:
    """An archive in its place; it can be read from its beginning, any number of times."""

    place: Place
    file: str

    @classmethod
    def at(cls, path: Path) -> ArchiveSource:
        """An archive in a file."""
        return cls(FolderPlace(path.parent), path.name)

    @property
    def name(self) -> str:
        """As a person names it: a path or the address of an object."""
        return self.place.locate(self.file)

    def size(self) -> int:
        """Bytes.

        Raises:
            Permanent: there is no such archive.
        """
        found = self.place.size(self.file)
        if found is None:
            raise Permanent("There is no such archive", self.name, "Check its name")
        return found

    def open(self) -> AbstractContextManager[BinaryIO]:
        self.size()
        return cast("AbstractContextManager[BinaryIO]", self.place.open(self.file))

    def sidecar(self) -> Sidecar | None:
        """Its description; None when there is none, as with archives of the old kind.

        Raises:
            Permanent: there is no such archive.
            Unsafe: the description is malformed, or the archive is not as large as it says.
        """
        self.size()
        if self.place.size(self.file + manifest.SIDECAR_SUFFIX) is None:
            return None
        return manifest.load(self.place, self.file).sidecar


def find(
    name: str, *, store: Store | None, bucket: str, prefix: str, library: str, kind: Kind = "burst"
) -> ArchiveSource:
    """The archive that a person means.

    Args:
        name: an absolute path; `s3://bucket/key`; a name below the prefix of the store, with or without
            that prefix; or "newest": the newest that may be used of this kind and library.

    Raises:
        Permanent: there is no newest one, or a store is needed and not configured.
    """
    if name.startswith("/"):
        return ArchiveSource.at(Path(name))
    if store is None or not (bucket or name.startswith("s3://")):
        raise Permanent(
            "The archive is in the store, and no store is configured",
            name,
            "Set store.bucket and its keys, or name a file with its full path",
        )
    if name.startswith("s3://"):
        bucket, _, key = name.removeprefix("s3://").partition("/")
        return ArchiveSource(StorePlace(store, bucket), key)
    place = StorePlace(store, bucket, prefix)
    if name == NEWEST:
        return ArchiveSource(place, manifest.newest(place, kind, library).name)
    return ArchiveSource(place, name.removeprefix(f"{prefix}/") if prefix else name)
