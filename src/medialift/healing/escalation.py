"""When no remedy helps: the worker is paused, and people are told. And how it comes back."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from medialift.errors import MedialiftError
from medialift.foundation.units import format_duration
from medialift.healing import care
from medialift.healing.care import Care
from medialift.healing.decision import Decision
from medialift.healing.diagnosis import DEFAULT
from medialift.healing.fleet import Fleet, Member
from medialift.healing.history import Entry, What, record
from medialift.healing.patient import Patient
from medialift.healing.remedies.leases import take_back
from medialift.healing.standing import Here
from medialift.notify import Event, Notice

_log = logging.getLogger(__name__)

BY_A_PERSON = ""
"""The cause of a pause that nobody but a person ends."""


@dataclass(frozen=True)
class Stopped:
    """What came of stopping a worker.

    Attributes:
        drained: it ended by itself; None: it did not run.
        errors: what could not be done, in words; the next round tries again.
    """

    drained: bool | None = None
    taken_back: int = 0
    errors: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {"drained": self.drained, "taken_back": self.taken_back, "errors": self.errors}


def escalate(
    here: Here, fleet: Fleet, patient: Patient, *, why: str, cause: str, decision: Decision | None
) -> Notice:
    """Pause a worker for good; the notice for people.

    Args:
        cause: what releases it when it is seen to be over; `BY_A_PERSON`: nothing does.
        decision: what is thought to ail it.

    It is written down before anything is done: should the healing end in between, the next round goes on.

    Raises:
        Transient: the database does not answer; nothing was done.
    """
    seen = patient.seen
    with here.transaction() as connection:
        if not patient.registered and not patient.care.host:
            # Nothing knows its name but a remedy.
            care.remedied(connection, seen, decision or DEFAULT)
        care.pause(connection, seen.name, why=why, cause=cause, decision=decision)
        entry = Entry(
            What.ESCALATION,
            here.host,
            seen.pipeline,
            seen.name,
            "paused",
            why,
            {
                "attempts": patient.care.attempts,
                "verdict": patient.verdict.why,
                "decision": decision.to_dict() if decision is not None else {},
            },
        )
        record(connection, entry)
    stopped = stop(here, fleet, seen.name, patient.member)
    _log.warning("%s is paused: %s", seen.name, why)
    return Notice(
        Event.ESCALATED,
        f"{seen.name} is paused",
        "\n".join(
            [
                why,
                f"What was seen: {patient.verdict.why}",
                *([f"Likely cause: {decision.cause}. {decision.explanation}"] if decision else []),
                *stopped.errors,
                f"It runs again after `medialift healing release {seen.name}`"
                + (", or when its cause is gone" if cause else ""),
            ]
        ),
    )


def stop(here: Here, fleet: Fleet, name: str, member: Member | None) -> Stopped:
    """Have a worker not run, and give others what it held. What fails is told, and tried again."""
    drained: bool | None = None
    taken_back, errors = 0, []
    try:
        # Disabled first: should it not end in time, it is not started again with the machine.
        if member is None or member.enabled:
            fleet.disable(name)
        if member is None or member.active:
            drained = fleet.stop(name, at_most=here.settings.healing.drain)
        taken_back = take_back(here.database, name)
    except MedialiftError as error:
        _log.warning("%s could not be stopped as it should: %s", name, error)
        errors.append(str(error))
    return Stopped(drained, taken_back, errors)


def release(here: Here, fleet: Fleet, paused: Care, why: str) -> None:
    """Let a paused worker run again, with all its attempts and the common settings.

    Raises:
        Transient: the database or the service manager does not answer. The next round goes on.
        Permanent: there is no such worker.
    """
    name = paused.worker
    fleet.enable(int(name.rpartition("@")[2]))
    fleet.configure(name, {})
    # Started before it is noted: should the healing end in between, it is paused still, and released again.
    fleet.start(name)
    with here.transaction() as connection:
        if not care.release(connection, name):
            return
        care.common(connection, name)
        paused_for = format_duration(paused.since_change)
        record(
            connection,
            Entry(
                What.RELEASE,
                here.host,
                paused.pipeline,
                name,
                "cause gone",
                f"{why}; it was paused for {paused_for}: {paused.paused_why}",
                {"cause": paused.cause, "attempts": paused.attempts},
            ),
        )
    _log.info("%s is released: %s", name, why)
