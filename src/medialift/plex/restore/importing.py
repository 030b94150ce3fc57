"""The import at home: stage and prove beside the library, exchange in seconds, verify, or put back."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from threading import Event
from typing import Any

from medialift.errors import MedialiftError, Unsafe
from medialift.foundation.jobs import Stopped
from medialift.foundation.journal import Journal
from medialift.foundation.sqlite import users
from medialift.foundation.waiting import Clock, SystemClock, wait_until
from medialift.plex import database as facts
from medialift.plex import preferences
from medialift.plex.database import SectionFacts
from medialift.plex.guard import prove_trash_off
from medialift.plex.manifest import Sidecar
from medialift.plex.restore import ballast, checks, history, moves, serving, staging
from medialift.plex.restore.claims import Claims
from medialift.plex.restore.history import Pending
from medialift.plex.restore.home import Home
from medialift.plex.restore.layout import FreeSpace, free_space, refuse_small_disk
from medialift.plex.restore.source import ArchiveSource
from medialift.plex.restore.staging import Staged
from medialift.plex.restore.undoing import (
    READY_SECONDS,
    complete,
    exclusively,
    prune,
    put_back,
    recover_held,
)

PUT_BACK_PHASE = "put the library from before back"


class PutBack(Unsafe):
    """An import failed after the exchange, and the library from before serves again."""

    @classmethod
    def after(cls, error: BaseException) -> PutBack:
        if isinstance(error, MedialiftError):
            return cls(
                f"The import failed and the library from before was put back ({error.what})",
                error.subject,
                error.hint,
            )
        return cls(
            "The import failed and the library from before was put back",
            f"{type(error).__name__}: {error}",
            "Look at the journal of the job",
        )


@dataclass(frozen=True)
class Options:
    """How to import.

    Attributes:
        accept_loss: go on although views, ratings or settings made at home since the export are lost.
        accept_deletions: take an archive that is quarantined only for its deletions, all of them confirmed by
            the store.
        wait: seconds to wait until nobody is watching; then they are interrupted.
        ready: seconds that Plex may take to serve a library.
        keep: earlier libraries to keep.
        reserve: bytes that must stay free on the disk.
        again: import an archive even though a person rolled it back before.
    """

    accept_loss: bool = False
    accept_deletions: bool = False
    wait: float = 4 * 3600.0
    ready: float = READY_SECONDS
    keep: int = 3
    reserve: int = 2_000_000_000
    again: bool = False


@dataclass(frozen=True)
class Prediction:
    """What an import would do now. `sections` compare home with the archive's claims."""

    changed: bool
    reason: str
    archive: str
    sections: tuple[Mapping[str, Any], ...] = ()
    loses_watch_state: bool = False

    def to_dict(self) -> dict[str, Any]:
        """All attributes."""
        return {**asdict(self), "sections": [dict(section) for section in self.sections]}


