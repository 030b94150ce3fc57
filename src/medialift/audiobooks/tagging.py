"""The tagging of one book: recognise it, tell what would change, write it, and see that it is so.

Whoever calls holds the book's lock. Nothing is lost at any moment: the file is replaced in one step, and so
is the manifest; a tagging that broke off between the two is done again and changes nothing more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from medialift import __version__
from medialift.audiobooks import beets, clue_record, overrides, tag_writing, tagging_failure, validation
from medialift.audiobooks import manifest as manifests
from medialift.audiobooks import programs as needed
from medialift.audiobooks import tags as atoms
from medialift.audiobooks.manifest import (
    CandidateRecord,
    Cover,
    Localisation,
    Manifest,
    Need,
    NextAction,
    State,
    TagChange,
)
from medialift.audiobooks.metadata.languages import language_word
from medialift.audiobooks.metadata.model import Clues, Found, Metadata, Unsure
from medialift.audiobooks.overrides import Override
from medialift.audiobooks.programs import Programs
from medialift.audiobooks.tag_cover import Covers, Picture
from medialift.audiobooks.tagging_failure import give_up
from medialift.audiobooks.time_left import TimeLeft
from medialift.errors import MedialiftError, Permanent
from medialift.foundation.waiting import Clock, SystemClock
from medialift.settings import AudiobooksSettings

__all__ = ["Hooks", "Lookup", "Picture", "Tagged", "give_up", "tag"]


class Lookup(Protocol):
    """Asks all providers, in their order, and plug-ins."""

    def __call__(self, clues: Clues, override: Override) -> Found | Unsure:
        """What the book is.

        Raises:
            MedialiftError: nobody can be asked now, or what is known locally is wrong.
        """
        ...


class Hooks(Protocol):
    """What plug-ins are told of this stage; each gives the problems that they had, a sentence each."""

    def before(self, step: str, subject: Any, /) -> Sequence[str]: ...

    def after(self, step: str, subject: Any, /) -> Sequence[str]: ...

    def manifest_fields(self, manifest: Manifest, /) -> Mapping[str, Any]:
        """Fields that they add to the manifest, by plug-in."""
        ...


@dataclass(frozen=True)
class Tagged:
    """What came of it.

    Attributes:
        manifest: as it is now, or as it would be after a dry run.
        diff: the fields that were changed, or would be.
        needs_person: what somebody must decide or supply, a sentence each; empty when all is well.
        written: whether anything was.
        problems: what was not as wished and did not matter, a sentence each.
    """

    manifest: Manifest
    diff: tuple[TagChange, ...]
    state: State
    needs_person: list[str]
    written: bool
    problems: tuple[str, ...] = ()


def tag(
    folder: Path,
    settings: AudiobooksSettings,
    *,
    lookup: Lookup,
    plugins: Hooks | None = None,
    dry_run: bool = False,
    override: Mapping[str, Any] | None = None,
    stop: Event | None = None,
    picture: Picture | None = None,
    programs: Programs | None = None,
    clock: Clock | None = None,
) -> Tagged:
    """Tag the book in a folder of converted.

    A book that is not recognised for sure is left as it is, and its manifest says what a person must do.

    Args:
        dry_run: write nothing at all: neither tags nor the manifest.
        override: what a person says of the book, over what was said before; kept in the manifest.
        picture: fetches covers; None: only those that lie beside the book are used.

    Raises:
        Permanent: there is no book or no manifest; the override is wrong; the file cannot be tagged.
        Transient: a service does not answer, the time is over, or `stop` was set.
        OSError: the disk is full, or the folder may not be written.
            Of all these the manifest tells too (`tagging.error`), and its state is as before: whoever decides
            that no more is tried calls `give_up`.
    """
    clock = clock or SystemClock()
    began = clock.monotonic()
    read = manifests.read(folder)
    said = overrides.joined(read.override, overrides.parse(override or {}))
    manifest = read.changed(
        override=said,
        tagging=read.tagging.model_copy(
            update={"attempts": read.tagging.attempts + 1, "at": manifests.moment(clock.now())}
        ),
    )
    stage = _Tagging(
        folder,
        settings,
        manifest,
        lookup,
        plugins,
        picture,
        programs or needed.found(),
        TimeLeft.of(settings.tagging.timeout, stop, clock),
        dry_run,
        clock,
        began,
    )
    try:
        return stage.run()
    except (MedialiftError, OSError) as error:
        if not dry_run:
            tagging_failure.record(folder, manifest, error, clock)
        raise


@dataclass
class _Tagging:
    """One try at one book."""

    folder: Path
    settings: AudiobooksSettings
    manifest: Manifest
    lookup: Lookup
    plugins: Hooks | None
    fetch: Picture | None
    programs: Programs
    left: TimeLeft
    dry_run: bool
    clock: Clock
    began: float
    problems: list[str] = field(default_factory=list)

    def run(self) -> Tagged:
        if not self.file.is_file():
            raise Permanent("The book is not beside its manifest", str(self.file), "Convert it again")
        if not self.dry_run:
            tag_writing.sweep(self.folder)
        if self.plugins is not None and not self.dry_run:
            self.problems += self.plugins.before("tag", self.manifest)
        old = atoms.read(self.file)
        found = self._recognised(clue_record.clues(self.manifest, old, self.folder))
        self.left.seconds()
        self.problems += found.problems
        if isinstance(found, Unsure):
            return self._unsure(found)
        known = self._known(found)
        new = atoms.after(
            old,
            atoms.wanted(known, self.scheme),
            previous=self._previous(),
            emptied=overrides.emptied(self.manifest.override),
        )
        if self._beets_did_it(known):
            # It writes some fields in another form than ours: that is no change.
            new = dict(old)
        covers = Covers(
            self.file,
            self.manifest.conversion.cover,
            self.manifest.tagging.cover,
            self.fetch,
            self.programs,
            self.left,
        )
        picture, cover = covers.choose(known)
        self.problems += covers.problems
        if not self.dry_run:
            self._announce(_with_cover(atoms.changes(old, new), self.manifest, cover if picture else None))
            self._write(known, old, new, picture)
        return self._tagged(found, known, old, new, cover, new_cover=picture is not None)

    def _recognised(self, clues: Clues) -> Found | Unsure:
        """What the book is. A person's words are clues too, and then they may lead nowhere."""
        said, before = self.manifest.override, self.manifest.tagging
        found = self.lookup(clues, said)
        if isinstance(found, Found):
            return found
        settled = self.manifest.state == "tagged" and not self.manifest.needs_person
        if "asin" not in said and before.metadata is not None and before.metadata.asin and settled:
            # Other words for a book that was recognised, and found good, do not make it another one.
            again = self.lookup(clues, {**said, "asin": before.metadata.asin})
            if isinstance(again, Found):
                return replace(again, confidence=before.confidence, why=before.why)
        if said.get("title") and (said.get("authors") or said.get("asin") == "" or not found.candidates):
            why = "A person said what the book is, and no catalogue is sure of it"
            return Found(found.local, 1.0, why, found.candidates, found.problems)
        return found

    @property
    def file(self) -> Path:
        return self.folder / self.manifest.conversion.file

    @property
    def scheme(self) -> atoms.Scheme:
        return self.settings.tagging.scheme

    def _known(self, found: Found) -> Metadata:
        known = overrides.apply(found.metadata, self.manifest.override)
        if not known.language and self.settings.language and "language" not in self.manifest.override:
            origin = {**known.origin, "language": "settings"}
            return replace(known, language=language_word(self.settings.language), origin=origin)
        return known

    def _previous(self) -> dict[str, str]:
        """What an earlier tagging wrote."""
        before = self.manifest.tagging.metadata
        scheme = self.manifest.localisation.scheme or self.scheme
        return atoms.wanted(before, scheme) if before is not None else {}  # type: ignore[arg-type]

    def _announce(self, diff: tuple[TagChange, ...]) -> None:
        """Keep what is about to change: were we killed right after it, nobody could tell any more."""
        if diff:
            tagging = self.manifest.tagging.model_copy(update={"changes": diff})
            self.manifest = self.manifest.changed(tagging=tagging)
            manifests.write(self.folder, self.manifest)

    def _write(self, known: Metadata, old: atoms.Tags, new: atoms.Tags, picture: bytes | None) -> None:
        if old == new and picture is None:
            return
        by_beets = self.settings.tagging.tagger == "beets" and old != new
        tag_writing.write(
            self.file,
            (lambda copy: self._by_beets(copy, known, old, new)) if by_beets else new,
            programs=self.programs,
            left=self.left,
            picture=picture,
        )

    def _beets_did_it(self, known: Metadata) -> bool:
        """Whether the file is as beets left it when it was told of this very book."""
        before = self.manifest.tagging
        return (
            self.settings.tagging.tagger == before.tagger == "beets"
            and before.metadata is not None
            # Which of two catalogues said the same thing first is nothing that is written.
            and replace(before.metadata, origin={}) == replace(known, origin={})
            and self.manifest.localisation.scheme == self.scheme
            and before.sha256 == _digest(self.file)
        )

    def _by_beets(self, copy: Path, known: Metadata, old: atoms.Tags, new: atoms.Tags) -> atoms.Tags:
        """Let beets tag the copy; all that it is to hold: beets' fields, what it does not know, and what a
        person said."""
        done = beets.tag(copy, known, self.settings.tagging, left=self.left)
        self.problems += done.problems
        if not done.asked:
            return new
        said = {"series" if name == "series_part" else name for name in self.manifest.override}
        # A field of ours keeps to the scheme: its twin in the other one is not taken.
        ours = said | {atoms.attribute(atom) for atom in new}
        wrote = {
            atom: text
            for atom, text in atoms.read(copy).items()
            if text != old.get(atom) and atoms.attribute(atom) not in (said if atom in new else ours)
        }
        return {**new, **wrote}

    def _tagged(
        self,
        found: Found,
        known: Metadata,
        old: atoms.Tags,
        new: atoms.Tags,
        cover: Cover | None,
        *,
        new_cover: bool,
    ) -> Tagged:
        held = new if self.dry_run else atoms.read(self.file)
        seconds = float(atoms.opened(self.file).info.length)
        needs = validation.check(self.manifest, known, held, seconds)
        diff = _with_cover(atoms.changes(old, held), self.manifest, cover if new_cover else None)
        written = not self.dry_run and bool(diff)
        before = self.manifest.tagging
        tagging = before.model_copy(
            update={
                "tagger": self.settings.tagging.tagger,
                "took": round(self.clock.monotonic() - self.began, 3),
                "metadata": known,
                "confidence": found.confidence,
                "why": found.why,
                "candidates": _candidates(found),
                # A second run that changes nothing does not take away what the first one changed.
                "changes": diff or before.changes,
                "cover": cover or before.cover,
                "size": self.file.stat().st_size,
                "sha256": _digest(self.file),
                "notes": tuple(self.problems),
                "error": None,
            }
        )
        manifest = self.manifest.changed(
            state="tagged",
            needs_person=needs,
            next_action=self._next(needs),
            localisation=self._localisation(known),
            tagging=tagging,
        )
        return self._done(manifest, diff, needs, written)

    def _unsure(self, found: Unsure) -> Tagged:
        need = Need(code="unsure_match", text=f"{found.why.rstrip('.')}: say which book it is by an override")
        tagging = self.manifest.tagging.model_copy(
            update={
                "why": found.why,
                "confidence": found.confidence,
                "candidates": _candidates(found),
                "took": round(self.clock.monotonic() - self.began, 3),
                "notes": tuple(self.problems),
                "error": None,
            }
        )
        state: State = "tagged" if self.manifest.tagging.metadata is not None else "converted"
        manifest = self.manifest.changed(
            state=state, needs_person=(need,), next_action="review", tagging=tagging
        )
        return self._done(manifest, (), (need,), False)

    def _done(
        self, manifest: Manifest, diff: tuple[TagChange, ...], needs: Sequence[Need], written: bool
    ) -> Tagged:
        manifest = manifest.changed(updated=manifests.moment(self.clock.now()), medialift=__version__)
        if not self.dry_run:
            if self.plugins is not None:
                manifest = self._with_fields(manifest, self.plugins)
            manifests.write(self.folder, manifest)
            if self.plugins is not None:
                self.problems += self.plugins.after("tag", manifest)
        told = [need.text for need in needs]
        return Tagged(manifest, diff, manifest.state, told, written, tuple(self.problems))

    def _with_fields(self, manifest: Manifest, plugins: Hooks) -> Manifest:
        fields = plugins.manifest_fields(manifest)
        try:
            # What cannot stand in a manifest must not keep the book from having one.
            fields = json.loads(json.dumps(dict(fields)))
        except (TypeError, ValueError) as error:
            self.problems.append(f"Fields of plug-ins cannot be written as JSON: {error}")
            return manifest
        return manifest.changed(plugins={**manifest.plugins, **fields})

    def _next(self, needs: Sequence[Need]) -> NextAction:
        if needs and not self.manifest.approval.approved:
            return "review"
        if self.settings.hold and not self.manifest.approval.approved:
            return "approve"
        return "deliver" if self.settings.destinations else "none"

    def _localisation(self, known: Metadata) -> Localisation:
        tagging = self.settings.tagging
        regions = dict.fromkeys((tagging.region, *tagging.fallback_regions))
        return Localisation(
            region=known.region, regions_asked=tuple(regions), language=known.language, scheme=self.scheme
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _candidates(found: Found | Unsure) -> tuple[CandidateRecord, ...]:
    return tuple(CandidateRecord.of(one) for one in found.candidates)


def _with_cover(
    changes: tuple[TagChange, ...], manifest: Manifest, cover: Cover | None
) -> tuple[TagChange, ...]:
    if cover is None:
        return changes
    before = manifest.tagging.cover or manifest.conversion.cover
    return (*changes, TagChange(field="COVER", old=before.origin if before else "", new=cover.origin))
