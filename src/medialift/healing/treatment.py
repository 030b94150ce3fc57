"""A decision is carried out: the remedy is noted, applied, and left to be verified.

What cannot be done as it was decided (a setting that may not be changed, an edit that is refused, fewer
workers where their number is fixed) becomes a restart: to do nothing would help nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from medialift.errors import MedialiftError, Permanent
from medialift.healing import care
from medialift.healing.decision import Decision, Remedy
from medialift.healing.evidence import Evidence
from medialift.healing.fleet import Fleet
from medialift.healing.history import Entry, What, record
from medialift.healing.patient import Patient
from medialift.healing.pipeline import Pipeline
from medialift.healing.remedies.config_fix import variables
from medialift.healing.remedies.restart import Done, changed_since, restart
from medialift.healing.standing import Here
from medialift.queueing import events, items
from medialift.queueing.items import Which

_log = logging.getLogger(__name__)
WHO = "healing"


@dataclass(frozen=True)
class Candidate:
    """A release with an edit that has passed everything that can be tried without a worker.

    Attributes:
        detail: the diff and what was tried: for the history.
    """

    release: Path
    detail: dict[str, Any] = field(default_factory=dict)


class CodeFixes(Protocol):
    """Edits of the code: proposed, tried by one worker, and then for all or for none."""

    def propose(self, decision: Decision, evidence: Evidence, pipeline: Pipeline) -> Candidate:
        """Raises MedialiftError with the reason when there is no edit that passes."""
        ...

    def accept(self, release: Path) -> None:
        """The worker that tried it has recovered: it is for all from now on."""
        ...

    def discard(self, release: Path) -> None:
        """It did not help: it is thrown away."""
        ...


@dataclass(frozen=True)
class Treatment:
    """Carries out decisions for the workers of one host; safe to use from several threads.

    Attributes:
        code_fixes: None: the code is never edited.
        stop: the healing is to end.
    """

    here: Here
    code_fixes: CodeFixes | None = None
    stop: Event = field(default_factory=Event)

    def apply(
        self, patient: Patient, decision: Decision, evidence: Evidence, pipeline: Pipeline, fleet: Fleet
    ) -> Done:
        """Apply a remedy that does something to the worker; what came of it is in the history.

        Raises:
            Transient: the database does not answer; nothing was done.
        """
        seen, settings = patient.seen, self.here.settings.healing
        decision, release = self._possible(decision, evidence, pipeline, patient)
        kept = dict(patient.member.settings) if patient.member is not None else {}
        given = kept
        if decision.remedy is Remedy.CONFIG_FIX:
            given = {**kept, **variables(decision.settings, pipeline)}
        with self.here.transaction() as connection:
            if patient.registered and (changed := changed_since(connection, seen, patient.verdict.trouble)):
                self._note(patient, decision, Done(False, changed), "left alone")
                return Done(False, changed)
            # Committed before it is applied: one that is cut off in the middle is ended and verified too.
            care.remedied(
                connection, seen, decision, settings=given, release=str(release.release) if release else ""
            )
        aside: list[str] = []
        before_start = None
        if decision.item and patient.care.attempts:
            before_start = partial(self._put_aside, patient, decision.item, aside, decision.explanation)
        try:
            if patient.registered:
                done = restart(
                    seen,
                    fleet,
                    self.here.database,
                    drain=settings.drain,
                    trouble=patient.verdict.trouble,
                    settings=given,
                    release=release.release if release else None,
                    before_start=before_start,
                )
            else:
                done = self._started_anew(fleet, seen.name, given)
        except MedialiftError as error:
            self._finish_when_told_to_end(fleet, seen.name)
            _log.warning("%s: the %s failed: %s", seen.name, decision.remedy, error)
            self._note(patient, decision, Done(False, str(error)), "failed")
            with self.here.transaction() as connection:
                care.applied(connection, seen.name)
            return Done(False, str(error))
        with self.here.transaction() as connection:
            if done.done:
                care.applied(connection, seen.name)
            else:
                care.verified(connection, seen.name, True)
        self._note(patient, decision, done, "applied" if done.done else "left alone", aside, release)
        return done

    # -- what becomes of a decision that cannot be followed ------------------------------------------------

    def _possible(
        self, decision: Decision, evidence: Evidence, pipeline: Pipeline, patient: Patient
    ) -> tuple[Decision, Candidate | None]:
        try:
            if decision.remedy is Remedy.CONFIG_FIX:
                variables(decision.settings, pipeline)
                fixed = [name for name in decision.settings if (k := evidence.knobs.get(name)) and k.fixed]
                if fixed:
                    raise Permanent("A person has set this for the whole queue", ", ".join(fixed))
            elif decision.remedy is Remedy.CODE_FIX:
                return decision, self._candidate(decision, evidence, pipeline, patient)
        except MedialiftError as error:
            _log.warning("%s: no %s: %s", patient.name, decision.remedy, error)
            return replace(decision, remedy=Remedy.RESTART, settings={}, rejected=str(error)), None
        if decision.remedy in (Remedy.RESTART, Remedy.CONFIG_FIX):
            return decision, None
        return replace(decision, remedy=Remedy.RESTART), None

    def _candidate(
        self, decision: Decision, evidence: Evidence, pipeline: Pipeline, patient: Patient
    ) -> Candidate:
        if self.code_fixes is None:
            raise Permanent("Edits of the code are turned off", "healing.code_fixes")
        try:
            return self.code_fixes.propose(decision, evidence, pipeline)
        except MedialiftError as error:
            self._record(
                patient, What.CODE_FIX, "refused", str(error), {"module": decision.module, **error.to_dict()}
            )
            raise

    # -- one step each ---------------------------------------------------------------------------------------

    def _put_aside(self, patient: Patient, item: str, aside: list[str], why: str) -> None:
        """Hold the item at which a worker was stuck again after a restart, until somebody resumes it.

        One that another worker has taken meanwhile is left to it.
        """
        seen = patient.seen
        with self.here.transaction() as connection:
            if not items.pause(connection, seen.pipeline, seen.collection, Which.named([item])):
                return
            subject = f"{seen.pipeline}:{seen.collection}:{item}"
            events.record(connection, who=WHO, what="put aside", subject=subject, after={"why": why})
            aside.append(item)

    def _started_anew(self, fleet: Fleet, name: str, settings: dict[str, str]) -> Done:
        fleet.configure(name, settings)
        drained = fleet.stop(name, at_most=self.here.settings.healing.drain)
        fleet.start(name)
        return Done(True, drained=drained)

    def _finish_when_told_to_end(self, fleet: Fleet, name: str) -> None:
        """No worker stays stopped because the healing ended while it drained it."""
        if self.stop.is_set():
            try:
                fleet.start(name)
            except MedialiftError as error:
                _log.warning("%s is not started until the healing runs again: %s", name, error)

    def _note(
        self,
        patient: Patient,
        decision: Decision,
        done: Done,
        outcome: str,
        aside: Sequence[str] = (),
        release: Candidate | None = None,
    ) -> None:
        said = [done.why] if done.why else []
        if done.done:
            said.insert(
                0, f"{decision.remedy.value.replace('_', ' ')} ({'drained' if done.drained else 'killed'})"
            )
        if aside:
            said.append(f"item {', '.join(aside)} was put aside")
        if decision.rejected:
            said.append(f"not as it was wanted: {decision.rejected}")
        detail: dict[str, Any] = {"decision": decision.to_dict(), **done.to_dict(), "put_aside": list(aside)}
        if release is not None:
            detail["release"] = str(release.release)
            self._record(
                patient, What.CODE_FIX, "canary", f"{patient.name} tries {release.release}", release.detail
            )
        self._record(patient, What.REMEDY, outcome, "; ".join(said), detail)

    def _record(
        self, patient: Patient, what: What, outcome: str, subject: str, detail: dict[str, Any]
    ) -> None:
        seen = patient.seen
        with self.here.transaction() as connection:
            record(
                connection,
                Entry(what, self.here.host, seen.pipeline, seen.name, outcome, subject, detail),
            )
