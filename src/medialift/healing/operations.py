"""What a person or a playbook can do with the workers of this host; the commands and the Ansible modules call
only this.

Every function that changes something gives {"changed", "workers", "diff"}: whether anything was done, or with
`check` would be, how the workers stand afterwards (`Standing.to_dict`), and what of each changed. Workers are
named as the ledger names them; no name means all that a unit of this host runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from medialift.errors import Permanent
from medialift.healing import care, history, pipelines, rounds
from medialift.healing.history import Entry, What
from medialift.healing.remedies.leases import take_back
from medialift.healing.resizing import scale, size_of
from medialift.healing.standing import Here, Standing, opened, standing, unready
from medialift.healing.telling import told
from medialift.healing.turns import by_hand
from medialift.queueing import events

__all__ = ["drain", "info", "opened", "pause", "release", "scale", "start", "told", "unready"]

_PATIENCE_SECONDS = 60.0
"""A round drains workers side by side; so long it takes besides."""


def info(here: Here, names: Sequence[str] = (), *, pipeline: str = "") -> dict[str, Any]:
    """How the workers stand.

    {"changed": False, "workers", "stuck": names, "paused": names, "sizes", "enabled", "repair", "host",
    "round": {"age", "workers", "stuck", "why"} of the last round here, or None}

    Args:
        pipeline: "" for all.

    Raises:
        Permanent: there is no such worker or pipeline here, or no systemd.
        Transient: the database or systemd does not answer.
    """
    rows = standing(here, pipeline)
    shown = _named(rows, names) if names else rows
    lines = [pipeline] if pipeline else sorted(pipelines.PIPELINES)
    return {
        "changed": False,
        "enabled": here.settings.healing.enabled,
        "repair": here.settings.healing.repair,
        "host": here.host,
        "round": _last_round(here),
        "stuck": [one.name for one in shown if one.state == "stuck"],
        "paused": [one.name for one in shown if one.care.paused],
        "sizes": [size_of(here, line, rows) for line in lines],
        "workers": [one.to_dict() for one in shown],
    }


def start(
    here: Here, names: Sequence[str] = (), *, pipeline: str = "", check: bool = False
) -> dict[str, Any]:
    """Have workers run, now and after a restart of the machine; those that were paused are released.

    Raises: as `info`.
    """
    with _turn(here, check):
        rows = _chosen(here, names, pipeline)
        meant = [one for one in rows if one.care.paused or not one.is_to_run or not one.runs]
        for one in meant if not check else ():
            _start(here, one)
    return _done(here, rows, meant, "running")


def drain(
    here: Here, names: Sequence[str] = (), *, pipeline: str = "", check: bool = False
) -> dict[str, Any]:
    """Have workers finish what is in flight, give back the rest and end. They run again with the machine.

    What has not ended after `healing.drain` is killed.

    Raises: as `info`; Transient: a worker does not even end when it is killed.
    """
    with _turn(here, check):
        rows = _chosen(here, names, pipeline)
        meant = [one for one in rows if one.runs]
        for one in meant if not check else ():
            _stop(here, one)
            _note(here, "drain", one.name)
    return _done(here, rows, meant, "stopped")


def pause(
    here: Here,
    names: Sequence[str] = (),
    *,
    pipeline: str = "",
    why: str = "",
    who: str = "",
    check: bool = False,
) -> dict[str, Any]:
    """Drain workers that are not to run until somebody releases them; the healing leaves them alone.

    Args:
        who: whoever asked for it; "" for whoever runs this.

    Raises: as `drain`.
    """
    with _turn(here, check):
        rows = _chosen(here, names, pipeline)
        meant = [one for one in rows if not one.care.paused or one.is_to_run or one.runs]
        for one in meant if not check else ():
            if not one.care.paused:
                _pause(here, one, why or "paused by hand", who)
            # Disabled first: should it not end in time, it is not started again with the machine.
            if one.is_to_run:
                here.fleet(one.pipeline).disable(one.name)
            if one.runs:
                _stop(here, one)
    return _done(here, rows, meant, "paused")


def release(here: Here, names: Sequence[str] = (), *, who: str = "", check: bool = False) -> dict[str, Any]:
    """Let paused workers run again, with all their attempts; no name means all of this host.

    {"changed", "workers", "diff", "released": names}

    Args:
        who: whoever asked for it; "" for whoever runs this.

    Raises: as `info`; Permanent: a worker that is named is not paused.
    """
    with _turn(here, check):
        rows = _chosen(here, names, "")
        meant = [one for one in rows if one.care.paused]
        others = set(names) - {one.name for one in meant}
        if others:
            raise Permanent(
                "This worker is not paused", ", ".join(sorted(others)), "There is nothing to release"
            )
        for one in meant if not check else ():
            _start(here, one, who)
    return {**_done(here, rows, meant, "running"), "released": [one.name for one in meant]}


def _named(rows: Iterable[Standing], names: Sequence[str]) -> list[Standing]:
    known = {one.name: one for one in rows}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Permanent(
            "There is no such worker on this host",
            ", ".join(unknown),
            f"There are: {', '.join(known)}" if known else "There is none",
        )
    return [known[name] for name in dict.fromkeys(names)]


def _chosen(here: Here, names: Sequence[str], pipeline: str) -> list[Standing]:
    """The workers that are meant, all of which a unit runs."""
    rows = standing(here, pipeline)
    if not names:
        return [one for one in rows if one.number]
    meant = _named(rows, names)
    by_hand = [one.name for one in meant if not one.number]
    if by_hand:
        raise Permanent(
            "No unit of this host runs this worker", ", ".join(by_hand), "End it where it was started"
        )
    return meant


@contextmanager
def _turn(here: Here, check: bool) -> Iterator[None]:
    """After a round that is under way; who only looks need not wait."""
    if check:
        yield
        return
    with by_hand(here.database, here.host, at_most=here.settings.healing.drain + _PATIENCE_SECONDS):
        yield


def _start(here: Here, one: Standing, who: str = "") -> None:
    fleet = here.fleet(one.pipeline)
    if not one.is_to_run:
        fleet.enable(one.number)
    if one.care.paused:
        # What was tried with it alone did not help.
        fleet.configure(one.name, {})
    # Started before it is noted: should this end in between, it is paused still, and released again.
    fleet.start(one.name)
    if one.care.paused:
        _release(here, one, who)
    _note(here, "start", one.name, who)


def _stop(here: Here, one: Standing) -> None:
    here.fleet(one.pipeline).stop(one.name, at_most=here.settings.healing.drain)
    take_back(here.database, one.name)


def _note(here: Here, what: str, name: str, who: str = "") -> None:
    with here.transaction() as connection:
        events.record(connection, who=who, what=what, subject=name)


def _pause(here: Here, one: Standing, why: str, who: str) -> None:
    who = who or events.somebody()
    with here.transaction() as connection:
        care.pause(connection, one.name, why=why)
        history.record(
            connection,
            Entry(
                What.ESCALATION,
                here.host,
                one.pipeline,
                one.name,
                "by hand",
                f"It is not to run until it is released, says {who}: {why}",
                {"by": who},
            ),
        )


def _release(here: Here, one: Standing, who: str) -> None:
    who = who or events.somebody()
    with here.transaction() as connection:
        if care.release(connection, one.name):
            care.common(connection, one.name)
            history.record(
                connection,
                Entry(
                    What.RELEASE,
                    here.host,
                    one.pipeline,
                    one.name,
                    "by hand",
                    f"It may run again, says {who}; it was paused: {one.care.paused_why}",
                    {"by": who, "attempts": one.care.attempts, "cause": one.care.cause},
                ),
            )


def _last_round(here: Here) -> dict[str, Any] | None:
    with here.transaction() as connection:
        found = next((one for one in rounds.listed(connection) if one.host == here.host), None)
    if found is None:
        return None
    return {"age": found.age, "workers": found.workers, "stuck": found.stuck, "why": found.why}


def _done(here: Here, before: Sequence[Standing], meant: Sequence[Standing], becomes: str) -> dict[str, Any]:
    """What was done to the workers that were meant, or would be, and how all of them stand now."""
    names = {one.name for one in before}
    return {
        "changed": bool(meant),
        "diff": {
            "before": {one.name: one.mode for one in before},
            "after": {one.name: becomes if one in meant else one.mode for one in before},
        },
        "workers": [one.to_dict() for one in standing(here) if one.name in names],
    }
