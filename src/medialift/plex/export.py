"""Export a library: copy, check, stream to every place at once, read back, and only then call it good.

Only the databases are copied on this machine; everything else goes straight from Plex's folder into the
archive, and the archive straight to its places. Whatever goes wrong, no place is left with something that
could be taken for an archive.
"""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, cast

from medialift.errors import MedialiftError, Permanent, Transient, Unsafe
from medialift.foundation import archive
from medialift.foundation.archive import Member, Written
from medialift.foundation.jobs import Stopped
from medialift.foundation.journal import Journal, PhaseWriter
from medialift.foundation.units import format_size
from medialift.foundation.waiting import Clock, SystemClock
from medialift.plex import room, snapshot
from medialift.plex.data_folder import (
    BLOBS_NAME,
    CONTENTS,
    LIBRARY_NAME,
    Content,
    DataFolder,
    Size,
    forbidden,
)
from medialift.plex.manifest import (
    SIDECAR_SUFFIX,
    ArchiveFacts,
    Kind,
    Manifest,
    Sidecar,
    archive_name,
    created_of,
)
from medialift.plex.places import Pending, Place
from medialift.plex.snapshot import Check, Mode, Pair, Service

# A burst may take three days; what an older writer left unfinished has no writer any more.
_STALE = timedelta(days=4)
_TELL_SECONDS = 10.0
# A copy that Plex wrote into is thrown away; on a server that is in use one often succeeds soon after.
_TRIES = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and how.

    Args:
        kind: "reference" from home, "burst" from the cloud.
        library: name of the library, part of the archive's name.
        plex_version: of the server that wrote the databases.
        mode: "online" copies the databases of a running, idle Plex; "stopped" stops it for the copy.
        contents: what goes in; the manifest lists it.
        path_map: {home's path: the cloud's}, kept in the manifest for the way back.
        reference: of a burst, {sha256, created, watch_state} of what it was made from.
        quarantine: why the archive must not be imported; any reason sends it to `quarantine/`.
        acceptable: those reasons are only that a person did not say yet that deletions are meant.
        believed_deleted: of a burst, {section's id: items} whose media are gone from the store.
        keep_damaged: a damaged library is archived too, in quarantine, instead of refused.
        label: what the archive is called by who asked for it.
        previews: with the `.bif` files.
        level: zstd's, 1 to 19.
        work: folder for the copies of the databases; None puts them beside the first folder that is a
            destination, or where the system keeps temporary files.
        keep_free: bytes that must stay free on every disk that is written to.
    """

    kind: Kind
    library: str
    plex_version: str
    mode: Mode = "online"
    contents: tuple[Content, ...] = CONTENTS
    path_map: Mapping[str, str] = field(default_factory=dict)
    reference: Mapping[str, Any] | None = None
    quarantine: tuple[str, ...] = ()
    acceptable: bool = False
    believed_deleted: Mapping[str, int] = field(default_factory=dict)
    keep_damaged: bool = False
    label: str = ""
    previews: bool = True
    level: int = 3
    work: Path | None = None
    keep_free: int = 0

    def __post_init__(self) -> None:
        unknown = [name for name in self.contents if name not in CONTENTS]
        if unknown or "databases" not in self.contents:
            raise Permanent(
                "The contents of an export are wrong",
                ", ".join(unknown) or "without databases there is no library",
                f"Choose from: {', '.join(CONTENTS)}",
            )
        if not self.plex_version:
            raise Permanent(
                "The version of Plex is not known", "", "Start Plex, or give the version that last ran"
            )


@dataclass(frozen=True)
class Exported:
    """A verified archive: its addresses, its facts and its manifest."""

    archives: tuple[str, ...]
    facts: ArchiveFacts
    manifest: Manifest
    quarantined: bool
    reasons: tuple[str, ...]
    acceptable: bool = False

    def to_dict(self) -> dict[str, Any]:
        """{archives, bytes, sha256, members, content_bytes, quarantined, reasons, acceptable, manifest}."""
        return {
            "archives": list(self.archives),
            **asdict(self.facts),
            "quarantined": self.quarantined,
            "reasons": list(self.reasons),
            "acceptable": self.acceptable,
            "manifest": self.manifest.to_dict(),
        }


@dataclass(frozen=True)
class Forecast:
    """What an export would make: the addresses (their time will be that of the export) and what goes in."""

    archives: tuple[str, ...]
    size: Size

    def to_dict(self) -> dict[str, Any]:
        """{archives, files, content_bytes}."""
        return {
            "archives": list(self.archives),
            "files": self.size.files,
            "content_bytes": self.size.bytes,
        }


@dataclass(frozen=True)
class Means:
    """What an export needs besides the request.

    Args:
        check: what is wrong with a database; by Plex's own SQLite, since no other can check a whole library.
        service: Plex's, for mode "stopped".
        idle: whether Plex does nothing to its library, for mode "online".
        free: bytes free where a path lies.
    """

    journal: Journal
    check: Check
    service: Service | None = None
    idle: Callable[[], bool] = lambda: True
    clock: Clock = field(default_factory=SystemClock)
    stop: Event = field(default_factory=Event)
    free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free


def forecast(
    data: DataFolder, places: Sequence[Place], request: ExportRequest, *, clock: Clock | None = None
) -> Forecast:
    """What `export` would make, without touching anything.

    Raises:
        Permanent: there is no library in the folder.
    """
    size = data.checked().measure(request.contents, previews=request.previews)
    name = _name(request, _now(clock or SystemClock()), quarantined=bool(request.quarantine))
    return Forecast(tuple(place.locate(name) for place in places), size)


def export(data: DataFolder, places: Sequence[Place], request: ExportRequest, means: Means) -> Exported:
    """Export a library to every place, or to none.

    Raises:
        Permanent: no library there, a place refuses, a disk is too small or full.
        Transient: Plex is at work or changed a file meanwhile, or a store failed for too long.
        Unsafe: a database is damaged or open, or what was read back is not what was written.
        Stopped: `means.stop` was set.
    """
    journal = means.journal
    if not places:
        raise Permanent("The export has no destination", "", "Name a folder or s3://bucket/prefix")
    with journal.phase("prepare the export") as phase:
        data.checked()
        for place in places:
            place.check()
            _tidy(place, request, means.clock)
        work_parent = room.work_parent(places, request.work)
        size = data.measure(request.contents, previews=request.previews)
        room.prove(data, size, places, work_parent, keep_free=request.keep_free, free=means.free)
        phase.end(f"{size.files} files, {format_size(size.bytes)}", files=size.files, bytes=size.bytes)
    with room.private_folder(work_parent) as work:
        pair = _copy(data, work, request, means)
        with journal.phase("check the databases") as phase:
            manifest, reasons = _describe(data, pair, request, means)
            phase.end("; ".join(reasons) or "sound", quarantined=bool(reasons))
        return _archive(data, pair, places, manifest, reasons, request, means)


def _copy(data: DataFolder, work: Path, request: ExportRequest, means: Means) -> Pair:
    with means.journal.phase("copy the databases", mode=request.mode) as phase:
        if request.mode == "online":
            pair = _copy_online(data, work, means, phase)
        elif means.service is None:
            raise Permanent("Plex cannot be stopped: its service is not known", "", "Set plex.unit")
        else:
            with snapshot.stopped(means.service, data):
                pair = snapshot.copy_stopped(data, work)
        snapshot.hand_to(pair, data.library.stat())
        return pair


def _copy_online(data: DataFolder, work: Path, means: Means, phase: PhaseWriter) -> Pair:
    for _ in range(_TRIES - 1):
        try:
            return snapshot.copy_online(data, work, idle=means.idle)
        except Transient as error:
            if means.stop.is_set():
                raise Stopped("the export") from error
            phase.note(f"again: {error}")
    return snapshot.copy_online(data, work, idle=means.idle)


def _describe(
    data: DataFolder, pair: Pair, request: ExportRequest, means: Means
) -> tuple[Manifest, tuple[str, ...]]:
    """The manifest, and why the archive belongs into quarantine.

    Raises:
        Unsafe: the databases are damaged, and the request does not want those.
    """
    damage: list[str]
    if request.keep_damaged:
        try:
            damage = snapshot.damage(pair, means.check)
        except MedialiftError as error:
            damage = [f"it could not be checked: {error}"]
        facts, missing = snapshot.facts_as_far_as_they_go(pair)
        damage += missing
    else:
        damage = snapshot.damage(pair, means.check)
        if damage:
            raise Unsafe(
                "The library is damaged and is not exported", "; ".join(damage), "Repair or restore it first"
            )
        facts = snapshot.facts(pair)
    if request.believed_deleted:
        facts = {
            **facts,
            "sections": tuple(
                {**section, "believed_deleted": request.believed_deleted.get(str(section["id"]), 0)}
                for section in facts.get("sections", ())
            ),
        }
    manifest = Manifest(
        kind=request.kind,
        library=request.library,
        created=_now(means.clock).strftime("%Y-%m-%dT%H:%M:%SZ"),
        plex_version=request.plex_version,
        machine=data.machine_digest(),
        contents=request.contents,
        path_map={"forward": dict(request.path_map)} if request.path_map else {},
        reference=request.reference,
        label=request.label,
        **facts,
    )
    return manifest, (*request.quarantine, *damage)


def _archive(
    data: DataFolder,
    pair: Pair,
    places: Sequence[Place],
    manifest: Manifest,
    reasons: tuple[str, ...],
    request: ExportRequest,
    means: Means,
) -> Exported:
    created = datetime.strptime(manifest.created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    name = _name(request, created, quarantined=bool(reasons))
    for place in places:
        if place.size(name) is not None:
            raise Transient(
                "There is an archive of this very second already", place.locate(name), "Try again"
            )
    with ExitStack() as undo:
        with means.journal.phase("write the archive", archive=name) as phase:
            pending = [_begin(place, name, undo) for place in places]
            out = _Everywhere(pending, phase, means)
            members = _members(data, pair, request)
            with _full_disk_is_permanent():
                written = archive.write(
                    members, cast(BinaryIO, out), manifest=manifest.to_dict(), level=request.level
                )
            for one in pending:
                one.finish()
            phase.end(f"{format_size(written.bytes)} in {written.members} files", **asdict(written))
        with means.journal.phase("verify the archive", archive=name) as phase:
            for place, one in zip(places, pending, strict=True):
                _prove(one, place.locate(name), written, manifest, means)
            phase.end(f"{len(places)} read back and found good", sha256=written.sha256)
        # Damage that was found here is none that a person could accept.
        acceptable = request.acceptable and bool(reasons) and reasons == request.quarantine
        sidecar = Sidecar(manifest, ArchiveFacts(**asdict(written)), bool(reasons), reasons, acceptable)
        for place, one in zip(places, pending, strict=True):
            one.publish()
            undo.callback(_quietly, place.delete, name + SIDECAR_SUFFIX)
            place.put(name + SIDECAR_SUFFIX, sidecar.to_json())
        undo.pop_all()
    return Exported(
        tuple(place.locate(name) for place in places),
        sidecar.archive,
        manifest,
        bool(reasons),
        reasons,
        acceptable,
    )


def _members(data: DataFolder, pair: Pair, request: ExportRequest) -> Iterator[Member]:
    # The copies keep the permissions and times of what they were copied from.
    for name, copy, source in (
        (LIBRARY_NAME, pair.library, data.library),
        (BLOBS_NAME, pair.blobs, data.blobs),
    ):
        yield Member(name, str(copy), mode=0o644, mtime=int(source.stat().st_mtime))
    for member in data.members(request.contents, previews=request.previews):
        # Seen once more at the very door: an identity that travels makes two servers one.
        if forbidden(member.name):
            raise Unsafe("A file that must stay with its server was about to be exported", member.name)
        yield member


def _begin(place: Place, name: str, undo: ExitStack) -> Pending:
    pending = place.create(name)
    undo.callback(_quietly, pending.discard)
    return pending


def _prove(one: Pending, url: str, written: Written, manifest: Manifest, means: Means) -> None:
    """Read an archive back from where it went.

    Raises:
        Unsafe: it is not what was written.
    """
    stream = one.read_back()
    try:
        verified = archive.verify(cast(BinaryIO, _Stoppable(stream, means.stop)))
    except Unsafe as error:
        raise Unsafe(
            f"The archive was damaged on its way ({error.what})", url, "Check the disk or store, export again"
        ) from error
    finally:
        stream.close()
    same = (verified.bytes, verified.sha256, verified.members, verified.content_bytes) == (
        written.bytes,
        written.sha256,
        written.members,
        written.content_bytes,
    )
    if not same or Manifest.from_dict(verified.manifest) != manifest:
        raise Unsafe(
            "What was read back is not what was written", url, "Check the disk or store, export again"
        )


class _Everywhere:
    """Writes to all places at once, tells the progress, and ends when it is told to stop."""

    def __init__(self, pending: Sequence[Pending], phase: PhaseWriter, means: Means) -> None:
        self._pending = pending
        self._phase = phase
        self._means = means
        self._bytes = 0
        self._told = means.clock.monotonic()

    def write(self, data: bytes) -> int:
        if self._means.stop.is_set():
            raise Stopped("the export")
        for one in self._pending:
            one.write(data)
        self._bytes += len(data)
        now = self._means.clock.monotonic()
        if now - self._told >= _TELL_SECONDS:
            self._told = now
            self._phase.progress(f"{format_size(self._bytes)} written", bytes=self._bytes)
        return len(data)


class _Stoppable:
    def __init__(self, stream: BinaryIO, stop: Event) -> None:
        self._stream = stream
        self._stop = stop

    def read(self, size: int = -1) -> bytes:
        if self._stop.is_set():
            raise Stopped("the export")
        return self._stream.read(size)


@contextmanager
def _full_disk_is_permanent() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise Permanent("The disk is full", str(error.filename or ""), "Make room") from error


def _tidy(place: Place, request: ExportRequest, clock: Clock) -> None:
    """Remove what killed exports of this library left unfinished.

    What may still be written by somebody else is left alone: where nobody can tell, by the time in its name.
    """
    for folder in (request.kind, "quarantine"):
        for left in place.unfinished(f"{folder}/{request.library}-"):
            created = created_of(left.name)
            if created is not None and (left.abandoned or created < _now(clock) - _STALE):
                place.discard_unfinished(left.name)


def _quietly(undo: Callable[..., object], *arguments: object) -> None:
    """Clean up without hiding the error that made it necessary."""
    try:
        undo(*arguments)
    except (MedialiftError, OSError) as error:
        _log.warning("What is left of a failed export could not be removed: %s", error)


def _name(request: ExportRequest, created: datetime, *, quarantined: bool) -> str:
    return archive_name(request.kind, request.library, created, quarantined=quarantined)


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(int(clock.now()), UTC)