@dataclass(frozen=True)
class Outcome:
    """What an import did.

    Attributes:
        outcome: "imported" or "unchanged".
        archive: its sha256.
        sections: [{name, type, items_before, items_after, newly_deleted}].
        files: {new, replaced, identical}: files of Metadata and Media.
        residue: rows that still mention the cloud's paths where Plex does not open files by them.
        missing: {section: files} of the samples that home's Plex did not find.
        down: seconds for which Plex was stopped.
    """

    outcome: str
    archive: str
    reason: str = ""
    name: str = ""
    sections: tuple[Mapping[str, Any], ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    residue: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lost_watch_state: bool = False
    pruned: tuple[str, ...] = ()
    down: float = 0.0

    @property
    def changed(self) -> bool:
        return self.outcome == "imported"

    def to_dict(self) -> dict[str, Any]:
        """All attributes, and rolled_back: false."""
        told = asdict(self)
        return {**told, "changed": self.changed, "rolled_back": False}


@dataclass(frozen=True)
class _Task:
    """An import's givens, passed from step to step."""

    home: Home
    source: ArchiveSource
    options: Options
    journal: Journal
    clock: Clock
    stop: Event
    free: FreeSpace
    tell: Callable[[int], None]


def predict(
    home: Home, source: ArchiveSource, options: Options, *, free: FreeSpace = free_space
) -> Prediction:
    """What `import_library` would do now; nothing is changed, at home or in Plex's settings.

    Raises:
        Unsafe, Permanent, Transient: the import would refuse, for this reason.
    """
    sidecar = checks.require_sidecar(source.sidecar(), source.name)
    done = _done_before(home, sidecar, options)
    if done:
        return Prediction(False, done, sidecar.archive.sha256)
    claims, before, loses = _admit(home, sidecar, options, free)
    after = {claim.name: claim for claim in claims.sections}
    return Prediction(
        True,
        "the archive is good and newer than what home has",
        sidecar.archive.sha256,
        tuple(
            {
                "name": one.name,
                "type": one.type,
                "items_before": one.items,
                "items_after": after[one.name].items if one.name in after else 0,
            }
            for one in before
        ),
        loses,
    )


def import_library(
    home: Home,
    source: ArchiveSource,
    options: Options | None = None,
    *,
    journal: Journal,
    clock: Clock | None = None,
    stop: Event | None = None,
    free: FreeSpace = free_space,
    tell: Callable[[int], None] = lambda _done: None,
) -> Outcome:
    """Import an archive of a burst into home's Plex. The same archive again changes nothing.

    An interrupted import is put right first. From the moment Plex is stopped, any failure brings the
    library from before back and proves that Plex serves it.

    Args:
        tell: called after each rename of the exchange with the number of renames done.

    Raises:
        PutBack: it failed after the exchange had begun; the library from before serves again.
        Unsafe, Permanent, Transient: it was refused, or could not begin; nothing was changed.
    """
    task = _Task(
        home, source, options or Options(), journal, clock or SystemClock(), stop or Event(), free, tell
    )
    # Before anything is looked at: a library that was half exchanged is put right first.
    with exclusively(home.data):
        if history.read_pending(home.data) is not None:
            with journal.phase("put right the interrupted import") as phase:
                found = recover_held(home, ready=task.options.ready, clock=task.clock, stop=task.stop)
                phase.end(found.outcome)
        staging.discard_all(home.data)
        return _import(task)


def _import(task: _Task) -> Outcome:
    home, journal, options = task.home, task.journal, task.options
    with journal.phase("check the archive and home") as phase:
        home.data.check_home()
        sidecar = checks.require_sidecar(task.source.sidecar(), task.source.name)
        done = _done_before(home, sidecar, options)
        if done:
            phase.skip(done)
            return Outcome("unchanged", sidecar.archive.sha256, done)
        claims, before, _ = _admit(home, sidecar, options, task.free)
        # Until a scan has proved the new paths, nothing that Plex cannot read may be deleted.
        preferences.apply(home.server, preferences.HOME)
        prove_trash_off(home.server)
        phase.end(f"{len(before)} sections at home", archive=task.source.name, sha256=sidecar.archive.sha256)
    # One archive may be imported, rolled back and imported again: each time has its own folders.
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(task.clock.now()))}-{secrets.token_hex(3)}"
    folder = home.data.staging(name)
    try:
        with journal.phase("unpack and verify the archive") as phase:
            staged = staging.unpack(task.source, folder, sidecar=sidecar)
            phase.end(f"{staged.verified.members} files", content_bytes=staged.verified.content_bytes)
        with journal.phase("prove the library") as phase:
            after, residue, identical = _prove(task, staged, claims)
            phase.end(f"{len(after)} sections", residue=residue, identical=identical)
        with journal.phase("wait until nobody is watching") as phase:
            phase.end(_wait_until_alone(task))
        pending = Pending(
            name=name,
            archive=sidecar.archive.sha256,
            source=task.source.name,
            step="stopping",
            was_running=home.service.running(),
            into=folder.name,
        )
        return _exchange(task, pending, staged, claims, before, after, residue, identical)
    except BaseException:
        if history.read_pending(home.data) is None:
            staging.discard(folder)
        raise


def _done_before(home: Home, sidecar: Sidecar, options: Options) -> str:
    """Why there is nothing to do; "" when there is."""
    past = history.read_history(home.data)
    if past.current is not None and past.current.archive == sidecar.archive.sha256:
        return f"this archive was imported on {past.current.at}"
    if past.was_rolled_back(sidecar.archive.sha256) and not options.again:
        return "this archive was imported and rolled back by hand; `again` imports it once more"
    return ""


def _admit(
    home: Home, sidecar: Sidecar, options: Options, free: FreeSpace
) -> tuple[Claims, list[SectionFacts], bool]:
    """(claims, home's sections, whether watch state will be lost), or a refusal."""
    home.data.check_home()
    claims = Claims.of(sidecar.manifest)
    schema = facts.schema(home.data.library)
    checks.refuse_unfit(
        sidecar,
        claims,
        home.server.identity().version,
        schema.max_version,
        accept_deletions=options.accept_deletions,
    )
    # Unpacked beside the library, which is moved and not copied; the remap's log is at most one database.
    needed = sidecar.archive.content_bytes + home.data.library.stat().st_size
    refuse_small_disk(home.data.path, needed, options.reserve, free)
    loses = checks.refuse_diverged(
        claims.reference, facts.watch_state(home.data.library), accept_loss=options.accept_loss
    )
    return claims, facts.sections(home.data.library), loses


