"""What becomes of a remedy: it is verified, a relapse is noticed, one that was broken off is ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from medialift.errors import Permanent
from medialift.healing import care
from medialift.healing.care import Care
from medialift.healing.decision import Remedy
from medialift.healing.editing import Editing
from medialift.healing.fleet import Fleet
from medialift.healing.history import Entry, What, record
from medialift.healing.observed import Verdict
from medialift.healing.patient import Patient, decision_of
from medialift.healing.pipeline import Pipeline
from medialift.healing.remedies.config_fix import undo
from medialift.healing.remedies.leases import take_back
from medialift.healing.standing import Here
from medialift.healing.verification import Result, Seen, progressed, verify
from medialift.notify import Event, Notice

_log = logging.getLogger(__name__)
_AGE_SECONDS = 1.0


@dataclass(frozen=True)
class Following:
    """Follows up what was done to the workers of one pipeline.

    Attributes:
        editing: None: the code is never edited.
    """

    here: Here
    pipeline: Pipeline
    fleet: Fleet
    editing: Editing | None
    tell: Callable[[Notice], None]

    def up(self, patient: Patient) -> Patient:
        """See what came of the last remedy of a worker, if there was one; the worker as it stands now.

        Raises:
            Transient: the database or the service manager does not answer.
        """
        healing, kept = self.here.settings.healing, patient.care
        if kept.state == care.VERIFYING:
            if kept.due(healing.verify):
                return self._verify(patient)
            return self._end_what_was_broken_off(patient)
        elif kept.state == care.ILL and self._has_recovered(patient):
            return self._noted(patient, Seen(Result.RECOVERED, "It gets on after all"))
        elif kept.recurs(patient.verdict, healing.cooldown):
            return self._relapsed(patient)
        return patient

    # -- verifying ---------------------------------------------------------------------------------------

    def _verify(self, patient: Patient) -> Patient:
        seen, kept, healing = patient.seen, patient.care, self.here.settings.healing
        # It was out of the ledger's reach, or rested, after it had started: it gets that time back.
        if seen.free < min(healing.verify, seen.uptime - _AGE_SECONDS) and not progressed(kept, seen):
            return patient
        result = verify(kept, seen if patient.registered else None, patient.member, silence=healing.silence)
        if result.result is Result.MOOT:
            return patient
        if result.result is Result.RECOVERED:
            if kept.release and self.editing is not None:
                # First, so that a round that breaks off here finds it to be done.
                self._accept(patient, self.editing)
            return self._noted(patient, result)
        after = self._noted(patient, result)
        self._take_back(after)
        return self._end_what_was_broken_off(after)

    def _has_recovered(self, patient: Patient) -> bool:
        """One that was ill when it was looked at gets on by now: late, or since its cause went by itself."""
        seen = patient.seen
        settled = seen.uptime >= patient.limits.floor and seen.state != "gone"
        return settled and not patient.verdict.stuck and progressed(patient.care, seen)

    def _relapsed(self, patient: Patient) -> Patient:
        with self.here.transaction() as connection:
            after = care.recurred(connection, patient.name)
            why = f"It was stuck again soon after its last {patient.care.remedy}: {patient.verdict.why}"
            record(connection, self._entry(patient, What.VERIFICATION, "recurred", why, after))
        return replace(patient, care=self._aged(patient.care, after))

    def _noted(self, patient: Patient, seen: Seen) -> Patient:
        ok = seen.result is Result.RECOVERED
        with self.here.transaction() as connection:
            after = care.verified(connection, patient.name, ok)
            record(connection, self._entry(patient, What.VERIFICATION, seen.result, seen.why, after))
        _log.info("%s after a %s: %s (%s)", patient.name, patient.care.remedy, seen.result, seen.why)
        return replace(patient, care=self._aged(patient.care, after))

    # -- ending what did not help ------------------------------------------------------------------------

    def _take_back(self, patient: Patient) -> None:
        """The settings and the release that did not help are not for its next life."""
        decision = decision_of(patient.care)
        if decision is not None and decision.remedy is Remedy.CONFIG_FIX:
            undo(self.fleet, patient.name, decision.settings, self.pipeline)
        if patient.care.release:
            self._leave_release(patient, f"{patient.name} did not recover with {patient.care.release}")
        with self.here.transaction() as connection:
            care.common(connection, patient.name)

    def _leave_release(self, patient: Patient, why: str) -> None:
        """Throw an edit away; its canary has the common release again at once."""
        detail: Mapping[str, Any] = {}
        release = None
        if self.editing is not None:
            detail = self.editing.discard(why)
            release = self.editing.release_for(patient.name)
        settings = patient.member.settings if patient.member is not None else {}
        self.fleet.configure(patient.name, settings, release)
        self.fleet.stop(patient.name, at_most=self.here.settings.healing.drain)
        try:
            take_back(self.here.database, patient.name)
        finally:
            self.fleet.start(patient.name)
        self._code(patient, "discarded", why, detail)
        with self.here.transaction() as connection:
            care.common(connection, patient.name)
        if self.editing is not None:
            self.editing.clear()

    def _accept(self, patient: Patient, editing: Editing) -> None:
        tried = patient.care.release
        try:
            detail = editing.accept()
        except Permanent as error:
            # It was taken back by hand, or another release was installed meanwhile.
            self._leave_release(patient, f"{tried} helped, and cannot be used by all: {error}")
            return
        with self.here.transaction() as connection:
            care.common(connection, patient.name)
        why = f"{patient.name} recovered with {tried}: all have it from their next start on"
        self._code(patient, "accepted", why, detail)
        self.tell(
            Notice(
                Event.CODE_FIXED,
                f"An edit of the code is in use on {self.here.host}",
                f"{why}\nSee it: medialift healing history --what code_fix --evidence\n"
                "Take it back: medialift healing revert",
            )
        )

    def _end_what_was_broken_off(self, patient: Patient) -> Patient:
        """No worker stays stopped because the healing, or the service manager, went away in a restart."""
        member = patient.member
        if member is None or not member.enabled or member.active:
            return patient
        _log.warning("%s was not started after its %s: it is now", patient.name, patient.care.remedy)
        self.fleet.start(patient.name)
        return replace(patient, verdict=Verdict(None, "It was started a moment ago"))

    # -- keeping -----------------------------------------------------------------------------------------

    def _code(self, patient: Patient, outcome: str, why: str, detail: Mapping[str, Any]) -> None:
        seen = patient.seen
        entry = Entry(What.CODE_FIX, self.here.host, seen.pipeline, seen.name, outcome, why, detail)
        with self.here.transaction() as connection:
            record(connection, entry)

    def _entry(self, patient: Patient, what: What, outcome: str, why: str, after: Care) -> Entry:
        seen = patient.seen
        detail: dict[str, Any] = {
            "remedy": patient.care.remedy,
            "attempts": after.attempts,
            "progress_before": list(patient.care.progress_before),
            "progress": list(seen.progress),
            "life_before": patient.care.life_before,
            "life": seen.life,
            "release": patient.care.release,
        }
        return Entry(what, self.here.host, seen.pipeline, seen.name, str(outcome), why, detail)

    @staticmethod
    def _aged(before: Care, after: Care) -> Care:
        """What was read anew, no older than what the round's clocks say."""
        return replace(after, since_remedy=min(before.since_remedy, after.since_remedy))
