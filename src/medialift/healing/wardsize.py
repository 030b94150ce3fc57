"""The step of a round that fits the number of a pipeline's workers to the pressure, and keeps what it did."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medialift.healing import scaling, sizing
from medialift.healing.care import Care
from medialift.healing.decision import Decision
from medialift.healing.fleet import Fleet, Member
from medialift.healing.history import Entry, What, record
from medialift.healing.pipeline import Pipeline
from medialift.healing.pressure import Pressure
from medialift.healing.scaling import Move, Path, Step
from medialift.healing.sizing import Sized
from medialift.healing.standing import Here

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WardSize:
    """Decides one step, and takes it."""

    here: Here
    pipeline: Pipeline
    fleet: Fleet

    def decide(
        self,
        members: Sequence[Member],
        paused: Sequence[Care],
        pressure: Callable[[], Pressure],
        stuck: int,
        decisions: Sequence[Decision],
    ) -> Step | None:
        """The step that is due; None where the number is fixed: then nothing is measured either.

        Raises:
            Transient: the database does not answer.
        """
        limits = self.here.settings.healing.scaling
        if limits.targets.get(self.pipeline.name) is None:
            return None
        with self.here.transaction() as connection:
            size = sizing.read(connection, self.here.host, self.pipeline.name)
        state = sizing.state_of(size, self.pipeline.name, members, [one.worker for one in paused], limits)
        return scaling.decide(state, pressure(), stuck, decisions, limits)

    def apply(self, step: Step | None, pressure: Pressure | None = None) -> Sized:
        """Take the step.

        Raises:
            Transient: the database does not answer.
        """
        if step is None or step.move is Move.KEEP:
            return Sized()
        _log.info("%s: %s", self.pipeline.name, step.why)
        drain = self.here.settings.healing.drain
        sized = sizing.apply(
            step, self.fleet, self.here.database, self.here.host, self.pipeline.name, drain=drain
        )
        measured = pressure.to_dict() if pressure is not None else {}
        with self.here.transaction() as connection:
            entry = Entry(
                What.SCALING,
                self.here.host,
                self.pipeline.name,
                outcome=step.move.value,
                subject=step.why,
                detail={**step.to_dict(), **sized.to_dict(), "pressure": measured},
            )
            record(connection, entry)
        return sized


def leaving(step: Step | None, members: Sequence[Member]) -> set[str]:
    """The names of the workers that a step drains."""
    if step is None or step.move not in (Move.DOWN, Move.DRAIN):
        return set()
    return {member.name for member in members if member.number in step.numbers}


def makes_room(step: Step | None) -> bool:
    """Whether there are fewer workers by this step, or were by the last one a moment ago."""
    return step is not None and (step.move is Move.DOWN or step.path is Path.DOWN_COOLDOWN)
