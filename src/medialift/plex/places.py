"""Where archives are kept: below a prefix of the object store, or in a folder. Both look alike from here."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from medialift.cloud import objects
from medialift.errors import Permanent
from medialift.foundation import atomic

_PART = ".part"


@dataclass(frozen=True)
class Unfinished:
    """A name of which only a part is there. `abandoned`: its writer is dead; a store cannot tell."""

    name: str
    abandoned: bool


class Pending(Protocol):
    """Something being written, which nobody takes for complete yet."""

    def write(self, data: bytes) -> int: ...
    def finish(self) -> None:
        """All was written: it can be read back now."""
        ...

    def read_back(self) -> BinaryIO:
        """What the place really holds, from its beginning."""
        ...

    def publish(self) -> None:
        """It was found good and gets its name."""
        ...

    def discard(self) -> None:
        """Take it away, whatever state it is in."""
        ...


class Place(Protocol):
    """A folder of archives. Names are relative, with `/` between."""

    @property
    def url(self) -> str: ...
    def locate(self, name: str) -> str:
        """The full address of a name, for people and for later."""
        ...

    def check(self) -> None:
        """Prove that it can be listed and written, without leaving a trace."""
        ...

    def names(self, prefix: str) -> Iterator[str]:
        """The names that start with `prefix`, sorted."""
        ...

    def size(self, name: str) -> int | None:
        """Bytes of what is there; None when nothing is."""
        ...

    def read(self, name: str) -> bytes: ...
    def open(self, name: str) -> BinaryIO: ...
    def put(self, name: str, content: bytes) -> None: ...
    def delete(self, name: str) -> None: ...
    def create(self, name: str) -> Pending: ...
    def unfinished(self, prefix: str) -> list[Unfinished]:
        """What is being written below `prefix`, or was when its writer was killed."""
        ...

    def discard_unfinished(self, name: str) -> None: ...


def place_of(url: str, store: objects.Store | None) -> Place:
    """The place that `s3://bucket/prefix` or an absolute path names.

    Raises:
        Permanent: it is neither, or it is in a store and none is set up.
    """
    if url.startswith("s3://"):
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        if not bucket:
            raise Permanent("The address of the store names no bucket", url, "Write s3://bucket/prefix")
        if store is None:
            raise Permanent("No store is set up", url, "Set store.endpoint and its keys")
        return StorePlace(store, bucket, prefix.strip("/"))
    path = Path(url.removeprefix("file://"))
    if not path.is_absolute():
        raise Permanent(
            "A place for archives is a folder or a prefix in the store",
            url,
            "Write /folder or s3://bucket/prefix",
        )
    return FolderPlace(path)


@dataclass(frozen=True)
class StorePlace:
    """Below a prefix of a bucket."""

    store: objects.Store
    bucket: str
    prefix: str = ""

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def locate(self, name: str) -> str:
        return f"s3://{self.bucket}/{self._key(name)}"

    def check(self) -> None:
        objects.check(self.store, self.bucket, write=True, prefix=self.prefix)

    def names(self, prefix: str) -> Iterator[str]:
        for found in objects.list_objects(self.store, self.bucket, self._key(prefix)):
            yield self._name(found.key)

    def size(self, name: str) -> int | None:
        found = objects.head(self.store, self.bucket, self._key(name))
        return None if found is None else found.size

    def read(self, name: str) -> bytes:
        return objects.get_bytes(self.store, self.bucket, self._key(name))

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, objects.open_reader(self.store, self.bucket, self._key(name)))

    def put(self, name: str, content: bytes) -> None:
        objects.put_bytes(self.store, self.bucket, self._key(name), content, content_type="application/json")

    def delete(self, name: str) -> None:
        objects.delete(self.store, self.bucket, self._key(name))

    def create(self, name: str) -> Pending:
        return _PendingObject(self, name, objects.Upload(self.store, self.bucket, self._key(name)))

    def unfinished(self, prefix: str) -> list[Unfinished]:
        found = objects.unfinished_uploads(self.store, self.bucket, self._key(prefix))
        return [Unfinished(self._name(upload.key), abandoned=False) for upload in found]

    def discard_unfinished(self, name: str) -> None:
        for upload in objects.unfinished_uploads(self.store, self.bucket, self._key(name)):
            if upload.key == self._key(name):
                objects.abort_upload(self.store, self.bucket, upload)

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _name(self, key: str) -> str:
        return key.removeprefix(f"{self.prefix}/") if self.prefix else key


@dataclass
class _PendingObject:
    place: StorePlace
    name: str
    upload: objects.Upload
    committed: bool = False

    def write(self, data: bytes) -> int:
        return self.upload.write(data)

    def finish(self) -> None:
        # An object can only be read back under its name. Nobody takes it for an archive without a sidecar.
        self.upload.commit()
        self.committed = True

    def read_back(self) -> BinaryIO:
        return self.place.open(self.name)

    def publish(self) -> None:
        """It has its name since `finish`."""

    def discard(self) -> None:
        if self.committed:
            self.place.delete(self.name)
        else:
            self.upload.abort()


@dataclass(frozen=True)
class FolderPlace:
    """A folder of this machine. It is made when something is written."""

    path: Path

    @property
    def url(self) -> str:
        return str(self.path)

    def locate(self, name: str) -> str:
        return str(self.path / name)

    def check(self) -> None:
        with _as_permanent(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise Permanent("The folder for archives cannot be written", self.url, "Run as its owner or root")

    def free(self) -> int:
        """Bytes free on its disk, or on that of its nearest existing parent."""
        there = next(path for path in (self.path, *self.path.parents) if path.exists())
        return shutil.disk_usage(there).free

    def names(self, prefix: str) -> Iterator[str]:
        folder, _, start = prefix.rpartition("/")
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in sorted((self.path / folder).iterdir()):
                if path.is_file() and path.name.startswith(start) and not path.name.endswith(_PART):
                    yield f"{folder}/{path.name}" if folder else path.name

    def size(self, name: str) -> int | None:
        try:
            return (self.path / name).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes:
        with _as_permanent(self.path / name):
            return (self.path / name).read_bytes()

    def open(self, name: str) -> BinaryIO:
        with _as_permanent(self.path / name):
            return (self.path / name).open("rb")

    def put(self, name: str, content: bytes) -> None:
        with _as_permanent(self.path / name):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(self.path / name, content)

    def delete(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def create(self, name: str) -> Pending:
        return _PendingFile(self.path / name)

    def unfinished(self, prefix: str) -> list[Unfinished]:
        folder, _, start = prefix.rpartition("/")
        return [
            Unfinished(f"{folder}/{path.name[1:].removesuffix(_PART)}", abandoned=_is_unlocked(path))
            for path in sorted((self.path / folder).glob(f".{start}*{_PART}"))
        ]

    def discard_unfinished(self, name: str) -> None:
        _part(self.path / name).unlink(missing_ok=True)


class _PendingFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = _part(path)
        with _as_permanent(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Archives hold what people watched: for the owner only.
            self._file = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        # Held until it is published: shows later exports whether the writer still lives.
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def write(self, data: bytes) -> int:
        with _as_permanent(self._path):
            return self._file.write(data)

    def finish(self) -> None:
        with _as_permanent(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())

    def read_back(self) -> BinaryIO:
        return self._part.open("rb")

    def publish(self) -> None:
        self._part.rename(self._path)
        atomic.sync_folder(self._path.parent)
        self._part = self._path
        self._file.close()

    def discard(self) -> None:
        with suppress(OSError):  # closing flushes, which fails again on a full disk
            self._file.close()
        self._part.unlink(missing_ok=True)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}{_PART}")


def _is_unlocked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


@contextmanager
def _as_permanent(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Permanent("The disk is full", str(path), "Make room, or name another folder") from error
        raise Permanent(
            f"The place for archives cannot be used ({error.strerror})", str(path), "Check its path and owner"
        ) from error
