"""What persons ask of workers from elsewhere, such as from the dashboard: the healing of the host does it.

Whoever asks needs no rights on that host, and may be on another one. It is done before the next round.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, text

from medialift.errors import MedialiftError, Permanent, Transient
from medialift.healing import operations
from medialift.healing.standing import Here
from medialift.queueing import events

_log = logging.getLogger(__name__)

Wish = Literal["pause", "release"]


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        refused: why it could not be done; "" while it is still to be done.
    """

    worker: str
    host: str
    what: Wish
    why: str
    who: str
    asked: datetime
    refused: str


_ASK = text(
    """
insert into worker_request (worker, host, what, why, who)
select name, host, :what, :why, :who
  from (select name, host from worker where name = :name
        union all
        select worker, host from care
         where worker = :name and not exists (select from worker where name = :name)) known
on conflict (worker) do update
   set host = excluded.host, what = :what, why = :why, who = :who, asked = now(), refused = ''
returning host
"""
)
_LISTED = text(
    "select worker, host, what, why, who, asked, refused from worker_request"
    " where (cast(:host as text) is null or host = :host)"
    "   and (refused = '' or asked > now() - interval '1 day') order by asked, worker"
)
# Asked again meanwhile, it is another one.
_DONE = text("delete from worker_request where worker = :worker and asked = :asked")
_WITHDRAWN = text("delete from worker_request where worker = :worker returning what")
_REFUSED = text("update worker_request set refused = :why where worker = :worker and asked = :asked")


def ask(connection: Connection, name: str, what: Wish, *, who: str, why: str = "") -> str:
    """Ask for something; the host whose healing is to do it. It takes the place of what was asked before.

    Raises:
        Permanent: there is no such worker.
    """
    host = connection.execute(_ASK, {"name": name, "what": what, "why": why, "who": who}).scalar_one_or_none()
    if host is None:
        raise Permanent("There is no such worker", name, "See the names: medialift queue workers")
    events.record(
        connection, who=who, what=f"ask to {what}", subject=name, after={"why": why} if why else None
    )
    return str(host)


def withdraw(connection: Connection, name: str, *, who: str) -> bool:
    """Ask no more for what is not done; whether there was anything. What the healing has begun it ends."""
    gone = connection.execute(_WITHDRAWN, {"worker": name}).scalar_one_or_none()
    if gone is not None:
        events.record(connection, who=who, what="ask no more", subject=name, before={"what": gone})
    return gone is not None


def listed(connection: Connection, host: str | None = None) -> list[Request]:
    """What is still to be done, and what could not be within the last day, the oldest first."""
    return [Request(**row._asdict()) for row in connection.execute(_LISTED, {"host": host})]


def fulfil(here: Here) -> None:
    """Do what is asked of the workers of this host. What cannot be done is written down, and not tried again;
    what may work later stays for the next round.

    Raises:
        Transient: the database does not answer.
    """
    with here.transaction() as connection:
        todo = [one for one in listed(connection, here.host) if not one.refused]
    for one in todo:
        refused = _fulfilled(here, one)
        if refused is None:
            continue
        given = {"worker": one.worker, "asked": one.asked, "why": refused}
        with here.transaction() as connection:
            connection.execute(_REFUSED if refused else _DONE, given)


def _fulfilled(here: Here, one: Request) -> str | None:
    """Why it cannot be done; "" when it was, None: not now, but it may be later."""
    try:
        if one.what == "pause":
            operations.pause(here, [one.worker], why=one.why, who=one.who)
        else:
            operations.release(here, [one.worker], who=one.who)
    except MedialiftError as error:
        _log.warning("%s asks to %s %s: %s", one.who, one.what, one.worker, error)
        return None if isinstance(error, Transient) else str(error)
    return ""
