"""When a scan has ended, and when it never will.

Plex queues a scan, gives it no number, and says "not refreshing" about half a minute before the library stops
changing; its activities keep a `butler` row for ever. So a scan has ended when it was seen to begin, and then
nothing of it was seen for several readings in a row, and the database stood still as well. Measured by the
project streaming-catalog-authority on a real server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from medialift.errors import Permanent, Transient
from medialift.foundation.jobs import Stopped
from medialift.foundation.sqlite import open_readonly
from medialift.foundation.units import parse_duration
from medialift.foundation.waiting import Clock, wait_until
from medialift.plex.server import Activity, Section

# Activities that change a library. "butler" is none: its row never goes.
WORK = ("library.", "media.generate.", "provider.subscriptions.")

_HISTORY = 12


@dataclass(frozen=True)
class Times:
    """How long things may take; all in seconds but the two counts, `quiet_polls` and `probe_failures`.

    Attributes:
        poll: between two readings.
        quiet_polls: readings in a row that must find nothing going on.
        ready: for Plex to be usable after its start.
        claim: for a claim token that works.
        start: for a scan to begin after it was asked for.
        analyse_start: after which an analysis that shows no sign has nothing to do.
        section: for one scan or analysis to end.
        stall: without any movement, after which it is stuck.
        unreadable: of failed readings in a row, after which the server or the database is given up.
        sonic: for the music analysis.
        whole: for the whole run.
        mount: for one check of the mount.
        probe_every: between two probes of the mount while Plex reads through it.
        probe_failures: probes in a row that must fail before the work is cancelled.
        cease: for work to cease that was cancelled.
        heal: for a mount that does not read to read again, its restarts included.
        lookup: for the store to answer about a lost file, tries included.
        lookup_pause: before lost files of which the store could not tell are asked about again.
    """

    poll: float = 5.0
    quiet_polls: int = 4
    ready: float = 900.0
    claim: float = 900.0
    start: float = 600.0
    analyse_start: float = 30.0
    section: float = 4 * 3600.0
    stall: float = 1800.0
    unreadable: float = 300.0
    sonic: float = 72 * 3600.0
    whole: float = 72 * 3600.0
    mount: float = 120.0
    probe_every: float = 60.0
    probe_failures: int = 2
    cease: float = 600.0
    heal: float = 900.0
    lookup: float = 30.0
    lookup_pause: float = 60.0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Times:
        """From options, durations as numbers or as text ("4h").

        Raises:
            Permanent: a name is unknown, or a value is no duration above zero.
        """
        known = {field.name: field.default for field in fields(cls)}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise Permanent(
                "There is no such time limit", ", ".join(unknown), f"Valid are: {', '.join(sorted(known))}"
            )
        parsed: dict[str, Any] = {}
        for name, value in given.items():
            seconds = parse_duration(value)
            if seconds <= 0:
                raise Permanent("A time limit must be above zero", f"{name}: {value}", "Correct it")
            parsed[name] = max(1, int(seconds)) if isinstance(known[name], int) else seconds
        return cls(**parsed)


@dataclass(frozen=True)
class Reading:
    """One look at a section: is it refreshing, when was it scanned last, what goes on in it."""

    refreshing: bool
    scanned_at: int
    activities: tuple[Activity, ...] = ()

    @property
    def busy(self) -> bool:
        """Whether the server shows work on this section."""
        return self.refreshing or bool(self.activities)


@dataclass(frozen=True)
class Counts:
    """What the database holds of a section; equal twice means that nothing was written in between.

    Attributes:
        items: rows of metadata_items of any kind, with those marked deleted.
        deleted: of them, those marked deleted.
        parts: files.
        changed: newest `updated_at`, seconds since the epoch.
        unanalysed: files whose media were not analysed yet.
    """

    items: int
    deleted: int
    parts: int
    changed: int
    unanalysed: int


class Watched(Protocol):
    """What this needs of a server."""

    def section(self, key: str) -> Section: ...
    def activities(self) -> list[Activity]: ...
    def scan(self, key: str) -> None: ...
    def analyze(self, key: str) -> None: ...


class Cancelling(Protocol):
    """What `cease` needs of a server."""

    def section(self, key: str) -> Section: ...
    def activities(self) -> list[Activity]: ...
    def cancel_scan(self, key: str) -> None: ...
    def stop_butler(self, task: str | None = None) -> None: ...


class Stalled(Transient):
    """A counter that should move stands still or goes to and fro. It names the counter and its history.

    Transient: after a restart of Plex or the return of its mount the same work often goes on.
    """


class DoneRule:
    """Decides from readings, one after another, whether the work on a section has ended.

    Args:
        scanned_before: the section's `scanned_at` before the work was asked for.
        quiet_polls: how many readings in a row must find nothing going on.
        must_begin: whether it has to be seen to begin: a scan always can be, an analysis that has nothing to
            do never is.
    """

    def __init__(self, scanned_before: int, *, quiet_polls: int, must_begin: bool = True) -> None:
        self._scanned_before = scanned_before
        self._quiet_polls = quiet_polls
        self.begun = not must_begin
        self.quiet = 0

    def observe(self, reading: Reading | None) -> bool:
        """Take the next reading, None for one that failed; whether the work has ended."""
        if reading is None:
            self.quiet = 0
            return False
        if reading.busy or reading.scanned_at > self._scanned_before:
            self.begun = True
        self.quiet = 0 if reading.busy else self.quiet + 1
        return self.begun and self.quiet >= self._quiet_polls


class Movement:
    """Raises when nothing has moved for too long.

    Args:
        name: of what is watched, for the error.
        patience: seconds.
    """

    def __init__(self, name: str, *, patience: float) -> None:
        self._name = name
        self._patience = patience
        self._last: Hashable = None
        self._since: float | None = None

    def observe(self, sign: Hashable, at: float) -> None:
        """Take the next sign of life: anything that differs from one time to the next.

        Raises:
            Stalled: it has been the same for `patience` seconds.
        """
        if self._since is None or sign != self._last:
            self._last, self._since = sign, at
        elif at - self._since >= self._patience:
            raise Stalled(
                f"Nothing has moved for {at - self._since:.0f} s", f"{self._name}: {sign}", _STALL_HINT
            )


class Countdown:
    """Raises when a backlog stops falling, or goes up and down without ever getting smaller.

    Args:
        name: of the counter, for the error.
        patience: seconds without a new low, after which it has stopped falling.
        turns: how often it may rise again after a fall without a new low in between.
    """

    def __init__(self, name: str, *, patience: float, turns: int = 4) -> None:
        self._name = name
        self._patience = patience
        self._allowed = turns
        self._turns = 0
        self._lowest: int | None = None
        self._lowest_at = 0.0
        self._falling = False
        self._last: int | None = None
        self._history: deque[int] = deque(maxlen=_HISTORY)

    def observe(self, count: int, at: float) -> None:
        """Take the next count, and when it was taken, in seconds of any clock that does not jump.

        Raises:
            Stalled: it stopped falling, or it oscillates.
        """
        if self._last is None or count != self._last:
            self._history.append(count)
        if self._lowest is None or count < self._lowest:
            self._lowest, self._lowest_at, self._turns = count, at, 0
        if self._last is not None and count != self._last:
            rising = count > self._last
            self._turns += rising and self._falling
            self._falling = not rising
        self._last = count
        if count == 0:
            return
        if self._turns > self._allowed:
            raise self._stalled("A counter goes up and down and does not get smaller")
        if at - self._lowest_at >= self._patience:
            raise self._stalled(f"A counter has not fallen for {at - self._lowest_at:.0f} s")

    def _stalled(self, what: str) -> Stalled:
        history = ", ".join(str(count) for count in self._history)
        return Stalled(what, f"{self._name} (it was {history})", _STALL_HINT)


_STALL_HINT = "Check the mount and the log of the Plex service, then start the run again"


def count(database: Path, section: str) -> Counts:
    """Count a section in a database that Plex is using.

    Raises:
        Transient, Permanent: it could not be read. That is an error, and never a count of nothing.
    """
    with open_readonly(database) as con:
        items, deleted, changed = con.execute(
            "SELECT count(*), count(deleted_at), max(coalesce(updated_at, 0)) FROM metadata_items "
            "WHERE library_section_id = ?",
            (int(section),),
        ).fetchone()
        parts, unanalysed = con.execute(
            "SELECT count(*), sum(coalesce(m.media_analysis_version, 0) = 0 AND m.deleted_at IS NULL) "
            "FROM media_items m JOIN media_parts p ON p.media_item_id = m.id WHERE m.library_section_id = ?",
            (int(section),),
        ).fetchone()
    return Counts(items, deleted, parts, int(changed or 0), unanalysed or 0)


def read(server: Watched | Cancelling, key: str) -> Reading:
    """Look at a section once. Work that names no section is taken to be on this one."""
    section = server.section(key)
    at_work = tuple(
        activity
        for activity in server.activities()
        if activity.type.startswith(WORK) and activity.section in ("", key)
    )
    return Reading(section.refreshing, section.scanned_at, at_work)


def cease(server: Cancelling, keys: Sequence[str], *, times: Times, clock: Clock, stop: Event) -> bool:
    """Have all work on these sections given up; whether nothing of it was seen any more in `times.cease`.

    A cancel is answered and may be forgotten all the same, above all by a scan that has only just begun: so
    it is asked for at each look until several looks in a row find nothing.

    Raises:
        Stopped: `stop` was set.
    """
    quiet = 0

    def quiet_for_long() -> bool:
        nonlocal quiet
        try:
            server.stop_butler()
            for key in keys:
                server.cancel_scan(key)
            quiet = 0 if any(read(server, key).busy for key in keys) else quiet + 1
        except Transient:
            quiet = 0
        return quiet >= times.quiet_polls

    ceased = wait_until(quiet_for_long, at_most=times.cease, every=times.poll, clock=clock, stop=stop)
    if not ceased and stop.is_set():
        raise Stopped("cancelling")
    return ceased


def _nothing() -> None:
    """Nothing else to look at."""


@dataclass(frozen=True)
class Watch:
    """What watching a server takes besides the server: how to count, how long, the clock, whom to tell.

    `tell` gets a line for people and the numbers behind it, whenever these have changed. `look` is called at
    each look at the server, and what it raises ends the watch: the guard's way to say that the mount is lost.
    """

    counts: Callable[[str], Counts]
    times: Times
    clock: Clock
    stop: Event
    tell: Callable[[str, Mapping[str, Any]], None]
    deadline: float
    look: Callable[[], None] = _nothing

    def scan(self, server: Watched, section: Section) -> Counts:
        """Scan a section to its very end; what the database holds then.

        Raises:
            Stalled, Transient, Stopped: it did not end well. The scan may be going on: cancel it.
        """
        before = server.section(section.key).scanned_at
        server.scan(section.key)
        return self._until_done(server, section, DoneRule(before, quiet_polls=self.times.quiet_polls), "scan")

    def analyse(self, server: Watched, section: Section) -> Counts:
        """Have the media of a section analysed to the end; what the database holds then. Raises as `scan`."""
        server.analyze(section.key)
        polls = max(self.times.quiet_polls, round(self.times.analyse_start / self.times.poll))
        rule = DoneRule(section.scanned_at, quiet_polls=polls, must_begin=False)
        return self._until_done(server, section, rule, "analysis")

    def _until_done(self, server: Watched, section: Section, rule: DoneRule, what: str) -> Counts:
        name, times, clock = section.name, self.times, self.clock
        begun = clock.monotonic()
        until = min(begun + times.section, self.deadline)
        movement = Movement(f"{what} of {name}", patience=times.stall)
        last: Counts | None = None
        steady = 0
        failing_since: float | None = None
        while True:
            self.look()
            now = clock.monotonic()
            try:
                reading = read(server, section.key)
                counts = self.counts(section.key)
            except Transient as error:
                rule.observe(None)
                steady = 0
                failing_since = now if failing_since is None else failing_since
                self.tell(f"{name}: a reading failed: {error.what}", {"failed_reading": error.what})
                if now - failing_since >= times.unreadable:
                    raise
            else:
                failing_since = None
                steady = steady + 1 if counts == last else 0
                if counts != last:
                    self.tell(*_progress(name, counts, reading))
                last = counts
                if rule.observe(reading) and steady >= times.quiet_polls:
                    return counts
                if reading.busy:
                    movement.observe((counts, _signs(reading)), now)
            if not rule.begun and now - begun >= times.start:
                raise Transient(
                    f"The {what} did not begin within {times.start:g} s", name, "Look at the log of Plex"
                )
            if now >= until:
                raise Transient(
                    f"The {what} did not end within {now - begun:.0f} s",
                    name,
                    "Give it more time if it was still moving",
                )
            if clock.sleep(min(times.poll, until - now), self.stop):
                raise Stopped(f"{what} of {name}")


def _signs(reading: Reading) -> tuple[tuple[str, str, int], ...]:
    return tuple((one.type, one.title, one.progress) for one in reading.activities)


def _progress(name: str, counts: Counts, reading: Reading) -> tuple[str, dict[str, Any]]:
    doing = next((one.title for one in reading.activities if one.title), "")
    text = f"{name}: {counts.parts} files, {counts.items} items, {counts.deleted} marked deleted"
    numbers = {
        "items": counts.items,
        "deleted": counts.deleted,
        "parts": counts.parts,
        "unanalysed": counts.unanalysed,
    }
    return f"{text} ({doing})" if doing else text, numbers
