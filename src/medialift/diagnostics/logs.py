"""Logs: collected from files and the journal, secrets masked, packed into one archive, brought out.

Nothing is collected whole that has no bound: of each source the newest part is kept, and the collection says
what was cut. The archive goes to a folder, to the store, or to both; where one of two fails, the other must
not be lost with it, and the failure is told.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from medialift import settings
from medialift.cloud.objects import Store, Upload
from medialift.diagnostics import files, host, journals, known
from medialift.diagnostics.host import Here
from medialift.diagnostics.part import Limits, Part, Source, gathered
from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation import archive, atomic, process
from medialift.foundation.archive import Member, Written
from medialift.foundation.process import Runner
from medialift.foundation.text import redact
from medialift.foundation.waiting import SystemClock

_JOURNAL_SECONDS = 60.0
# Seconds over which a failing store is tried again: what it is to get is on this host too, or the machine
# is about to go, and somebody waits.
STORE_PATIENCE = 60.0
_PIECE = 1 << 20


@dataclass(frozen=True)
class Sources:
    """What is collected.

    Attributes:
        files: patterns of absolute paths, as `glob` takes them (`**` for any depth).
        units: systemd units, or patterns of them, whose journal is collected; one that never ran gives an
            empty file.
        secrets: values to mask besides those that are known by their shape.
        more: further sources, such as what the host says about itself.
    """

    files: Sequence[str] = ()
    units: Sequence[str] = ()
    secrets: Sequence[str] = ()
    more: Sequence[Source] = ()


@dataclass(frozen=True)
class StorePlace:
    """Where in a store the archive goes: below the beginning of a key."""

    store: Store
    bucket: str
    prefix: str

    def key(self, name: str) -> str:
        """The key of an archive."""
        return f"{self.prefix.rstrip('/')}/{name}.tar.zst".lstrip("/")


@dataclass(frozen=True)
class Told:
    """One part that was collected: its name, its size in bytes, and why it is missing, if it is."""

    name: str
    bytes: int
    missing: str = ""

    def to_dict(self) -> dict[str, Any]:
        """{name, bytes, missing}."""
        return {"name": self.name, "bytes": self.bytes, "missing": self.missing}


@dataclass(frozen=True)
class Collected:
    """A collection that was brought out.

    Attributes:
        path: where it is on this host; "" when it is not.
        url: where it is in the store; "" when it is not there.
        parts: what is in it.
        problems: why it is not where it should be as well: one sentence for each place.
    """

    path: str
    url: str
    written: Written
    parts: tuple[Told, ...]
    problems: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """{url, path, bytes, sha256, members, missing: [names], problems}; `url` is the path if not sent."""
        return {
            "url": self.url or self.path,
            "path": self.path,
            "bytes": self.written.bytes,
            "sha256": self.written.sha256,
            "members": len(self.parts),
            "missing": [part.name for part in self.parts if part.missing],
            "problems": list(self.problems),
        }


@dataclass
class _Packing:
    """Writes a collection, and remembers what went into it."""

    name: str
    sources: Sources
    runner: Runner
    limits: Limits
    told: list[Told] = field(default_factory=list)

    def write(self, out: BinaryIO) -> Written:
        self.told = []
        created = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = {"kind": "logs", "name": self.name, "created": created}
        return archive.write(self._members(), out, manifest=manifest)

    def _members(self) -> Iterator[Member]:
        for part in gathered(_all(self.sources, self.runner, self.limits), self.limits, SystemClock()):
            name = self._free(part.name)
            text = f"[{part.missing}]\n" if part.missing else part.content
            content = redact(text, self.sources.secrets).encode(errors="replace")
            self.told.append(Told(name, len(content), redact(part.missing, self.sources.secrets)))
            yield Member(name, content, mode=0o600)
        listed = json.dumps([one.to_dict() for one in self.told], indent=2, ensure_ascii=False) + "\n"
        yield Member("contents.json", listed.encode(), mode=0o600)

    def _free(self, name: str) -> str:
        """The name, or one beside it that no part has yet."""
        there = {one.name for one in self.told}
        names = (name if number == 1 else f"{name}.{number}" for number in range(1, len(there) + 2))
        return next(one for one in names if one not in there)


def collect(
    sources: Sources,
    *,
    name: str,
    runner: Runner,
    folder: Path | None = None,
    store: StorePlace | MedialiftError | None = None,
    limits: Limits | None = None,
) -> Collected:
    """Pack the logs into `<name>.tar.zst`, in a folder, in a store, or in both.

    Args:
        store: an error stands for a store that is asked for and cannot be used.

    Raises:
        Permanent: neither folder nor store was given, or it could be put nowhere; Transient: it could be put
            nowhere, and may be later.
    """
    if folder is None and store is None:
        raise Permanent("Logs go somewhere", name, "Give a folder, or a place in the store")
    packing = _Packing(name, sources, runner, limits or Limits())
    failed: list[MedialiftError] = []
    path = url = ""
    written: Written | None = None
    if folder is not None:
        try:
            written = _into(folder / f"{name}.tar.zst", packing)
            path = str(folder / f"{name}.tar.zst")
        except MedialiftError as error:
            failed.append(error)
    if store is not None:
        try:
            if isinstance(store, MedialiftError):
                raise store
            sent = _upload(store, packing, Path(path) if path else None)
            written = written or sent
            url = f"s3://{store.bucket}/{store.key(name)}"
        except MedialiftError as error:
            failed.append(error)
    if written is None:
        raise _nowhere(name, failed)
    problems = tuple(redact(str(error), sources.secrets) for error in failed)
    return Collected(path, url, written, tuple(packing.told), problems)


def collect_here(
    sources: Sources,
    *,
    name: str,
    folder: Path | None = None,
    store: bool | None = None,
    limits: Limits | None = None,
    patience: float = STORE_PATIENCE,
) -> Collected:
    """`collect` on this host, with what it says about itself: its secrets are masked, its store is used.

    Args:
        store: whether the archive goes to the store of the settings; None: if no folder is given.
        patience: seconds over which a failing store is tried again.

    Raises:
        Permanent, Transient: as `collect`.
    """
    loaded = load()
    here = Here(loaded)
    place: StorePlace | MedialiftError | None = None
    if folder is None if store is None else store:
        place = loaded if isinstance(loaded, MedialiftError) else _place(loaded.settings, patience)
    return collect(
        replace(
            sources,
            secrets=[*sources.secrets, *_secrets(here, limits or Limits())],
            more=[*host.about(here), *sources.more],
        ),
        name=name,
        runner=process.runner(timeout=_JOURNAL_SECONDS),
        folder=folder,
        store=place,
        limits=limits,
    )


def load() -> settings.Loaded | MedialiftError:
    """This host's settings, or the error: what is wrong with them must not keep the logs from coming out."""
    try:
        return settings.load()
    except MedialiftError as error:
        return error


