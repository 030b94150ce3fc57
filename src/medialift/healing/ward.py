"""The workers of one pipeline on this host, visited once in each round.

    every worker ─ verified when due ─ recovered ───▶ its attempts begin anew
                 │                   └ ineffective ─▶ one attempt more
                 ├ paused ─ cause gone ─────────────▶ released
                 ├ well, at rest, too young ────────▶ nothing
                 └ stuck ─ evidence, found and kept
                         ├ cooling down, or waits ──▶ nothing
                         ├ attempts used up ────────▶ paused, and people are told
                         └ rules, model ────────────▶ a decision, a remedy, verified later

and then their number, by pressure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from medialift.errors import MedialiftError
from medialift.foundation.jobs import Stopped
from medialift.healing import care, escalation
from medialift.healing.care import Care
from medialift.healing.clocks import Clocks
from medialift.healing.decision import Cause, Remedy
from medialift.healing.detect import judge, limits_of
from medialift.healing.examining import Decided, Examining, Memory
from medialift.healing.fleet import Fleet, Member
from medialift.healing.following import Following
from medialift.healing.journal import LogSource
from medialift.healing.means import Look, Means
from medialift.healing.observing import observe
from medialift.healing.patient import Patient, decision_of
from medialift.healing.pipeline import Pipeline
from medialift.healing.pressure import Pressure
from medialift.healing.scaling import Move, Step
from medialift.healing.standing import Here
from medialift.healing.wardsize import WardSize, leaving, makes_room

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_AT_ONCE = 4
"""A worker may take minutes to end: so many are treated side by side."""


@dataclass(frozen=True)
class Visited:
    """What a visit found and did, by the workers' names."""

    workers: int = 0
    stuck: tuple[str, ...] = ()
    treated: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    resized: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass
class Ward:
    """The workers of one pipeline here."""

    here: Here
    pipeline: Pipeline
    fleet: Fleet
    log: LogSource
    means: Means
    clocks: Clocks
    memory: Memory = field(default_factory=Memory)

    def visit(self, pressure: Callable[[], Pressure]) -> Visited:
        """Look at all workers once, and do what is to be done.

        Raises:
            Transient: the database or the service manager does not answer.
            Permanent: there is no service manager.
        """
        return _Visit(self, pressure).done()

    @property
    def repairs(self) -> bool:
        return self.here.settings.healing.repair


