"""A whole run where Plex is: ready, claimed, locked down, scanned section by section, compared.

It is the job kind "plex-run": it runs as a unit of its own, tells every phase to its journal, and whoever
started it may go away. It deletes nothing and exports nothing: it says what happened, and whether an archive
of it may be trusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from medialift import settings as configuration
from medialift.cloud.objects import Store
from medialift.errors import MedialiftError, Permanent
from medialift.foundation import process
from medialift.foundation.backoff import retried
from medialift.foundation.jobs import Context
from medialift.foundation.journal import NOTE, Journal, PhaseWriter, phases
from medialift.mounts.probe import RCLONE
from medialift.mounts.recovery import SystemdUnit
from medialift.mounts.remote import Remote
from medialift.mounts.watch_options import RemoteOptions
from medialift.plex import (
    census,
    deletions,
    guard,
    media_store,
    preferences,
    scan,
    scratch,
    sonic,
    unscanned,
)
from medialift.plex import claim as claims
from medialift.plex.census import Census
from medialift.plex.deletions import Deletions, Policy, Quarantine
from medialift.plex.guard import Guard, MountGuard
from medialift.plex.lookup import ROUNDS, Answer, Lookup
from medialift.plex.media_store import MediaStore
from medialift.plex.mount_record import MountRecord
from medialift.plex.paths import PathMap
from medialift.plex.reckoning import Reckoning, Settled
from medialift.plex.resting import Resting
from medialift.plex.scan import Counts, Times, Watch
from medialift.plex.scratch import SectionSpec
from medialift.plex.selection import Selection, choose
from medialift.plex.server import PlexServer, Section, connect
from medialift.plex.service import PlexService, Service
from medialift.plex.undelete import undelete
from medialift.plex.vigil import MountLost
from medialift.plex.witness import Witness

OK, QUARANTINED = "ok", "quarantined"

Done = TypeVar("Done")


class _Part(BaseModel):
    # A misspelt option must be an error: taken silently, it would leave the default in force.
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerOptions(_Part):
    """Where Plex answers, and the Preferences.xml in which a claim leaves its token."""

    url: str
    preferences: Path


class ClaimOptions(_Part):
    """Where a claim token comes from. Files only: a secret does not belong into a job's arguments."""

    file: Path | None = None
    account_token_file: Path | None = None
    account_url: str = claims.ACCOUNT_URL


class StoreOptions(_Part):
    """What of the object store a mount shows: a bucket, or what lies below a prefix of it.

    `root` is the container path of the mount; "" where `roots` names only one.
    """

    bucket: str
    prefix: str = ""
    root: str = ""


def _listed(given: Any) -> Any:
    return [given] if isinstance(given, Mapping) else given


class RunOptions(_Part):
    """The arguments of a run.

    Attributes:
        database, blobs: Plex's two databases, as paths on this machine.
        sections: names; none for all.
        photo: photo sections too.
        analyze: have the media of each section analysed after its scan.
        sonic: analyse music, if a music section is chosen.
        mode: "delta" works on the library that is there, "scratch" makes `create_sections` first.
        roots: container path to host path of each mount.
        mount_units: host path to systemd unit of each mount that may be restarted; others are waited for.
        remotes: how to ask the store itself about a mount, past it, by its host path.
        plex_unit: Plex's own unit, restarted when Plex does not cease what was cancelled; "" for never.
        tries: how often a scan or analysis is begun that loses its mount.
        container: words that run a command inside Plex's container; none when it runs on the machine itself.
        mount_type: what the mounts must be; "" when plain folders will do.
        times: limits, as `medialift.plex.scan.Times`.
        settings: Plex settings besides the lockdown profile; null takes one out of it.
        claim: without it, the server must be claimed already.
        store: where the media lie; one for each of `roots`, or a single one. Deletions are looked up there;
            what lies elsewhere cannot be, and is not believed.
        accept_deletions: deletions that the store confirms are meant, however many they are.
        config: the settings file, which has the store's address and keys; None for the usual one.
    """

    server: ServerOptions
    database: Path
    blobs: Path | None = None
    sections: list[str] | None = None
    photo: bool = False
    analyze: bool = True
    sonic: bool = True
    mode: Literal["delta", "scratch"] = "delta"
    roots: dict[str, str] = {}
    container: list[str] = []
    mount_type: str = RCLONE
    mount_units: dict[str, str] = {}
    remotes: dict[str, RemoteOptions] = {}
    plex_unit: str = ""
    tries: int = Field(3, ge=1)
    times: dict[str, float | str] = {}
    settings: dict[str, bool | int | str | None] = {}
    claim: ClaimOptions | None = None
    create_sections: list[Any] = []
    store: Annotated[list[StoreOptions], BeforeValidator(_listed)] = []
    accept_deletions: bool = False
    config: Path | None = None

    @model_validator(mode="after")
    def _each_store_has_a_root(self) -> Self:
        self.places()
        return self

    def places(self) -> tuple[media_store.MediaPlace, ...]:
        """Which folder of the container shows which part of the store."""
        stores = [(one.root, one.bucket, one.prefix) for one in self.store]
        return media_store.places(list(self.roots), stores)


