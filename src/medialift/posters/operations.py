"""What a person or a playbook can do with posters; the commands call only this.

Every function takes the settings and gives a dict for JSON, or what `status` tells of. `changed` says whether
anything was written. A batch is as `status.Batch.to_dict` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import Connection

from medialift.errors import Permanent
from medialift.posters import batches, preparing, working
from medialift.posters import status as standing
from medialift.posters.enlisting import Which
from medialift.posters.names import PIPELINE
from medialift.posters.preparing import Plan
from medialift.posters.selection import Selection
from medialift.posters.status import Status
from medialift.queueing import control
from medialift.queueing.database import Database
from medialift.settings import Settings


def libraries(settings: Settings) -> list[dict[str, str]]:
    """Jellyfin's libraries: [{id, name, kind}]."""
    return preparing.libraries(settings.posters)


def download(
    settings: Settings,
    selection: Selection,
    *,
    image: str = "",
    replace: bool = False,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Begin to download the pictures of these items: {changed, batch}; see `preparing.download`."""
    plan = preparing.download(settings.posters, selection, image=image, replace=replace, options=options)
    return _begun(settings, plan)


def upload(
    settings: Settings,
    *,
    folder: Path | None = None,
    ids: Sequence[str] = (),
    image: str = "",
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Begin to replace the server's pictures: {changed, batch, left: {file: why}}; see `preparing.upload`."""
    plan = preparing.upload(settings.posters, folder=folder, ids=ids, image=image, options=options)
    return {**_begun(settings, plan), "left": dict(plan.left)}


def restore(
    settings: Settings,
    *,
    batch: int | None = None,
    ids: Sequence[str] = (),
    every: bool = False,
    which: Which = "first",
    image: str = "",
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Begin to put back what was replaced: {changed, batch}; see `preparing.restore`."""
    posters, asked = settings.posters, preparing.server(settings.posters)
    with _open(settings) as database, database.transaction() as connection:
        plan = preparing.restore(
            connection,
            posters,
            asked,
            batch=batch,
            ids=ids,
            every=every,
            which=which,
            image=image,
            options=options,
        )
        begun = preparing.begin(connection, posters.collection, plan)
    return {"changed": True, "batch": begun.to_dict()}


def planned_restore(
    settings: Settings, *, batch: int | None = None, ids: Sequence[str] = (), image: str = ""
) -> Plan:
    """What `restore` would begin; nothing is written."""
    posters, asked = settings.posters, preparing.server(settings.posters)
    with _open(settings) as database, database.transaction() as connection:
        return preparing.restore(connection, posters, asked, batch=batch, ids=ids, image=image)


def run(
    settings: Settings,
    *,
    watch: Callable[[Status], object] = lambda _status: None,
    stop: Event | None = None,
) -> dict[str, Any]:
    """Work here until nothing is left: {why, items, files, bytes, …, status}; in the main thread only."""
    with _open(settings) as database:
        ended = working.here(settings, database, watch=watch, stop=stop)
        with database.transaction() as connection:
            now = standing.status(connection, settings.posters.collection)
    return {**ended.to_dict(), "status": now.to_dict(), "finished": now.finished}


def look(settings: Settings, *, batches_shown: int = 10) -> Status:
    """How it stands."""
    with _open(settings) as database, database.transaction() as connection:
        return standing.status(connection, settings.posters.collection, batches_shown=batches_shown)


def one_batch(settings: Settings, id: int | None) -> dict[str, Any]:
    """A batch; None: the newest.

    Raises:
        Permanent: there is none.
    """
    with _open(settings) as database, database.transaction() as connection:
        return standing.batch(
            connection, settings.posters.collection, _batch(connection, settings, id)
        ).to_dict()


def listing(
    settings: Settings,
    *,
    batch: int | None = None,
    states: Sequence[str] = ("failed",),
    after: int = 0,
    limit: int = 1000,
) -> list[dict[str, Any]]:
    """Items with what became of them, as `status.listed`; of all batches without a number."""
    with _open(settings) as database, database.transaction() as connection:
        return standing.listed(
            connection, settings.posters.collection, batch=batch, states=states, after=after, limit=limit
        )


def retry(
    settings: Settings, batch: int | None = None, *, items: Sequence[int] = (), who: str = ""
) -> dict[str, Any]:
    """Take up again what failed or was cancelled of a batch, or these items of it: {changed, count, batch}.

    Raises:
        Permanent: there is no such batch, or an item cannot be tried again.
    """
    with _open(settings) as database, database.transaction() as connection:
        number = _batch(connection, settings, batch)
        count = batches.retry(connection, settings.posters.collection, number, list(items) or None, who=who)
        return _now(connection, settings, number, count)


def cancel(settings: Settings, batch: int | None = None, *, who: str = "") -> dict[str, Any]:
    """Take what is not over off the list: {changed, count, batch}. What was done stays done.

    Raises:
        Permanent: there is no such batch.
    """
    with _open(settings) as database, database.transaction() as connection:
        number = _batch(connection, settings, batch)
        count = batches.cancel(connection, settings.posters.collection, number, who=who)
        return _now(connection, settings, number, count)


def pause(settings: Settings, *, why: str = "", who: str = "") -> dict[str, Any]:
    """Hold all workers of posters: {changed}. What is in flight is finished."""
    with _open(settings) as database, database.transaction() as connection:
        collection = settings.posters.collection
        return {"changed": control.pause(connection, PIPELINE, collection, why=why, who=who)}


def resume(settings: Settings, *, who: str = "") -> dict[str, Any]:
    """Let the workers go on: {changed}."""
    with _open(settings) as database, database.transaction() as connection:
        collection = settings.posters.collection
        changed = control.resume(connection, PIPELINE, collection, who=who)
        batches.ring(connection, collection)
        return {"changed": changed}


def _begun(settings: Settings, plan: Plan) -> dict[str, Any]:
    with _open(settings) as database, database.transaction() as connection:
        begun = preparing.begin(connection, settings.posters.collection, plan)
    return {"changed": True, "batch": begun.to_dict()}


def _now(connection: Connection, settings: Settings, batch: int, count: int) -> dict[str, Any]:
    told = standing.batch(connection, settings.posters.collection, batch).to_dict()
    return {"changed": bool(count), "count": count, "batch": told}


def _batch(connection: Connection, settings: Settings, id: int | None) -> int:
    number = id if id is not None else standing.latest(connection, settings.posters.collection)
    if number is None:
        raise Permanent(
            "There is no batch yet", settings.posters.collection, "Begin one: medialift posters download"
        )
    return number


@contextmanager
def _open(settings: Settings) -> Iterator[Database]:
    with Database.open(settings.database) as database:
        database.check()
        yield database