def _prove(task: _Task, staged: Staged, claims: Claims) -> tuple[list[SectionFacts], dict[str, Any], int]:
    """(sections of the staged library, residue of the remap, identical files dropped), or a refusal."""
    home = task.home
    checks.refuse_newer_schema(
        facts.schema(staged.library).max_version, facts.schema(home.data.library).max_version
    )
    checks.refuse_false_claims(claims, facts.sections(staged.library))
    applied, guids = staging.prove(staged, claims.path_map.inverse(), home.data.owner(), home.integrity)
    after = facts.sections(staged.library)
    checks.refuse_losses(claims, facts.sections(home.data.library), after)
    identical = moves.drop_identical(staged.folder, home.data)
    return after, {**applied.residue.to_dict(), "guids_left": guids}, identical


def _wait_until_alone(task: _Task) -> str:
    who: list[list[str]] = []

    def alone() -> bool:
        # A server that does not answer is an error, never "nobody".
        who.append(task.home.server.watching())
        return not who[-1]

    if not task.home.service.running():
        return "Plex does not run"
    if wait_until(alone, at_most=task.options.wait, every=15.0, clock=task.clock, stop=task.stop):
        return "nobody is watching"
    if task.stop.is_set():
        raise Stopped(task.source.name)
    return f"the deadline passed, interrupting {len(who[-1])}"


def _exchange(
    task: _Task,
    pending: Pending,
    staged: Staged,
    claims: Claims,
    before: list[SectionFacts],
    after: list[SectionFacts],
    residue: Mapping[str, Any],
    identical: int,
) -> Outcome:
    home, options, data = task.home, task.options, task.home.data
    samples = serving.choose(staged.library, after, random.Random())  # noqa: S311  no secret
    began = task.clock.monotonic()
    history.write_pending(data, pending)
    try:
        ballast.hold(data)
        with task.journal.phase("exchange the library") as phase:
            home.service.stop()
            still = (*users(data.library), *users(data.blobs))
            if still:
                raise Unsafe("Plex was stopped, and its library is still open", ", ".join(still), "End it")
            # People may have watched, and Plex may have scanned, since the first look.
            lost = checks.refuse_diverged(
                claims.reference, facts.watch_state(data.library), accept_loss=options.accept_loss
            )
            checks.refuse_losses(claims, facts.sections(data.library), after)
            steps = moves.plan(staged.folder, data)
            rollback = data.rollback(pending.name)
            rollback.mkdir(mode=0o700)
            moves.write(steps, rollback)
            pending = replace(pending, step="swapping")
            history.write_pending(data, pending)
            moves.perform(steps, data, staged.folder, rollback, data_owner(staged), tell=task.tell)
            pending = replace(pending, step="swapped")
            history.write_pending(data, pending)
            counted = moves.count(steps)
            phase.end(f"{len(steps)} steps", new=counted.new, replaced=counted.replaced)
        with task.journal.phase("verify that Plex serves it") as phase:
            home.service.start()
            missing = serving.prove_new(
                home,
                claims.plex_version,
                after,
                samples,
                at_most=options.ready,
                clock=task.clock,
                stop=task.stop,
            )
            down = task.clock.monotonic() - began
            pending = replace(pending, step="verified")
            history.write_pending(data, pending)
            phase.end(f"{len(after)} sections", missing=missing)
    except BaseException as error:
        _put_back(task, pending, error)
        raise
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(task.clock.now()))
    complete(data, pending, at=at)
    return Outcome(
        outcome="imported",
        archive=pending.archive,
        name=pending.name,
        sections=_compared(before, after),
        files={"new": counted.new, "replaced": counted.replaced, "identical": identical},
        residue=residue,
        missing=missing,
        lost_watch_state=lost,
        pruned=tuple(prune(data, options.keep)),
        down=round(down, 3),
    )


def data_owner(staged: Staged) -> tuple[int, int]:
    """uid and gid that the staged library was given."""
    stat = staged.library.stat()
    return stat.st_uid, stat.st_gid


def _put_back(task: _Task, pending: Pending, error: BaseException) -> None:
    """Undo the exchange; raises PutBack when anything had been moved."""
    ballast.release(task.home.data)
    with task.journal.phase(PUT_BACK_PHASE) as phase:
        # A stop that was asked for must not cut short what brings the library back.
        put_back(task.home, pending, ready=task.options.ready, clock=task.clock, stop=Event())
        phase.end("it serves again" if pending.was_running else "Plex was not running before")
    if pending.step != "stopping" and isinstance(error, Exception):
        raise PutBack.after(error) from error


def _compared(before: Sequence[SectionFacts], after: Sequence[SectionFacts]) -> tuple[Mapping[str, Any], ...]:
    old = {section.name: section for section in before}
    return tuple(
        {
            "name": new.name,
            "type": new.type,
            "items_before": old[new.name].items if new.name in old else 0,
            "items_after": new.items,
            "newly_deleted": max(0, new.deleted - (old[new.name].deleted if new.name in old else 0)),
        }
        for new in after
    )