@dataclass(frozen=True)
class Request:
    """A run's arguments, checked."""

    options: RunOptions
    times: Times
    wanted: Mapping[str, preferences.Value]
    create: tuple[SectionSpec, ...]

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Request:
        """Check the arguments of a job: what can be wrong with them is found before Plex is touched.

        Raises:
            Permanent: an option is unknown, missing or malformed; it is named.
        """
        try:
            options = RunOptions.model_validate(dict(arguments))
        except ValidationError as error:
            wrong = error.errors()[0]
            place = ".".join(str(part) for part in wrong["loc"])
            raise Permanent(
                "An option of the run is wrong", f"{place}: {wrong['msg']}", "Correct it"
            ) from None
        create = scratch.parse(options.create_sections)
        if options.mode == "scratch" and not create:
            raise Permanent(
                "A scratch run needs the sections that it shall make", "create_sections", "List them"
            )
        if options.mode == "delta" and create:
            raise Permanent(
                "A delta run makes no sections", "create_sections", "Leave them out, or run from scratch"
            )
        wanted = preferences.lockdown(sonic=options.sonic, overrides=options.settings)
        return cls(options, Times.of(options.times), wanted, create)


def run_job(context: Context) -> dict[str, Any]:
    """The function of the job kind "plex-run".

    Returns:
        {outcome: "ok"|"quarantined", plex_version, sections: [{name, type, items_before, items_after,
        newly_deleted, skipped, reason, deletions: {believed, false, undone, unknown, merged, files, accepted,
        named}}], believed_deleted: {section's id: items}, sonic: {analysed, total, done, left, rate}|null,
        mount_reads: [{at, seconds, ok, path, error}], mounts: {probes, ill, unreadable, uncompared,
        recoveries} (as `MountRecord`), quarantine: {flag, reasons, acceptable}, settings: [{id, before,
        after}], phases: [{name, started, seconds, outcome, data}]}. Items are movies, episodes, tracks and
        photos that are not marked deleted.

    Raises:
        Stopped, Transient, Permanent, Unsafe: the run did not come to its end. What it was doing is stopped.
    """
    return Run.of(context).run()


