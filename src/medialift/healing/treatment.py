"""A decision is carried out: the remedy is noted, applied, and left to be verified.

What cannot be done as it was decided (a setting that may not be changed, an edit that is refused, fewer
workers where their number is fixed) becomes a restart: to do nothing would help nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from medialift.errors import MedialiftError, Permanent
from medialift.healing import care
from medialift.healing.decision import Decision, Remedy
from medialift.healing.editing import Editing, Proposal
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
class _Plan:
    """What is done: the decision as it can be followed, and what the worker has of its own from then on."""

    decision: Decision
    settings: Mapping[str, str]
    release: Path | None
    proposal: Proposal | None = None

    @property
    def tries(self) -> Path | None:
        """The release that it is the first to have."""
        return self.proposal.release if self.proposal is not None else None


@dataclass(frozen=True)
class Treatment:
    """Carries out decisions for the workers of one host; safe to use from several threads.

    Attributes:
        editing: None: the code is never edited.
        stop: the healing is to end.
    """

    here: Here
    editing: Editing | None = None
    stop: Event = field(default_factory=Event)

    def apply(
        self, patient: Patient, decision: Decision, evidence: Evidence, pipeline: Pipeline, fleet: Fleet
    ) -> Done:
        """Apply a remedy that does something to the worker; what came of it is in the history.

        Raises:
            Transient: the database does not answer; nothing was done.
        """
        plan = self._plan(patient, decision, evidence, pipeline)
        if changed := self._begin(patient, plan):
            self._give_up_trial(plan, f"It was not tried: {changed}")
            return self._noted(patient, plan, Done(False, changed), "left alone")
        aside: list[str] = []
        try:
            done = self._restarted(patient, plan, fleet, aside)
        except MedialiftError as error:
            self._finish_when_told_to_end(fleet, patient.name)
            _log.warning("%s: the %s failed: %s", patient.name, plan.decision.remedy, error)
            done = Done(False, str(error))
            self._ended(patient, applied=True)
            return self._noted(patient, plan, done, "failed")
        self._ended(patient, applied=done.done)
        if not done.done:
            self._give_up_trial(plan, f"It was not tried: {done.why}")
        return self._noted(patient, plan, done, "applied" if done.done else "left alone", aside)

    # -- what is to be done, and what becomes of a decision that cannot be followed ------------------------

    def _plan(self, patient: Patient, decision: Decision, evidence: Evidence, pipeline: Pipeline) -> _Plan:
        member = patient.member
        settings = dict(member.settings) if member is not None else {}
        release = member.release if member is not None else None
        proposal = None
        rejected = ""
        if self.editing is not None:
            release = self.editing.release_for(patient.name)
        if decision.remedy is Remedy.CONFIG_FIX:
            try:
                settings |= _changed(decision, evidence, pipeline)
            except Permanent as error:
                rejected = str(error)
        elif decision.remedy is Remedy.CODE_FIX:
            proposal = self._proposed(patient, decision, evidence, pipeline)
            if proposal.release is None:
                rejected = proposal.why
            else:
                release = proposal.release
        elif decision.remedy is not Remedy.RESTART:
            rejected = f"A {decision.remedy} does nothing to a worker"
        if rejected:
            _log.warning("%s: no %s: %s", patient.name, decision.remedy, rejected)
            decision = replace(decision, remedy=Remedy.RESTART, settings={}, rejected=rejected)
        return _Plan(decision, settings, release, proposal)

    def _proposed(
        self, patient: Patient, decision: Decision, evidence: Evidence, pipeline: Pipeline
    ) -> Proposal:
        if self.editing is None:
            return Proposal(None, "Edits of the code are turned off")
        proposal = self.editing.propose(patient.name, decision, evidence, pipeline)
        outcome = "refused" if proposal.release is None else "trial"
        self._record(patient, What.CODE_FIX, outcome, proposal.why, proposal.detail)
        return proposal

    def _give_up_trial(self, plan: _Plan, why: str) -> None:
        if self.editing is not None and plan.tries is not None:
            try:
                self.editing.discard(why)
            except MedialiftError as error:
                _log.warning("An edit stays on trial: %s", error)

    # -- one step each ---------------------------------------------------------------------------------------

    def _begin(self, patient: Patient, plan: _Plan) -> str:
        """Note the remedy, unless the worker is not as it was seen any more: then why.

        Committed before it is applied: one that is cut off in the middle is ended and verified too.
        """
        with self.here.transaction() as connection:
            changed = ""
            if patient.registered:
                changed = changed_since(connection, patient.seen, patient.verdict.trouble)
            if not changed:
                release = str(plan.tries or "")
                care.remedied(
                    connection, patient.seen, plan.decision, settings=plan.settings, release=release
                )
            return changed

    def _restarted(self, patient: Patient, plan: _Plan, fleet: Fleet, aside: list[str]) -> Done:
        drain = self.here.settings.healing.drain
        if not patient.registered:
            # The ledger has nothing that it could be compared with, or be given back from.
            fleet.configure(patient.name, plan.settings, plan.release)
            drained = fleet.stop(patient.name, at_most=drain)
            fleet.start(patient.name)
            return Done(True, drained=drained)
        item, before_start = plan.decision.item, None
        if item and patient.care.attempts:
            before_start = partial(self._put_aside, patient, item, aside, plan.decision.explanation)
        return restart(
            patient.seen,
            fleet,
            self.here.database,
            drain=drain,
            trouble=patient.verdict.trouble,
            settings=plan.settings,
            release=plan.release,
            before_start=before_start,
        )

    def _ended(self, patient: Patient, *, applied: bool) -> None:
        with self.here.transaction() as connection:
            if applied:
                care.applied(connection, patient.name)
            else:  # it got on by itself in the last moment
                care.verified(connection, patient.name, True)

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

    def _finish_when_told_to_end(self, fleet: Fleet, name: str) -> None:
        """No worker stays stopped because the healing ended while it drained it."""
        if self.stop.is_set():
            try:
                fleet.start(name)
            except MedialiftError as error:
                _log.warning("%s is not started until the healing runs again: %s", name, error)

    def _noted(
        self, patient: Patient, plan: _Plan, done: Done, outcome: str, aside: Sequence[str] = ()
    ) -> Done:
        decision, said = plan.decision, []
        if done.done:
            ended = "drained" if done.drained else "killed"
            said.append(f"{decision.remedy.value.replace('_', ' ')} ({ended})")
        if done.why:
            said.append(done.why)
        if aside:
            said.append(f"item {', '.join(aside)} was put aside")
        if decision.rejected:
            said.append(f"not as it was wanted: {decision.rejected}")
        detail = {
            "decision": decision.to_dict(),
            **done.to_dict(),
            "settings": dict(plan.settings),
            "release": str(plan.release or ""),
            "put_aside": list(aside),
        }
        self._record(patient, What.REMEDY, outcome, "; ".join(said), detail)
        return done

    def _record(
        self, patient: Patient, what: What, outcome: str, subject: str, detail: Mapping[str, Any]
    ) -> None:
        seen = patient.seen
        with self.here.transaction() as connection:
            entry = Entry(what, self.here.host, seen.pipeline, seen.name, outcome, subject, detail)
            record(connection, entry)


def _changed(decision: Decision, evidence: Evidence, pipeline: Pipeline) -> dict[str, str]:
    """The environment variables of a fix of the configuration.

    Raises:
        Permanent: a setting may not be changed, or changing it for one worker would change nothing.
    """
    found = variables(decision.settings, pipeline)
    fixed = [name for name in decision.settings if name in evidence.knobs and evidence.knobs[name].fixed]
    if fixed:
        raise Permanent("A person has set this for the whole queue", ", ".join(fixed))
    return found
