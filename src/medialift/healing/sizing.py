"""The number of workers of a pipeline on this host: kept in the ledger, and made so.

What is decided is written down before it is done: should the healing end in the middle of a drain, the next
round finds one worker too many and goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from medialift.errors import MedialiftError
from medialift.healing.fleet import Fleet, Member
from medialift.healing.remedies.leases import take_back
from medialift.healing.scaling import Move, State, Step
from medialift.queueing.crew import AWAY, gone
from medialift.queueing.database import Database
from medialift.settings import ScalingSettings

_log = logging.getLogger(__name__)

_READ = text(
    "select desired, why, extract(epoch from now() - down_at)::float as since_down,"
    " extract(epoch from now() - up_at)::float as since_up"
    " from crew_size where host = :host and pipeline = :pipeline"
)
_WRITE = text(
    """
insert into crew_size (host, pipeline, desired, why, down_at, up_at)
values (:host, :pipeline, :desired, :why, case when :down then now() end, case when :up then now() end)
on conflict (host, pipeline) do update
   set desired = :desired, why = :why,
       down_at = case when :down then now() else crew_size.down_at end,
       up_at = case when :up then now() else crew_size.up_at end
"""
)


@dataclass(frozen=True)
class Size:
    """What was decided last.

    Attributes:
        desired: None when nothing was decided yet.
        since_down, since_up: seconds since the last step, by the database's clock; None: there was none.
    """

    desired: int | None = None
    why: str = ""
    since_down: float | None = None
    since_up: float | None = None


@dataclass(frozen=True)
class Sized:
    """What a step came to.

    Attributes:
        started: names of workers that were started.
        drained: {name: whether it ended by itself} of those that were drained.
        errors: what could not be done, in words; the next round tries again.
    """

    started: tuple[str, ...] = ()
    drained: Mapping[str, bool] = field(default_factory=dict)
    errors: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For the history."""
        return {
            "started": list(self.started),
            "drained": dict(self.drained),
            "errors": list(self.errors),
        }


def read(connection: Connection, host: str, pipeline: str) -> Size:
    """What was decided last for this pipeline on this host."""
    row = connection.execute(_READ, {"host": host, "pipeline": pipeline}).one_or_none()
    return Size() if row is None else Size(**row._asdict())


def write(
    connection: Connection, host: str, pipeline: str, desired: int, *, why: str, move: Move = Move.KEEP
) -> None:
    """Decide: by a step of scaling, or by hand (then no cool-down begins)."""
    given = {"host": host, "pipeline": pipeline, "desired": desired, "why": why}
    connection.execute(_WRITE, {**given, "down": move is Move.DOWN, "up": move is Move.UP})


def state_of(
    size: Size, pipeline: str, members: Iterable[Member], paused: Iterable[str], limits: ScalingSettings
) -> State:
    """What `scaling.decide` looks at.

    Args:
        paused: names of this pipeline's workers on this host that are paused after an escalation.
    """
    numbers = [name.rpartition("@")[2] for name in paused]
    return State(
        numbers=tuple(member.number for member in members),
        paused=tuple(sorted(int(number) for number in numbers if number.isdigit())),
        target=limits.targets.get(pipeline),
        desired=size.desired,
        since_down=size.since_down,
        since_up=size.since_up,
    )


def apply(step: Step, fleet: Fleet, database: Database, host: str, pipeline: str, *, drain: float) -> Sized:
    """Make it so: write it down, then start what is to be started and drain what is too many.

    Draining waits for each worker to finish what is in flight, up to `drain` seconds; only then it is killed,
    and what it held is taken back. What fails is told, and the next round finds it undone.

    Raises:
        Transient: the database does not answer; nothing was done.
    """
    if step.move is Move.KEEP:
        return Sized()
    try:
        with database.engine.begin() as connection:
            write(connection, host, pipeline, step.desired, why=step.why, move=step.move)
    except AWAY as error:
        raise gone(error) from error
    if step.move is Move.UP:
        return _start(step, fleet)
    return _drain(step, fleet, database, drain)


def _start(step: Step, fleet: Fleet) -> Sized:
    started: list[str] = []
    errors: list[str] = []
    for number in step.numbers:
        try:
            name = fleet.enable(number)
            fleet.start(name)
            started.append(name)
        except MedialiftError as error:
            _log.warning("Worker %d could not be started: %s", number, error)
            errors.append(str(error))
    return Sized(started=tuple(started), errors=tuple(errors))


def _drain(step: Step, fleet: Fleet, database: Database, drain: float) -> Sized:
    """All at once: together they take as long as the slowest."""
    names = {member.number: member.name for member in fleet.members()}
    # What is not there any more has gone meanwhile.
    going = [names[number] for number in step.numbers if number in names]
    drained: dict[str, bool] = {}
    errors: list[str] = []

    def one(name: str) -> None:
        try:
            # Disabled first: should it not end in time, it is not started again with the machine.
            fleet.disable(name)
            drained[name] = fleet.stop(name, at_most=drain)
            take_back(database, name)
        except MedialiftError as error:
            _log.warning("%s could not be drained as it should: %s", name, error)
            errors.append(str(error))

    with ThreadPoolExecutor(max(1, len(going)), thread_name_prefix="drain") as threads:
        for done in [threads.submit(one, name) for name in going]:
            done.result()
    return Sized(drained={name: drained[name] for name in going if name in drained}, errors=tuple(errors))