@dataclass
class Run:
    """One run: its means, and what it has found so far."""

    context: Context
    request: Request
    server: PlexServer
    guard: Guard
    service: Service | None = None
    record: MountRecord = field(default_factory=MountRecord)
    media: MediaStore | None = None

    @classmethod
    def of(cls, context: Context) -> Run:
        """The run that a job's arguments ask for.

        Raises:
            Permanent: an argument is wrong.
        """
        request = Request.of(context.arguments)
        options, times = request.options, request.times
        record = MountRecord()
        media = _media(options, times.lookup)
        mounts = MountGuard(
            roots=options.roots,
            enter=options.container,
            runner=process.runner(timeout=times.mount, stop=context.stop),
            clock=context.clock,
            deadline=times.mount,
            filesystem=options.mount_type,
            every=times.probe_every,
            failures=times.probe_failures,
            heal_within=times.heal,
            programs={place: SystemdUnit(unit) for place, unit in options.mount_units.items()},
            remotes={
                place: Remote(Path(one.rclone), Path(one.config), one.remote, Path(place), tuple(one.options))
                for place, one in options.remotes.items()
            },
            record=record,
            stop=context.stop,
            removed=_witness(context, request, media).removed if media else guard.none_removed,
        )
        server = connect(options.server.url, options.server.preferences)
        service = PlexService(options.plex_unit) if options.plex_unit else None
        return cls(context, request, server, mounts, service, record, media)

    def __post_init__(self) -> None:
        self.journal: Journal = self.context.journal
        self.deadline = self.context.clock.monotonic() + self.request.times.whole
        self.census = Census(self.context.folder / "census.db")

    def run(self) -> dict[str, Any]:
        """All phases, in order."""
        options, journal = self.request.options, self.journal
        began = self.context.clock.now()
        self._store_answers()
        version = self._ready()
        self._claimed()
        changes = self._lock_down()
        if self.request.create:
            self._create()
        with journal.phase("choose sections") as phase:
            selection = choose(self.server.sections(), options.sections, photo=options.photo)
            phase.end(
                ", ".join(section.name for section in selection.chosen),
                skipped={one.section.name: one.reason for one in selection.skipped},
            )
        # The skipped ones are counted too: a section that nobody worked on must not lose items either.
        everything = self.server.sections()
        before = self._take_census(everything)
        for section in selection.chosen:
            self._section(section)
        music = self._sonic(selection)
        settled = self._settle(selection)
        after = self._count("counts after", everything)
        compared, quarantine = self._compare(everything, selection, before, after, settled)
        self.census.forget()
        return {
            "outcome": QUARANTINED if quarantine.reasons else OK,
            "mode": options.mode,
            "plex_version": version,
            "sections": _table(everything, selection, compared),
            "sonic": music.to_dict() if music else None,
            "mount_reads": [read.to_dict() for read in self.record.reads],
            "mounts": self.record.to_dict(),
            "quarantine": quarantine.to_dict(),
            "believed_deleted": {key: one.explained for key, one in compared.items() if one.explained},
            "settings": [change.to_dict() for change in changes],
            "phases": [phase.to_dict() for phase in phases(journal.path) if phase.started >= began - 0.001],
        }

    def _store_answers(self) -> None:
        """A store that refuses is told now, and not when days of work are to be judged by it."""
        if self.media is not None:
            with self.journal.phase("check the store") as phase:
                self.media.check()
                phase.end(", ".join(f"s3://{place.bucket}/{place.prefix}" for place in self.media.places))

    def _ready(self) -> str:
        with self.journal.phase("ready") as phase:
            identity = self.server.wait_ready(
                at_most=self.request.times.ready,
                every=min(2.0, self.request.times.poll),
                clock=self.context.clock,
                stop=self.context.stop,
            )
            phase.end(f"Plex {identity.version}", version=identity.version)
            return identity.version

    def _claimed(self) -> None:
        with self.journal.phase("claim") as phase:
            if self.server.identity().claimed:
                phase.end("claimed already")
                return
            if self.request.options.claim is None:
                raise Permanent(
                    "The server is not claimed",
                    self.server.url,
                    "Claim it first, or say where a claim token comes from",
                )
            claims.claim(
                self.server,
                _source(self.request.options.claim),
                at_most=self.request.times.claim,
                every=min(5.0, self.request.times.poll),
                clock=self.context.clock,
                stop=self.context.stop,
                tell=phase.note,
            )
            phase.end("claimed")

    def _lock_down(self) -> list[preferences.Change]:
        with self.journal.phase("lockdown") as phase:
            changes = preferences.apply(self.server, self.request.wanted)
            guard.prove_trash_off(self.server)
            # What the butler began before it was forbidden to goes on until it is told.
            self.server.stop_butler()
            phase.end(f"{len(changes)} settings changed", changed=[change.id for change in changes])
            return changes

    def _create(self) -> None:
        with self.journal.phase("create sections") as phase:
            for spec in self.request.create:
                # Plex scans a new section at once, so its roots are looked at before there is one.
                self.guard.prove_roots(_planned(spec))
            made = scratch.create(self.server, self.request.create)
            phase.end(", ".join(made) or "all are there already", made=made)

    def _take_census(self, sections: Sequence[Section]) -> Counter[str]:
        with self.journal.phase("counts before") as phase:
            retried()(self.census.take)(self.request.options.database, sections)
            counts = self.census.counts()
            phase.end(
                f"{counts.total()} items", items={section.name: counts[section.key] for section in sections}
            )
            return counts

    def _count(self, name: str, sections: Sequence[Section]) -> Counter[str]:
        with self.journal.phase(name) as phase:
            counts = retried()(census.living_items)(self.request.options.database, sections)
            phase.end(
                f"{counts.total()} items", items={section.name: counts[section.key] for section in sections}
            )
            return counts

    def _section(self, section: Section) -> None:
        self.rescan(section)
        if self.request.options.analyze:

            def analyse(phase: PhaseWriter, look: Callable[[], None]) -> None:
                counts = self._watch(phase, look).analyse(self.server, section)
                phase.end(f"{counts.unanalysed} files left", unanalysed=counts.unanalysed)

            self._guarded(f"analyse {section.name}", [section], analyse)

    def rescan(self, section: Section) -> Counts:
        """Scan a section to its very end on a mount that reads before, meanwhile and afterwards.

        Returns:
            What the database holds then.

        Raises:
            MountLost: the mount does not read, or lost its store each time.
            Stopped, Transient, Permanent, Unsafe: it was not scanned, or not to its end.
        """

        def work(phase: PhaseWriter, look: Callable[[], None]) -> Counts:
            counts = self._watch(phase, look).scan(self.server, section)
            phase.end(f"{counts.parts} files", parts=counts.parts, items=counts.items, deleted=counts.deleted)
            return counts

        return self._guarded(f"scan {section.name}", [section], work, scanning=True)

    def _guarded(
        self,
        name: str,
        sections: Sequence[Section],
        work: Callable[[PhaseWriter, Callable[[], None]], Done],
        *,
        scanning: bool = False,
    ) -> Done:
        """Do a phase's work under the guard; once more, a few times at most, when it loses the mount.

        Args:
            work: does it, and calls what it is given at each of its looks.
            scanning: the work may mark items deleted: the mount is proved before and after it.
        """
        database, losses, check = self.request.options.database, 0, scanning
        while True:
            try:
                for section in sections if check else ():
                    self._mount_check(section)
                with (
                    self.journal.phase(name) as phase,
                    self._cancelling(sections, phase),
                    self.guard.vigil(database, sections, _noting(phase)) as vigil,
                ):
                    done = work(phase, vigil.look)
                    vigil.prove() if scanning else vigil.look()
                    return done
            except MountLost as lost:
                losses, check = losses + 1, True
                if losses >= self.request.options.tries:
                    raise
                self._heal(sections, lost)

    def _mount_check(self, section: Section) -> None:
        with self.journal.phase(f"mount check {section.name}") as phase:
            guard.prove_trash_off(self.server)
            reads = self.guard.verify(self.request.options.database, section)
            told = guard.summary(reads)
            phase.end(f"{told['reads']} reads, the slowest took {told['slowest']:.3f} s", **told)

    def _heal(self, sections: Sequence[Section], lost: MountLost) -> None:
        """Bring Plex to rest and the mount back. Raises what lost it when it does not come back."""
        names = ", ".join(section.name for section in sections)
        with self.journal.phase(f"recover mount {names}", text=str(lost)) as phase:
            resting = Resting(
                self.server,
                sections,
                self.request.times,
                self.context.clock,
                self.context.stop,
                self.service,
                phase.note,
            )
            healed = self.guard.heal(
                self.request.options.database,
                sections,
                halt=resting.halt,
                resume=resting.resume,
                tell=_noting(phase),
            )
            if not healed:
                raise lost
            phase.end("it reads again")

    def _watch(self, phase: PhaseWriter, look: Callable[[], None]) -> Watch:
        return Watch(
            counts=lambda key: scan.count(self.request.options.database, key),
            times=self.request.times,
            clock=self.context.clock,
            stop=self.context.stop,
            tell=lambda text, numbers: phase.progress(text, **numbers),
            deadline=self.deadline,
            look=look,
        )

    def _sonic(self, selection: Selection) -> sonic.SonicResult | None:
        if not self.request.options.sonic or not selection.music:
            with self.journal.phase("music analysis") as phase:
                phase.skip("no music section is chosen" if self.request.options.sonic else "not asked for")
            return None
        keys = [section.key for section in selection.music]

        def work(phase: PhaseWriter, look: Callable[[], None]) -> sonic.SonicResult:
            result = sonic.analyse(
                self.server,
                lambda: retried(limit=3)(sonic.backlog)(self.request.options.database, keys),
                times=self.request.times,
                clock=self.context.clock,
                stop=self.context.stop,
                deadline=self.deadline,
                tell=lambda text, numbers: phase.progress(text, **numbers),
                look=look,
            )
            phase.end(
                f"{result.analysed} of {result.total} tracks, {result.rate:.2f} per second",
                **result.to_dict(),
            )
            return result

        return self._guarded("music analysis", selection.music, work)

    def _settle(self, selection: Selection) -> Settled:
        """Look up what was lost, and undo what was lost falsely."""
        options = self.request.options
        lookup = self._lookup(selection)

        def ask(files: Sequence[str]) -> Mapping[str, Answer]:
            with self.journal.phase("look up deletions") as phase:
                answers = lookup.ask(files) if lookup else {}
                states = Counter[str](answer.state for answer in answers.values())
                phase.end(
                    f"of {len(files)} files {states['gone']} are gone from the store, "
                    f"{states['there']} are in it, {states['unknown']} could not be told",
                    **states,
                )
                return answers

        return Reckoning(
            self.census,
            options.database,
            ask if lookup else None,
            self.rescan,
            selection.chosen,
            tell=self._note,
            undelete=self._undelete if self.service is not None else None,
        ).settle()

    def _undelete(self, files: Sequence[str]) -> None:
        """Take deletions back in the database, with Plex stopped for as long as that takes."""
        assert self.service is not None  # noqa: S101  offered only then
        with self.journal.phase("undelete") as phase:
            self.service.stop()
            try:
                number = undelete(self.request.options.database, files, lived=self.census.parts())
            finally:
                self.service.start()
            phase.end(f"{number} items are no longer marked deleted")
        self._ready()

    def _note(self, text: str) -> None:
        self.journal.add("compare", NOTE, data={"text": text})

    def _lookup(self, selection: Selection) -> Lookup | None:
        if self.media is None:
            return None
        inside = PathMap.of(self.request.options.roots).inverse()
        return _witness(self.context, self.request, self.media).afterwards(
            selection.chosen,
            [one.section for one in selection.skipped],
            read=lambda: [inside.map(read.path) for read in self.record.reads if read.ok],
            pauses=[self.request.times.lookup_pause] * ROUNDS,
        )

    def _compare(
        self,
        sections: Sequence[Section],
        selection: Selection,
        before: Counter[str],
        after: Counter[str],
        settled: Settled,
    ) -> tuple[dict[str, Deletions], Quarantine]:
        options = self.request.options
        # In plain folders there is nothing to ask but the folders themselves, which Plex did.
        policy = Policy(options.accept_deletions, trusting=not options.mount_type and self.media is None)
        with self.journal.phase("compare") as phase:
            compared = {
                section.key: deletions.conclude(
                    section,
                    before[section.key],
                    after[section.key],
                    [one for one in settled.judged if one.section == section.key],
                    policy,
                    undone=settled.undone[section.key],
                )
                for section in sections
            }
            doubts = [doubt for one in compared.values() for doubt in one.doubts]
            words = [word for one in compared.values() for word in one.words]
            if options.mode == "scratch":
                doubts += [
                    f"{section.name}: the scan found nothing in it"
                    for section in selection.chosen
                    if not after[section.key]
                ]
                words += self._left_out(selection)
            quarantine = Quarantine.of([*doubts, *settled.notes] if doubts else [], words)
            deleted = sum(one.newly_deleted for one in compared.values())
            phase.end(
                "; ".join(quarantine.reasons) or f"{deleted} items newly deleted", newly_deleted=deleted
            )
            return compared, quarantine

    def _left_out(self, selection: Selection) -> list[str]:
        """Sections of a new library that lack much of what the store holds for them."""
        if self.media is None:
            return []
        reasons = []
        for section in selection.chosen:
            files = set(retried()(census.living_files)(self.request.options.database, section=section.key))
            found = unscanned.left_out(self.media, section, files)
            reasons.append(found.reason(section.name))
        return [] if self.request.options.accept_deletions else [one for one in reasons if one]

    def _cancelling(self, sections: Sequence[Section], phase: PhaseWriter) -> _OnError:
        cancels = [partial(self.server.cancel_scan, section.key) for section in sections]
        return _OnError(phase, [*cancels, self.server.stop_butler])


