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
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from medialift.errors import MedialiftError
from medialift.foundation.jobs import Stopped
from medialift.foundation.units import format_duration
from medialift.healing import care, causes, escalation, ledger_facts
from medialift.healing.care import Care
from medialift.healing.clocks import Clocks
from medialift.healing.collecting import collect
from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.detect import judge, limits_of
from medialift.healing.diagnosis import Diagnosis
from medialift.healing.evidence import Evidence
from medialift.healing.fleet import Fleet, Member
from medialift.healing.following import Following
from medialift.healing.history import Entry, What, record
from medialift.healing.journal import LogSource
from medialift.healing.looking import CGROUPS
from medialift.healing.observing import observe
from medialift.healing.patient import Patient, decision_of
from medialift.healing.pipeline import Pipeline
from medialift.healing.pressure import Pressure
from medialift.healing.scaling import Step
from medialift.healing.standing import Here
from medialift.healing.strangers import Strangers
from medialift.healing.surroundings import Surroundings, look_around
from medialift.healing.treatment import Treatment
from medialift.healing.waits import Waits
from medialift.healing.wardsize import WardSize, leaving, makes_room
from medialift.notify import Event as Told
from medialift.notify import Notice

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_AT_ONCE = 4
"""A worker may take minutes to end: so many are treated side by side."""

Tell = Callable[[Notice], None]


