"""What a person or a playbook can do with a migration; the commands and the Ansible module call only this.

Every function takes `Options` and gives a dict for JSON. `changed` says whether anything was written, or with
`check` would be; `status` is how it stands afterwards (`Status.to_dict`) and `finished` whether every book of
a plan has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from medialift.books import adopt as adopting
from medialift.books import ledger_files, retrying, running
from medialift.books import plan as planning
from medialift.books import status as standing
from medialift.books.calibre import Calibre
from medialift.books.means import SAFETY
from medialift.books.options import Options
from medialift.books.plan_writing import PIPELINE
from medialift.books.selection import Selection
from medialift.books.server_api import ServerApi, asking
from medialift.books.server_comparison import Server
from medialift.books.server_database import ServerDatabase
from medialift.books.shelves import shelves
from medialift.books.status import Status
from medialift.books.verify import Verdict
from medialift.books.verify import verify as compare_all
from medialift.errors import Permanent
from medialift.queueing import control, items
from medialift.queueing.database import Database, unreachable
from medialift.queueing.items import ALL, Which
from medialift.settings import BooksSettings, Settings

Tell = Callable[[str, int, int], object]
Say = Callable[[str], object]

_WHOLE_PLANNED = text(
    "select exists (select from plan_mark where collection = :collection and selection in (:whole, :newest))"
)


def plan(options: Options, *, tell: Tell | None = None) -> dict[str, Any]:
    """Write down what is to be uploaded: {changed, plan, status, finished}. `plan` is `Plan.to_dict`.

    Hours and bandwidth hold for all workers from then on.

    Raises:
        Permanent: no library is named, it cannot be read, or the subset names what no book has.
        Transient: the database or the library does not answer.
    """
    with _open(options) as (settings, database):
        made, steered = _plan(options, settings, database, tell)
        return {
            "changed": bool(made.changes) or steered,
            "plan": made.to_dict(),
            **_stands(settings, database),
        }


def run(
    options: Options,
    *,
    tell: Tell | None = None,
    watch: Callable[[Status], object] = lambda _status: None,
    say: Say = lambda _text: None,
    stop: Event | None = None,
    at_once: Event | None = None,
) -> dict[str, Any]:
    """Plan, and upload here until the bounds are reached or everything is done.

    {changed, plan, ended: [{why, items, files, bytes, slow}], count, status, finished}; with `check` only
    what would be planned. While it is paused by hand nothing is begun.

    Args:
        tell: is told how far the plan is.
        watch: is told every second or so how it stands.
        say: is told a sentence when something is to be known.
        stop: drains the workers: what is in flight is finished.
        at_once: kills them: what they held is given back when their leases end.

    Raises:
        Permanent, Transient: as `plan`; a worker could not work.
    """
    with _open(options) as (settings, database):
        made, steered = _plan(options, settings, database, tell)
        begun = _status(settings, database)
        waits = bool(begun.items.open) and not begun.control.paused
        ended: list[dict[str, Any]] = []
        if begun.control.paused:
            say(f"Nothing is begun: {begun.control.why}")
        elif waits and not options.check:
            ended = running.run(
                options, database, settings, watch=watch, say=say, stop=stop or Event(), at_once=at_once
            )
        count = sum(one["items"] for one in ended)
        return {
            "changed": bool(made.changes) or steered or bool(count) or (options.check and waits),
            "plan": made.to_dict(),
            "ended": ended,
            "count": count,
            **_stands(settings, database),
        }


def status(options: Options) -> dict[str, Any]:
    """How it stands: {changed: False, status, finished}."""
    with _open(options) as (settings, database):
        return {"changed": False, **_stands(settings, database)}


def look(options: Options) -> Status:
    """How it stands, as an object: for those who show it again and again."""
    with _open(options) as (settings, database):
        return _status(settings, database)


def listing(
    options: Options, accounts: list[str], *, kind: str = "", limit: int = 1000
) -> list[dict[str, Any]]:
    """Files of some accounts with their reasons, as `ledger_files.listed`."""
    with _open(options) as (settings, database), _transaction(database) as connection:
        return ledger_files.listed(connection, settings.books.collection, accounts, kind=kind, limit=limit)


def verify(options: Options, *, ask_server: bool = True, say: Say = lambda _text: None) -> dict[str, Any]:
    """Compare all three: {changed: False, verify, rows, adds_up, complete, status, finished}.

    `verify` is `Verdict.to_dict`. Without a subset the one that was planned is meant.

    Raises:
        Permanent: the library cannot be read, or the server does not let us in.
        Transient: the database, the library or the server does not answer.
    """
    with _open(options) as (settings, database):
        found = _verdict(options, settings, database, ask_server=ask_server, say=say)
        told = found.to_dict()
        return {
            "changed": False,
            "verify": told,
            "rows": told["rows"],
            "adds_up": found.adds_up,
            "complete": found.complete,
            **_stands(settings, database),
        }


def _verdict(
    options: Options, settings: Settings, database: Database, *, ask_server: bool, say: Say
) -> Verdict:
    with _library(settings.books) as calibre:
        meant = Selection.of(options.selection) if options.selection else _planned(settings, database)
        server = _server(settings.books) if ask_server else None
        try:
            return compare_all(
                database.engine, settings.books.collection, shelves(calibre, meant), server, tell=say
            )
        except OperationalError as error:
            raise unreachable(error) from error


def retry(options: Options) -> dict[str, Any]:
    """Take up again: {changed, count, still_too_large, status, finished}; by `ids`, `kinds` or `every`.

    Raises:
        Permanent: nothing is named, or a book is not in the ledger.
    """
    with _open(options) as (settings, database):
        with _transaction(database) as connection:
            done = retrying.retry(
                connection,
                settings.books.collection,
                ids=options.ids,
                kinds=options.kinds,
                every=options.every,
                largest=settings.books.max_upload - SAFETY,
                check=options.check,
            )
        return {
            "changed": bool(done.books),
            "count": done.books,
            "still_too_large": done.still_too_large,
            **_stands(settings, database),
        }


def cancel(options: Options) -> dict[str, Any]:
    """Give up what is not done: {changed, count, status, finished}; by `ids`, or `every`.

    Raises:
        Permanent: nothing is named.
    """
    if not (options.ids or options.every):
        raise Permanent("Nothing is named that is to be cancelled", "", "Name books, or say all")
    which = Which.named(map(str, options.ids)) if options.ids else ALL
    with _open(options) as (settings, database):
        with _transaction(database, keep=not options.check) as connection:
            count = items.cancel(
                connection, PIPELINE, settings.books.collection, which, why=options.why or "by hand"
            )
        return {"changed": bool(count), "count": count, **_stands(settings, database)}


def pause(options: Options) -> dict[str, Any]:
    """Hold all workers of the library; what is in flight is finished: {changed, status, finished}."""
    return _hold(options, lambda connection, of: control.pause(connection, PIPELINE, of, why=options.why))


def resume(options: Options) -> dict[str, Any]:
    """Let them go on: {changed, status, finished}."""
    return _hold(options, lambda connection, of: control.resume(connection, PIPELINE, of))


def adopt(options: Options, *, say: Say = lambda _text: None) -> dict[str, Any]:
    """Take over what the first script's progress files tell, once the server is found to have it.

    {changed, count, adopted, status, finished}. `adopted` is what was found in the files.

    Raises:
        Permanent: no folder is named, or there is nothing of the kind in it.
    """
    if options.progress is None:
        raise Permanent("No folder is named", "progress", "Name the one with migration_progress_worker*.json")
    with _open(options) as (settings, database), _library(settings.books) as calibre:
        found = adopting.adopt(
            database.engine, calibre, settings.books, options.progress, check=options.check, tell=say
        )
        return {
            "changed": bool(found.adopted),
            "count": found.adopted,
            "adopted": found.to_dict(),
            **_stands(settings, database),
        }


@contextmanager
def _open(options: Options) -> Iterator[tuple[Settings, Database]]:
    settings = options.read_settings()
    with Database.open(settings.database) as database:
        database.check()
        yield settings, database


@contextmanager
def _transaction(database: Database, *, keep: bool = True) -> Iterator[Connection]:
    """A transaction; one that is not to be kept is rolled back at its end."""
    try:
        with database.engine.connect() as connection, connection.begin() as begun:
            yield connection
            if not keep:
                begun.rollback()
    except OperationalError as error:
        raise unreachable(error) from error


def _hold(options: Options, change: Callable[[Connection, str], bool]) -> dict[str, Any]:
    with _open(options) as (settings, database):
        with _transaction(database, keep=not options.check) as connection:
            changed = change(connection, settings.books.collection)
        return {"changed": changed, **_stands(settings, database)}


def _plan(
    options: Options, settings: Settings, database: Database, tell: Tell | None
) -> tuple[planning.Plan, bool]:
    """Plan, and say for all workers how fast and when; what was planned, and whether the latter is new."""
    books = settings.books
    with _library(books) as calibre:
        made = planning.plan(
            database.engine,
            calibre,
            Selection.of(options.selection),
            books.collection,
            check=options.check,
            tell=tell,
        )
    with _transaction(database, keep=not options.check) as connection:
        return made, control.change(
            connection,
            PIPELINE,
            books.collection,
            hours=books.hours,
            bandwidth=books.bandwidth or None,
        )


@contextmanager
def _library(books: BooksSettings) -> Iterator[Calibre]:
    if books.library is None:
        raise Permanent(
            "No library is named", "books.library", "Set it to Calibre's library, the folder with metadata.db"
        )
    with Calibre.open(books.library) as calibre:
        yield calibre


def _server(books: BooksSettings) -> Server:
    if books.server_database.get_secret_value():
        return ServerDatabase(books.server_database, books.user)
    return ServerApi(asking(books.server, books.user, books.password, timeout=books.timeout))


def _planned(settings: Settings, database: Database) -> Selection | None:
    """Everything, when a plan of everything was made; else nothing but what is in a plan."""
    whole, newest = Selection(), Selection.of({"newest_first": True})
    of = {"collection": settings.books.collection, "whole": whole.digest(), "newest": newest.digest()}
    with _transaction(database) as connection:
        return whole if connection.execute(_WHOLE_PLANNED, of).scalar_one() else None


def _status(settings: Settings, database: Database) -> Status:
    with _transaction(database) as connection:
        return standing.status(connection, settings.books.collection)


def _stands(settings: Settings, database: Database) -> dict[str, Any]:
    now = _status(settings, database)
    return {"status": now.to_dict(), "finished": now.finished}
