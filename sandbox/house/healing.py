"""What a healing leaves behind: a worker that hung and was restarted, one that nothing helped, two mounts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from medialift.healing import care, history, rounds
from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.history import Entry, What
from medialift.queueing import mount_states
from medialift.queueing.database import Database
from medialift.queueing.mount_states import MountState
from sandbox.house.books import Played

HELPED, PAUSED = "attic-books@1", "attic-books@3"
WHY_PAUSED = "It was restarted three times and finishes nothing: the book server answers with 502"


def history_of(database: Database, crew: list[Played], host: str = "attic") -> None:
    """The story of two of these workers."""
    hung, ill = (next(one for one in crew if one.me.name == name) for name in (HELPED, PAUSED))
    with database.engine.begin() as connection:
        for what, outcome, subject, detail in (
            (What.FINDING, "no_progress", "no progress for 612 s, which is more than 300 s", _EVIDENCE),
            (What.DECISION, "restart", "It waits for a socket that never answers", _decision(Remedy.RESTART)),
            (What.REMEDY, "applied", "drained, killed after 180 s, started", {"seconds": 181.4}),
            (What.VERIFICATION, "recovered", "it finished 14 books in 120 s", {"items": 14}),
        ):
            _note(connection, hung, host, what, outcome, subject, detail)
        for attempt in (1, 2, 3):
            _note(
                connection,
                ill,
                host,
                What.FINDING,
                "no_activity",
                "no activity for 300 s while uploading",
                _EVIDENCE,
            )
            restarted = {"attempt": attempt}
            _note(connection, ill, host, What.REMEDY, "applied", "drained and started", restarted)
            _note(
                connection, ill, host, What.VERIFICATION, "ineffective", "nothing in 120 s", {"before": [0]}
            )
        decided = Decision(Cause.SERVER_DOWN, Remedy.ESCALATE, "rule server_down", WHY_PAUSED)
        care.pause(connection, PAUSED, why=WHY_PAUSED, cause=Cause.SERVER_DOWN, decision=decided)
        _note(connection, ill, host, What.ESCALATION, "paused", WHY_PAUSED, decided.to_dict())
        history.record(
            connection,
            Entry(
                What.SCALING, host, "books", outcome="down", subject="4 to 3 workers: the disk is 97 % busy"
            ),
        )
        rounds.note(connection, host, workers=len(crew), stuck=1)
        mount_states.record(connection, host, _mounts(host))
        for statement in _A_DAY:
            connection.execute(statement)


# It all was written a moment ago; spread over the day before it looks as it does in a house.
_A_DAY = (
    text("update finding set at = now() - ((select max(id) + 1 from finding) - id) * interval '47 min'"),
    text("update worker set started = now() - interval '1 day' where host = 'attic'"),
    text(
        """
insert into worker_minute (worker, minute, state)
select name, minute, case when name like '%@3' and minute > now() - interval '2 hours' then 'paused'
                          else 'running' end
  from worker, generate_series(date_trunc('minute', now()) - interval '1 day',
                               date_trunc('minute', now()) - interval '1 min', interval '1 min') minute
 where host = 'attic' and not (name like '%@1' and minute between now() - interval '9 hours'
                                                             and now() - interval '7 hours')
on conflict do nothing
"""
    ),
)


def _mounts(host: str) -> list[MountState]:
    now = datetime.now(UTC)
    started = (now - timedelta(days=6)).timestamp()
    return [
        MountState(
            *(host, "/mnt/cloud/media", "media", "healthy"),
            *(now - timedelta(days=2), now - timedelta(seconds=4)),
            {"seconds": 0.082, "last_success": now.timestamp() - 4, "started_at": started, "recoveries": 2},
        ),
        MountState(
            *(host, "/mnt/cloud/books", "books", "stale"),
            *(now - timedelta(minutes=3), now - timedelta(seconds=11)),
            {
                "seconds": 10.0,
                "reason": "Transport endpoint is not connected: 3 of 3 reads failed",
                "failures": 5,
                "recovering": True,
                "waiting": ["medialift-books@1.service"],
                "last_success": now.timestamp() - 190,
                "started_at": started,
            },
        ),
    ]


_EVIDENCE: Mapping[str, Any] = {
    "stack": ["recv (ssl.py:1263)", "upload (uploads.py:88)", "run (file_work.py:140)"],
    "log": ["uploading Frankenstein.epub", "waiting for the server"],
    "phase": "uploading",
    "silence": 2.1,
}


def _decision(remedy: Remedy) -> dict[str, Any]:
    return Decision(Cause.HUNG, remedy, "rule hung", "It waits for a socket that never answers").to_dict()


def _note(
    connection: Connection,
    of: Played,
    host: str,
    what: What,
    outcome: str,
    subject: str,
    detail: Mapping[str, Any],
) -> None:
    history.record(connection, Entry(what, host, of.me.pipeline, of.me.name, outcome, subject, detail))
