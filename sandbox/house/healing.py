"""What a healing leaves behind: a worker that hung and was restarted, and one that nothing helped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from medialift.healing import care, history
from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.history import Entry, What
from medialift.queueing.database import Database
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
