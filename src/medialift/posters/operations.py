"""What a person, a playbook or the API can do with posters; the commands call only this.

Every function takes the settings and gives a dict for JSON, or what `status` tells of. `changed` says whether
anything was written. A batch is as `status.Batch.to_dict` tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from medialift.errors import Permanent
from medialift.foundation.token import read_token
from medialift.posters import batches, enlisting, records, working
from medialift.posters import status as standing
from medialift.posters.batches import Wanted
from medialift.posters.enlisting import Which
from medialift.posters.folder import UPLOAD
from medialift.posters.jellyfin import Entry, Jellyfin, Page, Server
from medialift.posters.line import OPTIONS, connect
from medialift.posters.names import PIPELINE, image_kind, item_id
from medialift.posters.selection import Selection, found
from medialift.posters.selection import chosen as libraries_of
from medialift.posters.status import Status
from medialift.posters.task import Action
from medialift.posters.tempo import Tempo
from medialift.queueing import control
from medialift.queueing.database import Database, unreachable
from medialift.settings import PostersSettings, Settings

_T = TypeVar("_T")
_INTERVALS, _CONCURRENCY = (0.0, 3600.0), (1, 64)


def libraries(settings: Settings) -> list[dict[str, str]]:
    """Jellyfin's libraries: [{id, name, kind}].

    Raises:
        MedialiftError: it is away, or refuses the key.
    """

    async def ask(jellyfin: Jellyfin) -> list[dict[str, str]]:
        return [one.to_dict() for one in await jellyfin.libraries()]

    return asyncio.run(_asking(settings.posters, ask))


def choices(
    settings: Settings,
    *,
    library: str = "",
    search: str = "",
    kinds: Sequence[str] = (),
    start: int = 0,
    limit: int = 50,
) -> dict[str, Any]:
    """Items to choose from: {items: [{id, name, kind, year, images}], start, total}.

    Args:
        library: its name or id; empty: all.
    """
    wanted = Selection.of(libraries=[library] if library else [], search=search, kinds=kinds)

    async def ask(jellyfin: Jellyfin) -> Page:
        of = (await libraries_of(jellyfin, wanted.libraries))[0].id if wanted.libraries else ""
        return await jellyfin.page(
            start=start, limit=limit, library=of, search=wanted.search, kinds=wanted.kinds
        )

    page = asyncio.run(_asking(settings.posters, ask))
    return {"items": [one.to_dict() for one in page.entries], "start": start, "total": page.total}


def download(
    settings: Settings,
    selection: Selection,
    *,
    image: str = "",
    replace: bool = False,
    options: Mapping[str, Any] | None = None,
    who: str = "",
) -> dict[str, Any]:
    """Begin to download the pictures of these items: {changed, batch}.

    Args:
        replace: files that somebody changed here too.
        options: `session`, `interval`, `concurrency` of this batch alone.

    Raises:
        Permanent: there is nothing to do, or something that was named is not there.
        MedialiftError: Jellyfin or the ledger is away.
    """
    kind, chosen = image_kind(image or settings.posters.image), _options(options)
    entries, server = asyncio.run(_found(settings.posters, selection))
    wanted = enlisting.downloads(entries, selection.ids, kind, replace=replace)
    told = {**selection.to_dict(), **({"replace": True} if replace else {})}
    with _open(settings) as database, _transaction(database) as connection:
        return _begun(connection, settings, server, "download", kind, wanted, told, chosen, who)


def upload(
    settings: Settings,
    *,
    folder: Path | None = None,
    ids: Sequence[str] = (),
    image: str = "",
    options: Mapping[str, Any] | None = None,
    who: str = "",
) -> dict[str, Any]:
    """Begin to put a folder's pictures in the place of the server's: {changed, batch, left: {file: why}}.

    Args:
        folder: of pictures whose names end in `[ID]`; None: `upload` in the folder of posters.
        ids: only those of these items.

    Raises:
        Permanent: there is nothing to do; a named id has no picture there.
        MedialiftError: Jellyfin or the ledger is away.
    """
    kind, chosen = image_kind(image or settings.posters.image), _options(options)
    place = (folder or settings.posters.folder / UPLOAD).absolute()
    there = enlisting.files(place)
    if ids:
        named = dict.fromkeys(map(item_id, ids))
        if missing := [one for one in named if one not in there.of]:
            raise Permanent("There is no picture of these items", ", ".join(missing[:20]), f"Look at {place}")
        there = enlisting.Files({one: there.of[one] for one in named}, {})
    if not there.of:
        raise Permanent("There is no picture to upload", str(place), "Names end in the id: `Name [ID].jpg`")
    entries, server = asyncio.run(_found(settings.posters, Selection(ids=tuple(there.of))))
    wanted = enlisting.uploads(there, entries, kind)
    told = {"folder": str(place), "ids_count": len(wanted)}
    with _open(settings) as database, _transaction(database) as connection:
        begun = _begun(connection, settings, server, "upload", kind, wanted, told, chosen, who)
    return {**begun, "left": there.left}


def restore(
    settings: Settings,
    *,
    batch: int | None = None,
    ids: Sequence[str] = (),
    every: bool = False,
    which: Which = "first",
    image: str = "",
    options: Mapping[str, Any] | None = None,
    who: str = "",
) -> dict[str, Any]:
    """Begin to put back what was replaced: {changed, batch}.

    Args:
        batch: what this one replaced.
        ids, every: what was kept of these items, or of all: the first that was ever replaced, or the last.

    Raises:
        Permanent: not just one of the three is given, or nothing was kept.
    """
    if sum(map(bool, (batch, ids, every))) != 1:
        raise Permanent("Name a batch, or items, or say all", "", "Just one of them")
    chosen, collection = _options(options), settings.posters.collection
    server = asyncio.run(_asking(settings.posters, lambda jellyfin: jellyfin.server()))
    with _open(settings) as database, _transaction(database) as connection:
        if batch is not None:
            kind, wanted = enlisting.undo(connection, collection, batch)
            told: dict[str, Any] = {"batch": batch}
        else:
            kind = image_kind(image or settings.posters.image)
            named = None if every else list(dict.fromkeys(map(item_id, ids)))
            wanted = enlisting.kept(connection, collection, kind, named, which)
            told = {"which": which, "ids_count": len(wanted)}
        return _begun(connection, settings, server, "restore", kind, wanted, told, chosen, who)


def run(
    settings: Settings,
    *,
    watch: Callable[[Status], object] = lambda _status: None,
    stop: Event | None = None,
) -> dict[str, Any]:
    """Work here until nothing is left: {why, items, files, bytes, …, status}; in the main thread only."""
    with _open(settings) as database:
        ended = working.here(settings, database, watch=watch, stop=stop)
        with _transaction(database) as connection:
            now = standing.status(connection, settings.posters.collection)
    return {**ended.to_dict(), "status": now.to_dict(), "finished": now.finished}


def look(settings: Settings, *, batches_shown: int = 10) -> Status:
    """How it stands."""
    with _open(settings) as database, _transaction(database) as connection:
        return standing.status(connection, settings.posters.collection, batches_shown=batches_shown)


def one_batch(settings: Settings, id: int | None) -> dict[str, Any]:
    """A batch; None: the newest.

    Raises:
        Permanent: there is none.
    """
    with _open(settings) as database, _transaction(database) as connection:
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
    with _open(settings) as database, _transaction(database) as connection:
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
    with _open(settings) as database, _transaction(database) as connection:
        number = _batch(connection, settings, batch)
        count = batches.retry(connection, settings.posters.collection, number, list(items) or None, who=who)
        return _now(connection, settings, number, count)


def cancel(settings: Settings, batch: int | None = None, *, who: str = "") -> dict[str, Any]:
    """Take what is not over off the list: {changed, count, batch}. What was done stays done.

    Raises:
        Permanent: there is no such batch.
    """
    with _open(settings) as database, _transaction(database) as connection:
        number = _batch(connection, settings, batch)
        count = batches.cancel(connection, settings.posters.collection, number, who=who)
        return _now(connection, settings, number, count)


def pause(settings: Settings, *, why: str = "", who: str = "") -> dict[str, Any]:
    """Hold all workers of posters: {changed}. What is in flight is finished."""
    with _open(settings) as database, _transaction(database) as connection:
        collection = settings.posters.collection
        return {"changed": control.pause(connection, PIPELINE, collection, why=why, who=who)}


def resume(settings: Settings, *, who: str = "") -> dict[str, Any]:
    """Let the workers go on: {changed}."""
    with _open(settings) as database, _transaction(database) as connection:
        collection = settings.posters.collection
        changed = control.resume(connection, PIPELINE, collection, who=who)
        batches.ring(connection, collection)
        return {"changed": changed}


def _begun(
    connection: Connection,
    settings: Settings,
    server: Server,
    action: Action,
    image: str,
    wanted: Sequence[Wanted],
    selection: Mapping[str, Any],
    options: Mapping[str, Any],
    who: str,
) -> dict[str, Any]:
    collection = settings.posters.collection
    records.same_server(connection, collection, server)
    begun = batches.begin(
        connection, collection, action, image, wanted, selection=selection, options=options, who=who
    )
    return {"changed": True, "batch": standing.batch(connection, collection, begun.id).to_dict()}


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


def _options(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a batch has otherwise than the settings.

    Raises:
        Permanent: there is no such option, or it has a wrong value.
    """
    options = {name: value for name, value in (given or {}).items() if value is not None}
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise Permanent("There is no such option", ", ".join(unknown), f"There are: {', '.join(OPTIONS)}")
    low, high = _INTERVALS
    fewest, most = _CONCURRENCY
    right = (
        options.get("session", "shared") in ("shared", "per_request")
        and low <= options.get("interval", low) <= high
        and fewest <= options.get("concurrency", fewest) <= most
    )
    if not right:
        raise Permanent(
            "An option of the batch has a wrong value",
            ", ".join(f"{name}={value}" for name, value in options.items()),
            f"session: shared, per_request; interval: {low:g} to {high:g}; concurrency: {fewest} to {most}",
        )
    return options


async def _found(settings: PostersSettings, selection: Selection) -> tuple[list[Entry], Server]:
    async def ask(jellyfin: Jellyfin) -> tuple[list[Entry], Server]:
        server = await jellyfin.server()
        return await found(jellyfin, selection), server

    return await _asking(settings, ask)


async def _asking(settings: PostersSettings, ask: Callable[[Jellyfin], Awaitable[_T]]) -> _T:
    key = read_token(settings.key_file)
    async with connect(settings, key, Tempo(0.0, asyncio.Event()), "shared") as jellyfin:
        return await ask(jellyfin)


@contextmanager
def _open(settings: Settings) -> Iterator[Database]:
    with Database.open(settings.database) as database:
        database.check()
        yield database


@contextmanager
def _transaction(database: Database) -> Iterator[Connection]:
    try:
        with database.engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise unreachable(error) from error
