"""The stage `deliver`: a tagged book into every library that wants it, and what became of it remembered.

What was done is in the manifest, by destination: a retry repeats only what is missing. A book is compared by
its hashes with what lies there; a different one of the same name is never overwritten, except the very file
that an earlier delivery of this book put there.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Event
from typing import Any, Literal

import httpx

from medialift.audiobooks import manifest as intake
from medialift.audiobooks.delivery import sidecars
from medialift.audiobooks.delivery.approval import holds_back, known
from medialift.audiobooks.delivery.library import Library, Limits, hash_of
from medialift.audiobooks.delivery.local import LocalLibrary, reading
from medialift.audiobooks.delivery.naming import Place, place
from medialift.audiobooks.delivery.rclone import RcloneLibrary
from medialift.audiobooks.delivery.rescan import PATIENCE, News, announce
from medialift.audiobooks.delivery.rsync import RsyncLibrary
from medialift.audiobooks.manifest import DeliveryRecord, ErrorRecord, Manifest, Need
from medialift.errors import MedialiftError, Permanent, Transient, Unsafe
from medialift.foundation.backoff import Patience
from medialift.foundation.locks import alone
from medialift.settings import AudiobooksSettings, DestinationSettings

# Of other books: a folder with one of them would be taken for one book by every server.
_AUDIO = (".m4b", ".m4a", ".mp3", ".mp4", ".aac", ".flac", ".ogg", ".opus", ".wma", ".wav")

State = Literal["delivered", "unchanged", "held", "failed"]


@dataclass(frozen=True)
class Delivered:
    """How one destination took the book.

    Attributes:
        state: delivered; unchanged (all of it was there already); held (a person is asked); failed.
        path: where the book lies there. bytes: that were sent.
        told: what a person should know, a sentence each: a server that could not be told, why it is held.
        error: why it failed; None unless it did.
    """

    destination: str
    state: State
    path: str = ""
    bytes: int = 0
    told: tuple[str, ...] = ()
    error: MedialiftError | None = None

    def to_dict(self) -> dict[str, Any]:
        """For `--json` and the API."""
        return {
            "destination": self.destination,
            "state": self.state,
            "path": self.path,
            "bytes": self.bytes,
            "told": list(self.told),
            "error": self.error.to_dict() if self.error else None,
        }


def deliver(
    folder: Path,
    settings: AudiobooksSettings,
    *,
    destinations: Sequence[str] | None = None,
    stop: Event | None = None,
    client: httpx.Client | None = None,
    patience: Patience = PATIENCE,
    clock: Callable[[], float] = time.time,
) -> list[Delivered]:
    """Bring the book in `folder` to its destinations, to all of them when none is named.

    One that fails does not keep the others from theirs: see `Delivered.error` and `failure`.

    Raises:
        Permanent: there is no such destination; the manifest, or the book, is not there.
        OSError: the manifest cannot be written.
    """
    names = list(settings.destinations if destinations is None else destinations)
    known(names, settings)
    manifest = intake.read(folder)
    book = folder / manifest.conversion.file
    if not book.is_file():
        raise Permanent("The book is not beside its manifest", str(book), "Convert it again")
    results = []
    for name in names:
        delivery = _Delivery(name, manifest, book, settings, stop or Event(), client, patience, clock)
        result, record = delivery.run()
        results.append(result)
        if record != manifest.deliveries.get(name):
            # Written after each, so that a crash forgets none.
            manifest = manifest.changed(
                deliveries={**manifest.deliveries, name: record}, updated=intake.moment(clock())
            )
            intake.write(folder, manifest)
    settled = _settled(manifest, settings)
    if settled != manifest:
        intake.write(folder, settled.changed(updated=intake.moment(clock())))
    return results


def failure(results: Sequence[Delivered]) -> MedialiftError | None:
    """The error that decides whether it is worth trying again: one that may pass goes before others."""
    errors = [one.error for one in results if one.error is not None]
    return next((one for one in errors if isinstance(one, Transient)), errors[0] if errors else None)


@dataclass(frozen=True)
class _Delivery:
    """One book on its way to one destination."""

    name: str
    manifest: Manifest
    book: Path
    settings: AudiobooksSettings
    stop: Event
    client: httpx.Client | None
    patience: Patience
    clock: Callable[[], float]

    @property
    def wanted(self) -> DestinationSettings:
        return self.settings.destinations[self.name]

    @property
    def before(self) -> DeliveryRecord:
        return self.manifest.deliveries.get(self.name) or DeliveryRecord()

    def run(self) -> tuple[Delivered, DeliveryRecord]:
        """What became of it, and the record of it."""
        if why := holds_back(self.manifest, self.name, self.settings):
            held = "held" if self.before.state in ("waiting", "failed") else self.before.state
            return Delivered(self.name, "held", told=(why,)), self._record(state=held)
        try:
            with reading(self.book):
                return self._brought()
        except MedialiftError as error:
            told = ErrorRecord(**error.to_dict())
            record = self._record(
                state="failed", attempts=self.before.attempts + 1, at=intake.moment(self.clock()), error=told
            )
            return Delivered(self.name, "failed", error=error), record

    def _brought(self) -> tuple[Delivered, DeliveryRecord]:
        limits = Limits(time.monotonic() + self.wanted.timeout, self.stop)
        library = library_of(self.wanted, self.settings, limits)
        library.ready()
        at = library.settled(self._place())
        with self._alone(library.shown(at.path), limits), tempfile.TemporaryDirectory() as scratch:
            told = self._moved_away(library, at)
            prints, sent = self._files(library, at, Path(scratch), told)
            known = prints[at.file].partition("sha256:")[2]
            hashed = known or hash_of(self.book, limits)
        complete = (
            self.before.state == "delivered" and not sent and self.before.path == library.shown(at.path)
        )
        rescan, error = self._announced(library, at, complete)
        if error is not None:
            told.append(f"{self.wanted.rescan} was not told: {error}")
        unchanged = complete and rescan == self.before.rescan and rescan != "failed"
        record = self._record(
            state="delivered",
            path=library.shown(at.path),
            files=tuple(prints),
            transfer=self.wanted.transfer,
            size=self.book.stat().st_size,
            sha256=hashed,
            rescan=rescan,
            error=ErrorRecord(**error.to_dict()) if error is not None else None,
            fingerprints=prints,
        )
        if not unchanged:
            record = record.model_copy(
                update={"attempts": self.before.attempts + 1, "at": intake.moment(self.clock())}
            )
        state: State = "unchanged" if unchanged or (complete and not sent) else "delivered"
        return Delivered(self.name, state, record.path, sent, tuple(told)), record

    def _place(self) -> Place:
        return place(
            self.wanted.naming or self.settings.naming,
            self.manifest,
            padding=self.settings.series_padding,
            language=self.settings.language,
        )

    def _alone(self, path: str, limits: Limits) -> Any:
        """Hold this place of the library: two books of one name never meet in it."""
        folder = self.settings.work / "deliveries"
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(f"{self.name}\0{path}".encode()).hexdigest()[:32]
        return _Held(folder / f"{name}.lock", path, limits)

    def _moved_away(self, library: Library, at: Place) -> list[str]:
        """What is to be known when the book has another name now than it was delivered under."""
        before = self.before
        if before.state == "delivered" and before.path and before.path != library.shown(at.path):
            return [f"It lies as {before.path} too, its name of before: delete that when you are sure"]
        return []

    def _files(
        self, library: Library, at: Place, scratch: Path, told: list[str]
    ) -> tuple[dict[str, str], int]:
        """Put what is missing, the book last: {name: fingerprint}, and the bytes that were sent."""
        self._only_book(library, at)
        # Before anything else: nothing of ours may come to lie beside a book of others.
        there, what = self._found(library, at.path, self.book)
        if what == "other":
            raise Unsafe(
                "A different book of this name is in the library",
                library.shown(at.path),
                "Look at both: move that one away, or give this one another title or number, then retry",
            )
        prints: dict[str, str] = {}
        sent = 0
        # Where several books share a folder, nothing lies there that could be any one's.
        kinds = self.wanted.sidecars if at.own else ()
        for file in sidecars.write(kinds, self.book, self.manifest, scratch):
            path = at.folder / file.name
            beside, how = self._found(library, path, file)
            if how == "other":
                told.append(f"{file.name} is not as we left it in the library, and stays as it is")
                continue
            if how != "same":
                beside = library.put(path, file, replace=how == "ours", passing=True)
                sent += file.stat().st_size
            prints[file.name] = beside
        if what != "same":
            there = library.put(at.path, self.book, replace=what == "ours")
            sent += self.book.stat().st_size
        prints[at.file] = there
        return prints, sent

    def _found(
        self, library: Library, path: PurePosixPath, source: Path
    ) -> tuple[str, Literal["nothing", "same", "ours", "other"]]:
        """The fingerprint of what lies there, and whether it is `source`, our own of before, or of others."""
        there = library.fingerprint(path)
        if there is None:
            return "", "nothing"
        if library.holds(path, source, there=there):
            return there, "same"
        ours = there == self._fingerprints().get(path.name) and self._same_folder(library, path)
        return there, "ours" if ours else "other"

    def _only_book(self, library: Library, at: Place) -> None:
        """Raises:
        Unsafe: another book's audio lies in the folder that is to be this book's own.
        """
        if not at.own:
            return
        others = [
            name
            for name in library.names(at.folder)
            if name != at.file and name.lower().endswith(_AUDIO) and not name.startswith(".medialift-")
        ]
        if others and not any(name in self._fingerprints() for name in others):
            raise Unsafe(
                "Other audio lies in the folder of this book",
                library.shown(at.folder / others[0]),
                "A server would take both for one book: move it away, then retry",
            )

    def _fingerprints(self) -> Mapping[str, str]:
        found = (self.before.model_extra or {}).get("fingerprints")
        return found if isinstance(found, Mapping) else {}

    def _same_folder(self, library: Library, path: PurePosixPath) -> bool:
        return PurePosixPath(self.before.path).parent == PurePosixPath(library.shown(path)).parent

    def _announced(
        self, library: Library, at: Place, complete: bool
    ) -> tuple[Literal["none", "told", "failed"], MedialiftError | None]:
        if not self.wanted.rescan:
            return "none", None
        if complete and self.before.rescan == "told":
            return "told", None
        told = self.manifest.model_dump(mode="json", exclude={"deliveries"})
        news = News(self.name, at.folder, library.shown(at.path), told)
        error = announce(news, self.wanted, client=self.client, patience=self.patience)
        return ("told", None) if error is None else ("failed", error)

    def _record(self, **changes: Any) -> DeliveryRecord:
        return DeliveryRecord.model_validate({**self.before.model_dump(), **changes})


class _Held:
    """A place that is held for the length of a block."""

    def __init__(self, lock: Path, shown: str, limits: Limits) -> None:
        self._context = alone(lock, at_most=limits.left(), every=0.2, stop=limits.stop)
        self._shown = shown

    def __enter__(self) -> None:
        if not self._context.__enter__():
            self._context.__exit__(None, None, None)
            raise Transient("Another delivery goes to this place", self._shown, "It is tried again")

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)


def library_of(wanted: DestinationSettings, settings: AudiobooksSettings, limits: Limits) -> Library:
    """The library of a destination.

    Raises:
        Permanent: its path and its transfer do not fit.
    """
    if wanted.transfer == "rclone":
        return RcloneLibrary(wanted.path, limits, settings.rclone)
    if wanted.transfer == "rsync":
        return RsyncLibrary(wanted.path, limits)
    if not wanted.path.startswith("/"):
        raise Permanent(
            f"The transfer '{wanted.transfer}' needs an absolute path",
            wanted.path,
            "Correct it, or its transfer",
        )
    return LocalLibrary(Path(wanted.path), limits, wanted.transfer)


def _settled(manifest: Manifest, settings: AudiobooksSettings) -> Manifest:
    """What is to be done next, and what a person is needed for, after a round of deliveries."""
    records = {name: manifest.deliveries.get(name) or DeliveryRecord() for name in settings.destinations}
    needs = [need for need in manifest.needs_person if need.code != "delivery_failed"]
    for name, record in records.items():
        if record.state == "failed" and record.error is not None and record.error.kind != "transient":
            error = record.error
            text = f"{name}: {MedialiftError(error.what, error.subject, error.hint)}"
            needs.append(Need(code="delivery_failed", text=text))
    states = {record.state for record in records.values()}
    action = "deliver" if states & {"failed", "waiting"} else "approve" if "held" in states else "none"
    if action == "approve" and any(need.code != "delivery_failed" for need in needs):
        action = "review"
    if not records:
        action = manifest.next_action
    return manifest.changed(next_action=action, needs_person=tuple(needs))