class _OnError:
    """When the block fails, stops what it began, so that nothing goes on that nobody watches."""

    def __init__(self, phase: PhaseWriter, undo: Sequence[Callable[[], None]]) -> None:
        self._phase, self._undo = phase, undo

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: Any) -> None:
        if error is None:
            return
        for step in self._undo:
            # The error that is on its way says more than one of the clean-up; that one is noted.
            try:
                step()
            except MedialiftError as failed:
                with suppress(OSError):
                    self._phase.note(f"could not be stopped: {failed}")


def _noting(phase: PhaseWriter) -> Callable[[str, Mapping[str, Any]], None]:
    return lambda text, numbers: phase.note(text, **numbers)


def _media(options: RunOptions, patience: float) -> MediaStore | None:
    """The store that the media are in; `patience` is the seconds for one answer of it, tries included."""
    if not options.store:
        return None
    store = Store.of(configuration.load(options.config).settings.store, patience=patience)
    # boto3 tries twice by itself.
    return MediaStore(replace(store, timeout=max(1.0, patience / 2)), options.places())


def _witness(context: Context, request: Request, media: MediaStore) -> Witness:
    options = request.options
    runner = process.runner(timeout=request.times.mount)
    return Witness(
        media,
        options.database,
        lambda file: runner([*options.container, "test", "-e", file]).ok,
        context.clock,
        context.stop,
    )


