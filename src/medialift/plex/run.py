"""A whole run where Plex is: ready, claimed, locked down, scanned section by section, compared.

It is the job kind "plex-run": it runs as a unit of its own, tells every phase to its journal, and whoever
started it may go away. It deletes nothing and exports nothing: it says what happened, and whether an archive
of it may be trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medialift.errors import MedialiftError, Permanent
from medialift.foundation import process
from medialift.foundation.backoff import retried
from medialift.foundation.jobs import Context
from medialift.foundation.journal import Journal, PhaseWriter, phases
from medialift.mounts.probe import RCLONE
from medialift.mounts.recovery import SystemdUnit
from medialift.plex import claim as claims
from medialift.plex import deletions, guard, preferences, scan, scratch, sonic
from medialift.plex.deletions import Comparison
from medialift.plex.guard import Guard, MountGuard
from medialift.plex.mount_record import MountRecord
from medialift.plex.resting import Resting
from medialift.plex.scan import Counts, Times, Watch
from medialift.plex.scratch import SectionSpec
from medialift.plex.selection import Selection, choose
from medialift.plex.server import PlexServer, Section, connect
from medialift.plex.service import PlexService, Service
from medialift.plex.vigil import MountLost

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
        plex_unit: Plex's own unit, restarted when Plex does not cease what was cancelled; "" for never.
        tries: how often a scan or analysis is begun that loses its mount.
        container: words that run a command inside Plex's container; none when it runs on the machine itself.
        mount_type: what the mounts must be; "" when plain folders will do.
        times: limits, as `medialift.plex.scan.Times`.
        settings: Plex settings besides the lockdown profile; null takes one out of it.
        claim: without it, the server must be claimed already.
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
    plex_unit: str = ""
    tries: int = Field(3, ge=1)
    times: dict[str, float | str] = {}
    settings: dict[str, bool | int | str | None] = {}
    claim: ClaimOptions | None = None
    create_sections: list[Any] = []


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
        newly_deleted, skipped, reason}], sonic: {analysed, total, done, left, rate}|null,
        mount_reads: [{at, seconds, ok, path, error}], mounts: {probes, ill, unreadable, recoveries} (as
        `MountRecord`), quarantine: {flag, reasons}, settings: [{id, before,
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

    @classmethod
    def of(cls, context: Context) -> Run:
        """The run that a job's arguments ask for.

        Raises:
            Permanent: an argument is wrong.
        """
        request = Request.of(context.arguments)
        options, times = request.options, request.times
        record = MountRecord()
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
            record=record,
            stop=context.stop,
        )
        server = connect(options.server.url, options.server.preferences)
        service = PlexService(options.plex_unit) if options.plex_unit else None
        return cls(context, request, server, mounts, service, record)

    def __post_init__(self) -> None:
        self.journal: Journal = self.context.journal
        self.deadline = self.context.clock.monotonic() + self.request.times.whole

    def run(self) -> dict[str, Any]:
        """All phases, in order."""
        options, journal = self.request.options, self.journal
        began = self.context.clock.now()
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
        before = self._count("counts before", everything)
        for section in selection.chosen:
            self._section(section)
        music = self._sonic(selection)
        after = self._count("counts after", everything)
        compared, reasons = self._compare(everything, selection, before, after)
        return {
            "outcome": QUARANTINED if reasons else OK,
            "mode": options.mode,
            "plex_version": version,
            "sections": _table(everything, selection, compared),
            "sonic": music.to_dict() if music else None,
            "mount_reads": [read.to_dict() for read in self.record.reads],
            "mounts": self.record.to_dict(),
            "quarantine": {"flag": bool(reasons), "reasons": reasons},
            "settings": [change.to_dict() for change in changes],
            "phases": [phase.to_dict() for phase in phases(journal.path) if phase.started >= began - 0.001],
        }

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

    def _count(self, name: str, sections: Sequence[Section]) -> dict[str, frozenset[int]]:
        with self.journal.phase(name) as phase:
            found = retried()(deletions.alive)(self.request.options.database, sections)
            counts = {section.name: len(found.get(section.key, ())) for section in sections}
            phase.end(f"{sum(counts.values())} items", items=counts)
            return found

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
            reads = retried(limit=3)(self.guard.verify)(self.request.options.database, section)
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

    def _compare(
        self,
        sections: Sequence[Section],
        selection: Selection,
        before: Mapping[str, frozenset[int]],
        after: Mapping[str, frozenset[int]],
    ) -> tuple[dict[str, Comparison], list[str]]:
        with self.journal.phase("compare") as phase:
            compared = {
                section.key: deletions.compare(
                    section.name, before.get(section.key, frozenset()), after.get(section.key, frozenset())
                )
                for section in sections
            }
            reasons = [reason for one in compared.values() for reason in one.reasons]
            if self.request.options.mode == "scratch":
                reasons += [
                    f"{section.name}: the scan found nothing in it"
                    for section in selection.chosen
                    if not compared[section.key].items_after
                ]
            deleted = sum(one.newly_deleted for one in compared.values())
            phase.end("; ".join(reasons) or f"{deleted} items newly deleted", newly_deleted=deleted)
            return compared, reasons

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
    compared: Mapping[str, Comparison],
) -> list[dict[str, Any]]:
    skipped = {one.section.key: one.reason for one in selection.skipped}
    return [
        {
            "name": section.name,
            "type": section.type,
            "items_before": compared[section.key].items_before,
            "items_after": compared[section.key].items_after,
            "newly_deleted": compared[section.key].newly_deleted,
            "skipped": section.key in skipped,
            "reason": skipped.get(section.key, ""),
        }
        for section in sections
    ]