@dataclass(frozen=True)
class Means:
    """What a visit works with.

    Attributes:
        tell: tells people; raises nothing.
        stop: ends a visit that only looks.
        cgroups: where the kernel tells how much memory a worker may use.
    """

    diagnosis: Diagnosis
    treatment: Treatment
    tell: Tell
    stop: Event = field(default_factory=Event)
    cgroups: Path = CGROUPS


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
    """The workers of one pipeline here, and what is remembered of them from round to round. What must outlive
    a restart of the healing is in the ledger."""

    here: Here
    pipeline: Pipeline
    fleet: Fleet
    log: LogSource
    means: Means
    clocks: Clocks
    _strangers: Strangers = field(default_factory=Strangers)
    _known: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The trouble of each stuck worker that is in the history already."""
    _waits: Waits = field(default_factory=Waits)

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


@dataclass
class _Decided:
    """What is to be done about one worker, and on what grounds."""

    patient: Patient
    decision: Decision
    evidence: Evidence


class _Visit:
    """One visit."""

    def __init__(self, ward: Ward, pressure: Callable[[], Pressure]) -> None:
        self.ward, self.here, self.means = ward, ward.here, ward.means
        self.healing = ward.here.settings.healing
        self._measure = pressure
        self.treated: list[str] = []
        self.paused: list[str] = []
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
        stuck = [patient for patient in patients if patient.verdict.stuck]
        self._forget_all_but(stuck)
        decided = [found for patient in stuck if (found := self._examine(patient)) is not None]
        if self.ward.repairs:
            self._resize_and_treat(members, paused, stuck, decided)
        return Visited(
            len(patients),
            tuple(patient.name for patient in stuck),
            tuple(self.treated),
            tuple(self.paused),
            tuple(self.released),
            tuple(self.resized),
            tuple(self.errors),
        )

    @cached_property
    def pressure(self) -> Pressure:
        """Asked for at most once: it may ask the server."""
        return self._measure()

    @cached_property
    def around(self) -> Surroundings:
        """Looked at at most once: it is the same for all workers, and may take a minute."""
        return look_around(self.ward.pipeline, self.here.settings, stop=self.means.stop)

    # -- seeing ------------------------------------------------------------------------------------------

    def _patients(self, members: Sequence[Member]) -> tuple[list[Patient], list[Care]]:
        """All workers, but those that are paused; and how it stands with those."""
        host, pipeline, clocks = self.here.host, self.ward.pipeline, self.ward.clocks
        with self.here.transaction() as connection:
            rows = {one.name: clocks.seen(one) for one in observe(connection, host, pipeline)}
            cares = {one.worker: clocks.care(one) for one in care.listed(connection, host, pipeline.name)}
        of = {member.name: member for member in members}
        strangers = self.ward._strangers.judged(
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

    def _forget_all_but(self, stuck: Iterable[Patient]) -> None:
        names = {patient.name for patient in stuck}
        self.ward._waits.keep(names)
        for name in set(self.ward._known) - names:
            del self.ward._known[name]

    # -- the paused ----------------------------------------------------------------------------------------

    def _see_to_paused(self, paused: Iterable[Care], members: Iterable[Member]) -> None:
        of = {member.name: member for member in members}
        for one in paused:
            self._one(one.worker, partial(self._see_to, one, of.get(one.worker)), None)

    def _see_to(self, paused: Care, member: Member | None) -> None:
        cause = _cause(paused)
        if cause is not None and self._is_gone(cause):
            escalation.release(self.here, self.ward.fleet, paused, f"{cause.value.replace('_', ' ')} is over")
            self.released.append(paused.worker)
        elif member is not None and (member.enabled or member.active):
            # The healing ended before it was done, or something else started it.
            escalation.stop(self.here, self.ward.fleet, paused.worker, member)

    def _is_gone(self, cause: Cause) -> bool:
        return causes.gone(cause, self.ward.pipeline, self.here.settings, around=self.around)

    # -- the stuck -----------------------------------------------------------------------------------------

    def _examine(self, patient: Patient) -> _Decided | None:
        return self._one(patient.name, partial(self._examined, patient), None)

    def _examined(self, patient: Patient) -> _Decided | None:
        """What is to be done about a stuck worker; None: nothing, or it is done."""
        news = self.ward._known.get(patient.name) != patient.condition
        held = self._held_back(patient)
        if held and not news:
            return None
        evidence = self._collected(patient)
        if news:
            self._found(patient, evidence, held)
        if news and (patient.member is None or not self.ward.repairs):
            self._only_told(patient, evidence)
        if held:
            return None
        if patient.care.attempts >= self.healing.attempts:
            self._give_up(patient, evidence, f"{patient.care.attempts} remedies did not help")
            return None
        decision = self.means.diagnosis.decide(evidence, self.ward.pipeline)
        self._record(patient, What.DECISION, decision.remedy, decision.explanation, decision.to_dict())
        if decision.remedy is Remedy.ESCALATE:
            self._give_up(patient, evidence, decision.explanation, decision)
            return None
        if decision.remedy is Remedy.WAIT:
            self._wait(patient, decision)
            return None
        return _Decided(patient, decision, evidence)

    def _collected(self, patient: Patient) -> Evidence:
        with self.here.transaction() as connection:
            return collect(
                patient.seen,
                patient.verdict,
                patient.member,
                self.ward.pipeline,
                self.here.settings,
                connection,
                self.ward.log,
                around=self.around,
                pressure=self.pressure.to_dict(),
                stop=self.means.stop,
                cgroups=self.means.cgroups,
            )

    def _held_back(self, patient: Patient) -> str:
        """Why nothing is done to a stuck worker now; "" when something is."""
        kept, clocks = patient.care, self.ward.clocks
        if not self.ward.repairs:
            return "healing.repair is off"
        if patient.member is None:
            return "it was started by hand, and nothing here handles it"
        if kept.state == care.VERIFYING:
            return f"whether its last {kept.remedy} helps is not known yet"
        if kept.cooling(self.healing.cooldown):
            return f"its last {kept.remedy} was {format_duration(kept.since_remedy)} ago"
        return self.ward._waits.why(
            patient.name,
            patient.life,
            partial(self._is_over, patient),
            now=clocks.clock.monotonic(),
            patience=self.healing.verify,
        )

    def _found(self, patient: Patient, evidence: Evidence, held: str) -> None:
        self.ward._known[patient.name] = patient.condition
        why = patient.verdict.why + (f"; nothing is done now: {held}" if held else "")
        _log.warning("%s is stuck: %s", patient.name, why)
        self._record(patient, What.FINDING, str(patient.verdict.trouble), why, evidence.to_dict())

    def _only_told(self, patient: Patient, evidence: Evidence) -> None:
        decision = self.means.diagnosis.rules(evidence)
        likely = [f"Likely cause: {decision.cause}. {decision.explanation}"] if decision is not None else []
        why = f"Nothing is done about it: {self._held_back(patient)}"
        words = "\n".join([patient.verdict.why, *likely, why])
        self.means.tell(Notice(Told.STUCK, f"{patient.name} is stuck", words))

    def _give_up(
        self, patient: Patient, evidence: Evidence, why: str, decision: Decision | None = None
    ) -> None:
        """Pause it. Only what is seen to be down now, and is seen to be over later, ever releases it."""
        known = decision or self.means.diagnosis.rules(evidence)
        lasts = known is not None and known.cause in causes.SEEN and not self._is_gone(known.cause)
        notice = escalation.escalate(
            self.here,
            self.ward.fleet,
            patient,
            why=why,
            cause=known.cause.value if known is not None and lasts else escalation.BY_A_PERSON,
            decision=known or decision_of(patient.care),
        )
        self.paused.append(patient.name)
        self.means.tell(notice)

    def _wait(self, patient: Patient, decision: Decision) -> None:
        if self.ward._waits.begin(patient.name, patient.life, decision.cause):
            self.means.tell(
                Notice(
                    Told.STUCK,
                    f"Workers of {self.ward.pipeline.name} wait: {decision.cause.value.replace('_', ' ')}",
                    f"{decision.explanation}\nFirst noticed at {patient.name}: {patient.verdict.why}",
                )
            )

    def _is_over(self, patient: Patient, cause: Cause) -> bool:
        """Whether what a worker waits for is over; of what nobody can see, it is thought to be."""
        if cause is Cause.DATABASE_LOCKED:
            with self.here.transaction() as connection:
                return not ledger_facts.blocked(connection, patient.name)[0]
        return cause not in causes.SEEN or self._is_gone(cause)

    # -- doing -----------------------------------------------------------------------------------------------

    def _resize_and_treat(
        self,
        members: Sequence[Member],
        paused: Sequence[Care],
        stuck: Sequence[Patient],
        decided: Sequence[_Decided],
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
            partial(size.decide, members, paused, lambda: self.pressure, len(stuck), named),
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
                    self.ward._waits.begin(name, one.patient.life, one.decision.cause, over=now)
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
        sized = size.apply(step, self.pressure)
        self.resized += [*sized.started, *sized.drained]
        self.errors += sized.errors

    def _treat(self, one: _Decided) -> None:
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

    def _record(
        self, patient: Patient, what: What, outcome: str, subject: str, detail: Mapping[str, Any]
    ) -> None:
        seen = patient.seen
        with self.here.transaction() as connection:
            entry = Entry(what, self.here.host, seen.pipeline, seen.name, str(outcome), subject, detail)
            record(connection, entry)


def _cause(paused: Care) -> Cause | None:
    """The cause that, when it is over, releases a worker; None: only a person does."""
    try:
        return Cause(paused.cause)
    except ValueError:
        return None