def _secrets(here: Here, limits: Limits) -> list[str]:
    loaded = here.loaded if isinstance(here.loaded, settings.Loaded) else None
    preferences = str(here.settings.plex.data / "Preferences.xml")
    return known.secrets(str(settings.file_in_use()), loaded, preferences, patience=limits.silence)


def _place(given: settings.Settings, patience: float) -> StorePlace | MedialiftError:
    if not given.store.bucket:
        return Permanent("There is no store to put logs into", "store.bucket", "Set it, or give a folder")
    store = Store.of(given.store, patience=patience)
    store = replace(store, timeout=min(store.timeout, patience))
    return StorePlace(store, given.store.bucket, f"{given.store.prefix}/logs")


def _all(sources: Sources, runner: Runner, limits: Limits) -> Iterator[Source]:
    yield from sources.more
    for unit in sources.units:
        name = f"journal/{unit.replace('*', '_')}.log"
        yield Source(name, partial(_journal, unit, runner), at_most=_JOURNAL_SECONDS)
    if sources.files:
        yield Source("files", partial(_files, sources.files, limits), at_most=limits.seconds)


def _journal(unit: str, runner: Runner, _left: float) -> Iterable[Part]:
    yield journals.newest(unit, runner)


def _files(patterns: Sequence[str], limits: Limits, left: float) -> Iterable[Part]:
    return files.newest(patterns, kept=limits.part, patience=min(limits.silence, left))


def _into(path: Path, packing: _Packing) -> Written:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path, mode=0o600) as out:
            return packing.write(out)
    except OSError as error:
        kind = Transient if error.errno in (errno.ENOSPC, errno.EDQUOT) else Permanent
        raise kind("The logs could not be written", str(path), str(error.strerror)) from error


def _upload(place: StorePlace, packing: _Packing, packed: Path | None) -> Written | None:
    """Send what is packed, or pack it on the way where the disk could not take it."""
    written = None
    try:
        with Upload(place.store, place.bucket, place.key(packing.name)) as upload:
            if packed is None:
                written = packing.write(upload)  # type: ignore[arg-type]
            else:
                with packed.open("rb") as file:
                    shutil.copyfileobj(file, upload, _PIECE)
            upload.commit()
    except OSError as error:
        raise Transient("The logs could not be read to be sent", str(packed), str(error.strerror)) from error
    return written


def _nowhere(name: str, failed: Sequence[MedialiftError]) -> MedialiftError:
    if len(failed) == 1:
        return failed[0]
    kind = Transient if any(isinstance(error, Transient) for error in failed) else Permanent
    return kind("The logs could be put nowhere", name, " ".join(str(error) for error in failed).rstrip("."))
