"""What a batch would be: asked of Jellyfin, of a folder and of what was kept, before anything is written.

Jellyfin is asked while no transaction is open: it may take long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from medialift.errors import Permanent
from medialift.foundation.token import read_token
from medialift.posters import batches, enlisting, records
from medialift.posters import status as standing
from medialift.posters.batches import Wanted
from medialift.posters.enlisting import Which
from medialift.posters.folder import UPLOAD
from medialift.posters.jellyfin import Entry, Jellyfin, Page, Server
from medialift.posters.line import OPTIONS, connect
from medialift.posters.names import image_kind, item_id
from medialift.posters.selection import Selection, found
from medialift.posters.selection import chosen as libraries_of
from medialift.posters.status import Batch
from medialift.posters.task import Action
from medialift.posters.tempo import Tempo
from medialift.settings import PostersSettings

_T = TypeVar("_T")
_INTERVALS, _CONCURRENCY = (0.0, 3600.0), (1, 64)


@dataclass(frozen=True)
class Plan:
    """A batch that is not begun yet.

    Attributes:
        server: whose items these are.
        left: {file: why} of a folder's files that are not taken.
    """

    action: Action
    image: str
    wanted: tuple[Wanted, ...]
    server: Server
    selection: Mapping[str, Any]
    options: Mapping[str, Any]
    left: Mapping[str, str] = field(default_factory=dict)


def begin(connection: Connection, collection: str, plan: Plan, *, who: str = "") -> Batch:
    """Write it down, and ring the bell.

    Raises:
        Permanent: it is empty. Unsafe: the collection is of another server.
    """
    records.same_server(connection, collection, plan.server)
    begun = batches.begin(
        connection,
        collection,
        plan.action,
        plan.image,
        plan.wanted,
        selection=plan.selection,
        options=plan.options,
        who=who,
    )
    return standing.batch(connection, collection, begun.id)


def libraries(settings: PostersSettings) -> list[dict[str, str]]:
    """Jellyfin's libraries: [{id, name, kind}].

    Raises:
        MedialiftError: it is away, or refuses the key.
    """

    async def ask(jellyfin: Jellyfin) -> list[dict[str, str]]:
        return [one.to_dict() for one in await jellyfin.libraries()]

    return asyncio.run(_asking(settings, ask))


def choices(
    settings: PostersSettings,
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

    page = asyncio.run(_asking(settings, ask))
    return {"items": [one.to_dict() for one in page.entries], "start": start, "total": page.total}


def download(
    settings: PostersSettings,
    selection: Selection,
    *,
    image: str = "",
    replace: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Plan:
    """The pictures of these items into the folder.

    Args:
        replace: files that somebody changed here too.
        options: `session`, `interval`, `concurrency` of this batch alone.

    Raises:
        Permanent: something that was named is not there.
        MedialiftError: Jellyfin is away.
    """
    kind, chosen = image_kind(image or settings.image), _options(options)
    entries, server = asyncio.run(_found(settings, selection))
    wanted = enlisting.downloads(entries, selection.ids, kind, replace=replace)
    told = {**selection.to_dict(), **({"replace": True} if replace else {})}
    return Plan("download", kind, tuple(wanted), server, told, chosen)


def upload(
    settings: PostersSettings,
    *,
    folder: Path | None = None,
    ids: Sequence[str] = (),
    image: str = "",
    options: Mapping[str, Any] | None = None,
) -> Plan:
    """A folder's pictures in the place of the server's.

    Args:
        folder: of pictures whose names end in `[ID]`; None: `upload` in the folder of posters.
        ids: only those of these items.

    Raises:
        Permanent: there is none; a named id has no picture there.
        MedialiftError: Jellyfin is away.
    """
    kind, chosen = image_kind(image or settings.image), _options(options)
    place = (folder or settings.folder / UPLOAD).absolute()
    there = enlisting.files(place)
    if ids:
        named = dict.fromkeys(map(item_id, ids))
        if missing := [one for one in named if one not in there.of]:
            raise Permanent("There is no picture of these items", ", ".join(missing[:20]), f"Look at {place}")
        there = enlisting.Files({one: there.of[one] for one in named}, {})
    if not there.of:
        raise Permanent("There is no picture to upload", str(place), "Names end in the id: `Name [ID].jpg`")
    entries, server = asyncio.run(_found(settings, Selection(ids=tuple(there.of))))
    wanted = enlisting.uploads(there, entries, kind)
    told = {"folder": str(place), "ids_count": len(wanted)}
    return Plan("upload", kind, tuple(wanted), server, told, chosen, there.left)


def server(settings: PostersSettings) -> Server:
    """Who Jellyfin is, for `restore`."""

    async def ask(jellyfin: Jellyfin) -> Server:
        return await jellyfin.server()

    return asyncio.run(_asking(settings, ask))


def restore(
    connection: Connection,
    settings: PostersSettings,
    server: Server,
    *,
    batch: int | None = None,
    ids: Sequence[str] = (),
    every: bool = False,
    which: Which = "first",
    image: str = "",
    options: Mapping[str, Any] | None = None,
) -> Plan:
    """What was replaced, back.

    Args:
        batch: what this one replaced.
        ids, every: what was kept of these items, or of all: the first that was ever replaced, or the last.

    Raises:
        Permanent: not just one of the three is given, or nothing was kept.
    """
    if sum(map(bool, (batch, ids, every))) != 1:
        raise Permanent("Name a batch, or items, or say all", "", "Just one of them")
    chosen = _options(options)
    if batch is not None:
        kind, wanted = enlisting.undo(connection, settings.collection, batch)
        return Plan("restore", kind, tuple(wanted), server, {"batch": batch}, chosen)
    kind = image_kind(image or settings.image)
    named = None if every else list(dict.fromkeys(map(item_id, ids)))
    wanted = enlisting.kept(connection, settings.collection, kind, named, which)
    told = {"which": which, "ids_count": len(wanted)}
    return Plan("restore", kind, tuple(wanted), server, told, chosen)


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
