"""From sources in the inbox to a proven book in the folder of finished books; the sources are only read.

Each step may be the last of a process: what is published is known again by its order, and what is not goes
with its attempt's folders. What becomes of the sources is decided after the ledger took the result (`after`).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import medialift
from medialift.audiobooks import chapters as titles
from medialift.audiobooks import cover, encode, inbox, plan, probe, prove, publishing, silence, sources
from medialift.audiobooks import finish as finishing
from medialift.audiobooks import manifest as manifests
from medialift.audiobooks.book import Book, Refused
from medialift.audiobooks.chapters import ChapterPlan
from medialift.audiobooks.cover import Picture
from medialift.audiobooks.encode import Converted
from medialift.audiobooks.holding import holding
from medialift.audiobooks.manifest import (
    ChapterRecord,
    Conversion,
    Cover,
    Detected,
    Kind,
    Manifest,
    NextAction,
)
from medialift.audiobooks.metadata import ChapterTitles
from medialift.audiobooks.order import check_order, sources_of
from medialift.audiobooks.plan import Plan
from medialift.audiobooks.plugins import Plugins
from medialift.audiobooks.programs import Programs
from medialift.audiobooks.source import Source
from medialift.audiobooks.stages import key_of
from medialift.errors import MedialiftError, Transient
from medialift.foundation.units import format_size
from medialift.foundation.waiting import Clock, SystemClock
from medialift.settings import AudiobooksSettings

STEPS = (
    "locking",
    "backing up",
    "probing",
    "checking the order",
    "deciding",
    "converting",
    "finding chapters",
    "finishing",
    "proving",
    "describing",
    "publishing",
    "published",
)
"""The steps in their order, as they are told."""

_LOCAL_NAMES = ("metadata.yml", "metadata.yaml")
_BLOCK = 1 << 20
_KINDS: Mapping[str, Kind] = {"encode": "converted", "splice": "spliced", "pass_through": "passed_through"}


@dataclass(frozen=True)
class Order:
    """What is to be converted, and how this attempt is told from others.

    Attributes:
        order: the same for all attempts at it; "" when no ledger is asked: then nothing is known again.
        attempt: a name that no other attempt has.
        number: which attempt this is, from 1.
        cores: that it may use.
        as_it_is: a person wants it not to be encoded.
        replaces: the name of the book that was made of the same sources before, and is not wanted any more.
    """

    book: Book
    order: str
    attempt: str
    number: int = 1
    cores: int = 1
    as_it_is: bool = False
    replaces: str = ""


@dataclass(frozen=True)
class Done:
    """A book that is finished: its manifest, its folder, and what plug-ins had to complain of.

    `before`: it was published by an earlier attempt, which did not live to say so.
    """

    book: Book
    manifest: Manifest
    folder: Path
    how: str
    problems: tuple[str, ...] = ()
    before: bool = False

    @property
    def file(self) -> Path:
        """The book itself."""
        return self.folder / self.manifest.conversion.file

    @property
    def played(self) -> float:
        """How long it plays, in seconds."""
        return self.manifest.conversion.seconds


@dataclass(frozen=True)
class Means:
    """What conversions need.

    Attributes:
        detect: what a book's tags and names say of it, given how long it plays in seconds.
        catalogue: the chapters that a catalogue has of a book, as far as it is known which it is.
    """

    settings: AudiobooksSettings
    programs: Programs
    encoders: frozenset[str]
    plugins: Plugins
    detect: Callable[[Book, Sequence[Source], float], Detected]
    catalogue: Callable[[Detected, Event], ChapterTitles | None] = lambda _detected, _stop: None
    clock: Clock = field(default_factory=SystemClock)


def convert(
    order: Order,
    means: Means,
    *,
    stop: Event,
    step: Callable[[str], object] = lambda _name: None,
    tell: Callable[[float], object] = lambda _share: None,
) -> Done:
    """Make the book; to be called in a thread.

    Args:
        stop: ends it as soon as can be: nothing is published then.
        step: is told each of STEPS when it begins.
        tell: is told how far the conversion itself is, 0 to 1.

    Raises:
        MedialiftError: why it cannot be made, or not now. Transient when `stop` was set.
        OSError: a disk is full, a folder is gone or may not be written.
    """
    step("locking")
    with holding(means.settings, key_of("convert", order.book.key), stop=stop):
        return _Making(order, means, stop, step, tell).make()


@dataclass
class _Making:
    """One attempt at one book."""

    order: Order
    means: Means
    stop: Event
    step: Callable[[str], object]
    tell: Callable[[float], object]
    problems: list[str] = field(default_factory=list)

    def make(self) -> Done:
        book, settings = self.order.book, self.means.settings
        name = publishing.file_name(book.name)
        if (found := self._published(name)) is not None:
            return found
        self._unchanged()
        began = self.means.clock.now()
        self._next("backing up")
        backup = sources.back_up(book, settings)
        self.problems += self.means.plugins.before("convert", book)
        with publishing.staged(settings.work, settings.converted, self.order.attempt) as (scratch, stage):
            made, manifest = self._make(book, name, scratch, stage)
            took = self.means.clock.now() - began
            manifest = manifest.changed(
                conversion=manifest.conversion.model_copy(
                    update={
                        "started": manifests.moment(began),
                        "finished": manifests.moment(began + took),
                        "took": took,
                    }
                ),
                sources=manifest.sources.model_copy(update={"backup": str(backup or "")}),
            )
            fields = self.means.plugins.manifest_fields(manifest)
            manifest = manifest.changed(plugins={**manifest.plugins, **fields})
            self._next("publishing")
            sources.check(book, settings)
            named = self._publish(stage, manifest)
        self.step("published")
        folder = settings.converted / named.name
        self.problems += self.means.plugins.after("convert", named)
        return Done(book, named, folder, made.kind, tuple(self.problems))

    def _publish(self, stage: Path, manifest: Manifest) -> Manifest:
        settings, converted = self.means.settings, self.means.settings.converted
        with holding(settings, key_of("tag", manifest.name), stop=self.stop):
            before = self._replaced(manifest)
            if before is not None:
                # What lies in the libraries is ours still, so that the new one takes its place there.
                manifest = manifest.changed(deliveries=before.deliveries)
            overwrite = settings.overwrite or before is not None
            return publishing.publish(stage, converted, manifest, overwrite=overwrite)

    def _replaced(self, manifest: Manifest) -> Manifest | None:
        if self.order.replaces != manifest.name:
            return None
        with suppress(MedialiftError):
            before = manifests.read(self.means.settings.converted / manifest.name)
            return before if before.sources.key == manifest.sources.key else None
        return None

    def _make(self, book: Book, name: str, scratch: Path, stage: Path) -> tuple[Plan, Manifest]:
        settings, programs = self.means.settings, self.means.programs
        self._next("probing")
        found = probe.probe_all([part.path for part in book.parts], programs, stop=self.stop)
        self._next("checking the order")
        book = check_order(book, found)
        found = sources_of(book, found)
        self._next("deciding")
        made = plan.decide(found, settings, encoders=self.means.encoders, as_it_is=self.order.as_it_is)
        self._room(encode.space_needed(found, made))
        self._next("converting")
        converted = encode.convert(
            found,
            made,
            scratch / "book.m4a",
            work=scratch,
            cores=self.order.cores,
            programs=programs,
            stop=self.stop,
            timeout=settings.conversion_timeout,
            tell=self.tell,
        )
        self._next("finding chapters")
        detected = self.means.detect(book, found, sum(converted.samples) / converted.rate)
        planned = self._chapters(book, found, converted, detected)
        picture = cover.best(book, found, programs, scratch, stop=self.stop, tell=self.problems.append)
        self._next("finishing")
        target = stage / f"{name}.m4b"
        finishing.finish(
            converted.path, planned.chapters, converted.rate, picture.path if picture else None, target,
            programs, stop=self.stop,
        )  # fmt: skip
        self._next("proving")
        proof = prove.prove(
            target,
            rate=converted.rate,
            samples=converted.samples,
            chapters=planned.chapters,
            sources=found,
            cover=picture is not None,
            programs=programs,
            stop=self.stop,
            timeout=settings.conversion_timeout,
        )
        self._next("describing")
        local = _carried(book, stage)
        self.problems += planned.notes
        return made, Manifest(
            name=name,
            created=manifests.moment(self.means.clock.now()),
            updated=manifests.moment(self.means.clock.now()),
            medialift=medialift.__version__,
            next_action=self._next_action(),
            sources=manifests.sources_of(book, found, checksums=self._checksums(book), detected=detected),
            conversion=Conversion(
                kind=_KINDS[converted.kind],
                file=target.name,
                why=made.why,
                codec="aac" if converted.kind == "encode" else made.codec,
                encoder=made.codec if converted.kind == "encode" else "",
                bitrate=made.bitrate,
                rate=converted.rate,
                channels=converted.channels,
                samples=sum(converted.samples),
                seconds=sum(converted.samples) / converted.rate,
                size=target.stat().st_size,
                sha256=_sha256(target, self.stop),
                chapters=tuple(ChapterRecord.of(chapter, converted.rate) for chapter in planned.chapters),
                titles_from=planned.titles_from,
                cover=_cover(picture),
                proof=proof.to_dict(),
                attempts=self.order.number,
            ),
            order=self.order.order,
            carried=tuple(local),
        )

    def _chapters(
        self, book: Book, found: Sequence[Source], converted: Converted, detected: Detected
    ) -> ChapterPlan:
        settings = self.means.settings
        return titles.plan(
            book,
            found,
            converted.samples,
            converted.rate,
            settings,
            audnexus=self.means.catalogue(detected, self.stop) if settings.audnexus_chapters else None,
            silences=lambda: silence.find(
                converted.path,
                self.means.programs,
                timeout=settings.conversion_timeout,
                stop=self.stop,
                threads=self.order.cores,
            ),
        )

    def _next_action(self) -> NextAction:
        settings = self.means.settings
        if settings.tagging.mode != "off":
            return "tag"
        return "deliver" if settings.destinations else "none"

    def _checksums(self, book: Book) -> dict[str, str]:
        return {part.name: _sha256(part.path, self.stop) for part in book.parts}

    def _room(self, needed: int) -> None:
        """Raises:
        Transient: a disk has not the bytes free that the book needs, and those that are to stay free.
        """
        settings = self.means.settings
        places = {folder.stat().st_dev: folder for folder in (settings.converted, settings.work)}
        for folder in places.values():
            free = shutil.disk_usage(folder).free
            # Where both are on one disk, the book lies there twice for a while.
            wanted = settings.free_space + needed * (2 if len(places) == 1 else 1)
            if free < wanted:
                raise Transient(
                    f"The disk has not enough room: {format_size(free)} are free",
                    str(folder),
                    f"Free {format_size(wanted - free)} of it",
                )

    def _published(self, name: str) -> Done | None:
        """The book, when an earlier attempt at the same order had made it appear."""
        converted = self.means.settings.converted
        found = publishing.published(converted, name, self.order.order)
        if found is None:
            return None
        how = next(how for how, kind in _KINDS.items() if kind == found.conversion.kind)
        return Done(self.order.book, found, converted / found.name, how, before=True)

    def _unchanged(self) -> None:
        """Raises:
        Transient: the book is another one than was ordered, or not there.
        """
        book, settings = self.order.book, self.means.settings
        now = inbox.again(book, settings)
        if now is not None and now.fingerprint == book.fingerprint:
            return
        hint = "It is looked at again when it is quiet"
        if now is not None:
            raise Transient("Its files changed", str(book.root), hint)
        if not (book.root.exists() or book.root.is_symlink()):
            raise Transient("It is not in its place any more", str(book.root), hint)
        for one in inbox.understand(book.root, book.root.parent, settings):
            if isinstance(one, Refused):
                raise Transient(one.why, str(book.root), one.hint)
        raise Transient("It is no longer one book", str(book.root), hint)

    def _next(self, words: str) -> None:
        if self.stop.is_set():
            raise Transient("The conversion was stopped", self.order.book.key, "It is begun anew")
        self.step(words)


def _cover(picture: Picture | None) -> Cover | None:
    if picture is None:
        return None
    return Cover(origin=picture.origin, format=picture.format, size=picture.size, sha256=picture.sha256)


def _carried(book: Book, stage: Path) -> list[str]:
    """Copy what tagging reads beside the book; the names."""
    carried = []
    for extra in book.extras:
        if extra.name.lower() in _LOCAL_NAMES or extra.suffix.lower() == ".opf":
            shutil.copyfile(extra, stage / extra.name)
            carried.append(extra.name)
    return carried


def _sha256(path: Path, stop: Event) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if stop.is_set():
                raise Transient("The conversion was stopped", str(path), "It is begun anew")
            digest.update(block)
    return digest.hexdigest()
