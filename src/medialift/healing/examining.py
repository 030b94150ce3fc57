"""A stuck worker is examined: what is found is kept, and what is to be done about it is decided."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from medialift.foundation.units import format_duration
from medialift.foundation.waiting import Clock
from medialift.healing import care, causes, escalation, ledger_facts
from medialift.healing.collecting import collect
from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.evidence import Evidence
from medialift.healing.fleet import Fleet
from medialift.healing.history import Entry, What, record
from medialift.healing.journal import LogSource
from medialift.healing.means import Look, Means
from medialift.healing.patient import Patient, decision_of
from medialift.healing.pipeline import Pipeline
from medialift.healing.standing import Here
from medialift.healing.strangers import Strangers
from medialift.healing.waits import Waits
from medialift.notify import Event, Notice
from medialift.settings import HealingSettings

_log = logging.getLogger(__name__)


@dataclass
class Memory:
    """What is remembered of the workers of a pipeline from round to round. What must outlive a restart of the
    healing is in the ledger.

    Attributes:
        known: the trouble of each stuck worker that is in the history already.
    """

    strangers: Strangers = field(default_factory=Strangers)
    known: dict[str, tuple[str, str]] = field(default_factory=dict)
    waits: Waits = field(default_factory=Waits)

    def forget_all_but(self, stuck: Iterable[Patient]) -> None:
        """Those that are not stuck any more."""
        names = {patient.name for patient in stuck}
        self.waits.keep(names)
        self.known = {name: trouble for name, trouble in self.known.items() if name in names}


@dataclass(frozen=True)
class Decided:
    """What is to be done about one worker, and on what grounds."""

    patient: Patient
    decision: Decision
    evidence: Evidence


@dataclass
class Examining:
    """Examines the stuck workers of one pipeline in one round.

    Attributes:
        paused: names of those that were paused by it.
    """

    here: Here
    pipeline: Pipeline
    fleet: Fleet
    log: LogSource
    means: Means
    memory: Memory
    look: Look
    clock: Clock
    paused: list[str] = field(default_factory=list)

    @property
    def healing(self) -> HealingSettings:
        return self.here.settings.healing

    def examined(self, patient: Patient) -> Decided | None:
        """What is to be done about a stuck worker; None: nothing, or it is done."""
        news = self.memory.known.get(patient.name) != patient.condition
        held = self._held_back(patient)
        if held and not news:
            return None
        evidence = self._collected(patient)
        if news:
            self._found(patient, evidence, held)
        if news and (patient.member is None or not self.healing.repair):
            self._only_told(patient, evidence)
        if held:
            return None
        if patient.care.attempts >= self.healing.attempts:
            self._give_up(patient, evidence, f"{patient.care.attempts} remedies did not help")
            return None
        decision = self.means.diagnosis.decide(evidence, self.pipeline)
        self._record(patient, What.DECISION, decision.remedy, decision.explanation, decision.to_dict())
        if decision.remedy is Remedy.ESCALATE:
            self._give_up(patient, evidence, decision.explanation, decision)
            return None
        if decision.remedy is Remedy.WAIT:
            self._wait(patient, decision)
            return None
        return Decided(patient, decision, evidence)

    def _collected(self, patient: Patient) -> Evidence:
        with self.here.transaction() as connection:
            return collect(
                patient.seen,
                patient.verdict,
                patient.member,
                self.pipeline,
                self.here.settings,
                connection,
                self.log,
                around=self.look.around,
                pressure=self.look.pressure.to_dict(),
                stop=self.means.stop,
                cgroups=self.means.cgroups,
            )

    def _held_back(self, patient: Patient) -> str:
        """Why nothing is done to a stuck worker now; "" when something is."""
        kept = patient.care
        if not self.healing.repair:
            return "healing.repair is off"
        if patient.member is None:
            return "it was started by hand, and nothing here handles it"
        if kept.state == care.VERIFYING:
            return f"whether its last {kept.remedy} helps is not known yet"
        if kept.cooling(self.healing.cooldown):
            return f"its last {kept.remedy} was {format_duration(kept.since_remedy)} ago"
        return self.memory.waits.why(
            patient.name,
            patient.life,
            partial(self._is_over, patient),
            now=self.clock.monotonic(),
            patience=self.healing.verify,
        )

    def _found(self, patient: Patient, evidence: Evidence, held: str) -> None:
        self.memory.known[patient.name] = patient.condition
        why = patient.verdict.why + (f"; nothing is done now: {held}" if held else "")
        _log.warning("%s is stuck: %s", patient.name, why)
        self._record(patient, What.FINDING, str(patient.verdict.trouble), why, evidence.to_dict())

    def _only_told(self, patient: Patient, evidence: Evidence) -> None:
        decision = self.means.diagnosis.rules(evidence)
        likely = [f"Likely cause: {decision.cause}. {decision.explanation}"] if decision is not None else []
        why = f"Nothing is done about it: {self._held_back(patient)}"
        words = "\n".join([patient.verdict.why, *likely, why])
        self.means.tell(Notice(Event.STUCK, f"{patient.name} is stuck", words))

    def _give_up(
        self, patient: Patient, evidence: Evidence, why: str, decision: Decision | None = None
    ) -> None:
        """Pause it. Only what is seen to be down now, and is seen to be over later, ever releases it."""
        known = decision or self.means.diagnosis.rules(evidence)
        lasts = known is not None and known.cause in causes.SEEN and not self.look.over(known.cause)
        notice = escalation.escalate(
            self.here,
            self.fleet,
            patient,
            why=why,
            cause=known.cause.value if known is not None and lasts else escalation.BY_A_PERSON,
            decision=known or decision_of(patient.care),
        )
        self.paused.append(patient.name)
        self.means.tell(notice)

    def _wait(self, patient: Patient, decision: Decision) -> None:
        if self.memory.waits.begin(patient.name, patient.life, decision.cause):
            self.means.tell(
                Notice(
                    Event.STUCK,
                    f"Workers of {self.pipeline.name} wait: {decision.cause.value.replace('_', ' ')}",
                    f"{decision.explanation}\nFirst noticed at {patient.name}: {patient.verdict.why}",
                )
            )

    def _is_over(self, patient: Patient, cause: Cause) -> bool:
        """Whether what a worker waits for is over; of what nobody can see, it is thought to be."""
        if cause is Cause.DATABASE_LOCKED:
            with self.here.transaction() as connection:
                return not ledger_facts.blocked(connection, patient.name)[0]
        return cause not in causes.SEEN or self.look.over(cause)

    def _record(
        self, patient: Patient, what: What, outcome: str, subject: str, detail: Mapping[str, Any]
    ) -> None:
        seen = patient.seen
        with self.here.transaction() as connection:
            entry = Entry(what, self.here.host, seen.pipeline, seen.name, str(outcome), subject, detail)
            record(connection, entry)