def _source(options: ClaimOptions) -> claims.ClaimSource:
    token = ""
    if options.account_token_file is not None:
        try:
            token = options.account_token_file.read_text().strip()
        except OSError as error:
            raise Permanent(
                "The file with the account's token cannot be read",
                str(options.account_token_file),
                str(error.strerror),
            ) from error
    return claims.ClaimSource(file=options.file, account_token=token, account_url=options.account_url)


def _planned(spec: SectionSpec) -> Section:
    return Section(
        key="0",
        name=spec.name,
        type=spec.type,
        agent=spec.agent,
        scanner=spec.scanner,
        language=spec.language,
        locations=spec.locations,
        refreshing=False,
        scanned_at=0,
    )


def _table(
    sections: Sequence[Section],
    selection: Selection,
    compared: Mapping[str, Deletions],
) -> list[dict[str, Any]]:
    skipped = {one.section.key: one.reason for one in selection.skipped}
    return [
        {
            "name": section.name,
            "type": section.type,
            "items_before": compared[section.key].before,
            "items_after": compared[section.key].after,
            "newly_deleted": compared[section.key].newly_deleted,
            "skipped": section.key in skipped,
            "reason": skipped.get(section.key, ""),
            "deletions": compared[section.key].to_dict(),
        }
        for section in sections
    ]
