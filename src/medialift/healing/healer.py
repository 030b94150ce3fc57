"""One round of the healing of this host: all its pipelines, one after the other, or nothing at all.

Nothing is done when the database does not answer, when a clock has jumped, or when another healing of this
host is at it: what is seen then cannot be relied on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from medialift.errors import MedialiftError
from medialift.foundation.units import format_duration
from medialift.healing import rounds
from medialift.healing.clocks import Clocks
from medialift.healing.evidence import ServerHealth
from medialift.healing.history import Entry, What, record
from medialift.healing.means import Tell
from medialift.healing.mounts_here import mounts_here
from medialift.healing.pipeline import Pipeline
from medialift.healing.pressure import Gauge, Measured, Pressure, hung_mount_words
from medialift.healing.standing import Here
from medialift.healing.turns import turn
from medialift.healing.ward import Visited, Ward
from medialift.mounts.watch_options import FOLDER
from medialift.notify import Event, Notice
from medialift.queueing import mount_states
from medialift.queueing.crew import AWAY, gone

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Round:
    """What a round did.

    Attributes:
        idle: why it did nothing; "" when it did what was to be done.
        visited: {pipeline: what was found and done}.
        errors: pipelines that could not be looked at, in words.
    """

    idle: str = ""
    visited: dict[str, Visited] = field(default_factory=dict)
    errors: tuple[str, ...] = ()

    @property
    def workers(self) -> int:
        return sum(one.workers for one in self.visited.values())

    @property
    def stuck(self) -> list[str]:
        return [name for one in self.visited.values() for name in one.stuck]

    @property
    def touched(self) -> list[str]:
        """The workers that anything was done to."""
        return [
            name
            for one in self.visited.values()
            for name in (*one.treated, *one.paused, *one.released, *one.resized)
        ]


@dataclass
class Healer:
    """Makes rounds over the workers of this host.

    Attributes:
        mounts: where the monitors of its mounts publish how those stand.
    """

    here: Here
    wards: Sequence[Ward]
    clocks: Clocks
    tell: Tell
    gauge: Gauge = field(default_factory=Gauge)
    mounts: Path = FOLDER
    _hung_mount: bool = False

    def round(self) -> Round:
        """Look at all workers once, and do what is to be done. It can take minutes: workers are drained.

        Raises:
            Transient: the database does not answer; nothing was done that was not written down before.
        """
        if not self.here.settings.healing.enabled:
            return Round(idle="The healing is switched off (healing.enabled)")
        try:
            with turn(self.here.database, self.here.host) as connection:
                if connection is None:
                    return Round(idle="Another healing of this host, or a person, is at it")
                done = self._round(connection)
                rounds.note(
                    connection, self.here.host, workers=done.workers, stuck=len(done.stuck), why=done.idle
                )
                return done
        except AWAY as error:
            self.clocks.lost()
            raise gone(error) from error

    def _round(self, connection: Connection) -> Round:
        # Measured in each round, also where nothing comes of it: what counts is the time between two looks.
        measured = self.gauge.measure()
        if jump := self.clocks.look(connection):
            which = "forwards" if jump > 0 else "backwards"
            _log.warning("A clock has jumped %s by %.1f s: this round does nothing", which, abs(jump))
            return Round(idle=f"A clock has jumped {which} by {format_duration(abs(jump))}")
        self._look_for_a_hung_mount(measured)
        with self.here.transaction() as own:
            mount_states.record(own, self.here.host, mounts_here(self.here.host, self.mounts))
        visited: dict[str, Visited] = {}
        errors = []
        for ward in self.wards:
            try:
                visited[ward.pipeline.name] = ward.visit(partial(self._pressure, ward.pipeline, measured))
            except MedialiftError as error:
                _log.warning("The workers of %s cannot be looked at: %s", ward.pipeline.name, error)
                self.clocks.lost()
                errors.append(f"{ward.pipeline.name}: {error}")
        return Round(visited=visited, errors=tuple(errors))

    def _pressure(self, pipeline: Pipeline, measured: Measured | None) -> Pressure:
        settings = self.here.settings
        server: ServerHealth | None = pipeline.server(settings) if pipeline.server is not None else None
        # What they read from a disk of this host keeps it as busy as what is written.
        folders = [*pipeline.mounts(settings), *pipeline.disks(settings)]
        return self.gauge.pressure(measured, folders, server)

    def _look_for_a_hung_mount(self, measured: Measured | None) -> None:
        """A finding of its own, once until it is over: no worker need be stuck for it."""
        hangs = measured is not None and measured.hung_mount
        if hangs and not self._hung_mount and measured is not None:
            words = hung_mount_words(measured)
            _log.warning("%s", words)
            with self.here.transaction() as connection:
                detail = {"iowait": measured.iowait, "stalled": measured.stalled, "busy": dict(measured.busy)}
                record(
                    connection,
                    Entry(What.FINDING, self.here.host, outcome="hung_mount", subject=words, detail=detail),
                )
            self.tell(Notice(Event.STUCK, f"A mount hangs on {self.here.host}", words))
        self._hung_mount = hangs
