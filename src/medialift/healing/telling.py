"""The history of the healing as people and playbooks read it."""

from __future__ import annotations

from typing import Any

from medialift.errors import Permanent
from medialift.healing import history
from medialift.healing.history import Entry, What
from medialift.healing.standing import Here


def told(
    here: Here,
    *,
    limit: int = 50,
    worker: str = "",
    pipeline: str = "",
    what: str = "",
    host: str = "",
    before: int | None = None,
    evidence: bool = True,
) -> dict[str, Any]:
    """The history, the newest first: {"changed": False, "entries": [Entry.to_dict and "sentence"]}.

    Args:
        host: whose; "" for all hosts of this ledger.
        before: only what is older than the entry with this id.
        evidence: with the "detail" that explains each entry.

    Raises:
        Permanent: there is no such kind of entry.
        Transient: the database does not answer.
    """
    if what and what not in tuple(What):
        raise Permanent("There is no such kind of entry", what, f"There are: {', '.join(What)}")
    with here.transaction() as connection:
        found = history.latest(
            connection,
            limit=limit,
            worker=worker or None,
            pipeline=pipeline or None,
            what=what or None,
            host=host or None,
            before=before,
        )
    entries = [{**one.to_dict(), "sentence": sentence(one)} for one in found]
    for entry in entries if not evidence else ():
        del entry["detail"]
    return {"changed": False, "entries": entries}


def sentence(entry: Entry) -> str:
    """One entry for people: when, what, of whom, how it came out."""
    of = entry.worker or entry.pipeline or entry.host
    at = f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S} " if entry.at else ""
    outcome = f" ({entry.outcome.replace('_', ' ')})" if entry.outcome else ""
    return f"{at}{entry.what.value.replace('_', ' ')}{outcome} {of}: {entry.subject}"