class _Visit:
    """One visit."""

    def __init__(self, ward: Ward, pressure: Callable[[], Pressure]) -> None:
        self.ward, self.here, self.means = ward, ward.here, ward.means
        self.healing = self.here.settings.healing
        self.look = Look(self.here.settings, ward.pipeline, pressure, ward.means.stop)
        self.treated: list[str] = []
        self.released: list[str] = []
        self.resized: list[str] = []
        self.errors: list[str] = []

    def done(self) -> Visited:
        members = self.ward.fleet.members()
        patients, paused = self._patients(members)
        if self.ward.repairs:
            following = Following(
                self.here,
                self.ward.pipeline,
                self.ward.fleet,
                self.means.treatment.editing,
                self.means.tell,
            )
            patients = [self._one(one.name, partial(following.up, one), one) for one in patients]
            self._see_to_paused(paused, members)
            for member in members:
                self._one(member.name, partial(self._equip, member.name, member), None)
        stuck = [patient for patient in patients if patient.verdict.stuck]
        self.ward.memory.forget_all_but(stuck)
        examining = self._examining()
        found = [self._one(one.name, partial(examining.examined, one), None) for one in stuck]
        decided = [one for one in found if one is not None]
        if self.ward.repairs:
            self._resize_and_treat(members, paused, stuck, decided)
        return Visited(
            len(patients),
            tuple(patient.name for patient in stuck),
            tuple(self.treated),
            tuple(examining.paused),
            tuple(self.released),
            tuple(self.resized),
            tuple(self.errors),
        )

    def _examining(self) -> Examining:
        ward = self.ward
        clock = ward.clocks.clock
        return Examining(
            self.here, ward.pipeline, ward.fleet, ward.log, self.means, ward.memory, self.look, clock
        )

    # -- seeing ------------------------------------------------------------------------------------------

    def _patients(self, members: Sequence[Member]) -> tuple[list[Patient], list[Care]]:
        """All workers, but those that are paused; and how it stands with those."""
        host, pipeline, clocks = self.here.host, self.ward.pipeline, self.ward.clocks
        with self.here.transaction() as connection:
            rows = {one.name: clocks.seen(one) for one in observe(connection, host, pipeline)}
            cares = {one.worker: clocks.care(one) for one in care.listed(connection, host, pipeline.name)}
        of = {member.name: member for member in members}
        strangers = self.ward.memory.strangers.judged(
            members,
            rows,
            clocks.clock.monotonic(),
            host=host,
            pipeline=pipeline.name,
            limit=max(self.healing.floor, limits_of(self.healing, pipeline, "").starting),
            crashes=self.healing.crashes,
        )
        found = []
        for name in sorted({*rows, *strangers}):
            kept = cares.get(name, Care(name))
            if kept.paused:
                continue
            member = of.get(name)
            seen, verdict = strangers[name] if name in strangers else (rows[name], None)
            limits = limits_of(self.healing, pipeline, "", seen)
            verdict = verdict or judge(seen, limits, member)
            found.append(Patient(seen, verdict, kept, limits, member, registered=name in rows))
        return found, [one for one in cares.values() if one.paused]

    def _equip(self, name: str, member: Member | None) -> None:
        """Have a worker begin its next life with the release that is for it: its unit names the one that was
        installed, and what was set beside that is forgotten when the machine starts again."""
        editing = self.means.treatment.editing
        wanted = editing.release_for(name) if editing is not None else None
        if wanted != (member.release if member is not None else None):
            self.ward.fleet.configure(name, member.settings if member is not None else {}, wanted)

    # -- the paused ----------------------------------------------------------------------------------------

    def _see_to_paused(self, paused: Iterable[Care], members: Iterable[Member]) -> None:
        of = {member.name: member for member in members}
        for one in paused:
            self._one(one.worker, partial(self._see_to, one, of.get(one.worker)), None)

    def _see_to(self, paused: Care, member: Member | None) -> None:
        cause = _cause(paused)
        if cause is not None and self.look.over(cause):
            escalation.release(self.here, self.ward.fleet, paused, f"{cause.value.replace('_', ' ')} is over")
            self.released.append(paused.worker)
        elif member is not None and (member.enabled or member.active):
            # The healing ended before it was done, or something else started it.
            escalation.stop(self.here, self.ward.fleet, paused.worker, member)

    # -- doing -----------------------------------------------------------------------------------------------

    def _resize_and_treat(
        self,
        members: Sequence[Member],
        paused: Sequence[Care],
        stuck: Sequence[Patient],
        decided: Sequence[Decided],
    ) -> None:
        size = WardSize(self.here, self.ward.pipeline, self.ward.fleet)
        named = [one.decision for one in decided]
        fresh = {one.patient.name for one in decided}
        named += [
            kept
            for patient in stuck
            if patient.name not in fresh and (kept := decision_of(patient.care)) is not None
        ]
        step = self._one(
            self.ward.pipeline.name,
            partial(size.decide, members, paused, lambda: self.look.pressure, len(stuck), named),
            None,
        )
        going = leaving(step, members)
        treated = []
        for one in decided:
            name = one.patient.name
            if name in going:
                continue
            if one.decision.remedy is Remedy.SCALE_DOWN:
                if makes_room(step):
                    # With fewer beside it, it gets the time of a remedy to go on by itself.
                    now = self.ward.clocks.clock.monotonic()
                    self.ward.memory.waits.begin(name, one.patient.life, one.decision.cause, over=now)
                    continue
                rejected = "There cannot be fewer workers now"
                instead = replace(one.decision, remedy=Remedy.RESTART, rejected=rejected)
                one = replace(one, decision=instead)
            treated.append(one)
        if step is None and not treated:
            return
        steps = [partial(self._one, one.patient.name, partial(self._treat, one), None) for one in treated]
        if step is not None:
            steps.append(partial(self._one, self.ward.pipeline.name, partial(self._resize, size, step), None))
        with ThreadPoolExecutor(_AT_ONCE, "treatment") as pool:
            begun = [pool.submit(one) for one in steps]
        for ended in begun:
            ended.result()

    def _resize(self, size: WardSize, step: Step) -> None:
        for number in step.numbers if step.move is Move.UP else ():
            self._equip(self.ward.fleet.enable(number), None)
        sized = size.apply(step, self.look.pressure)
        self.resized += [*sized.started, *sized.drained]
        self.errors += sized.errors

    def _treat(self, one: Decided) -> None:
        done = self.means.treatment.apply(
            one.patient, one.decision, one.evidence, self.ward.pipeline, self.ward.fleet
        )
        if done.done:
            self.treated.append(one.patient.name)

    # -- in common -----------------------------------------------------------------------------------------

    def _one(self, name: str, step: Callable[[], _T], otherwise: _T) -> _T:
        """One step for one worker: what goes wrong in it keeps nobody from seeing to the others."""
        try:
            return step()
        except Stopped:
            raise
        except Exception as error:
            if isinstance(error, MedialiftError):
                _log.warning("%s: %s", name, error)
            else:
                _log.exception("%s could not be seen to", name)
            self.errors.append(f"{name}: {error}")
            return otherwise


def _cause(paused: Care) -> Cause | None:
    """The cause that, when it is over, releases a worker; None: only a person does."""
    try:
        return Cause(paused.cause)
    except ValueError:
        return None
