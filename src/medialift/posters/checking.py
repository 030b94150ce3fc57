"""What is wrong with the way to Jellyfin: asked step by step, so that the first that fails says why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from medialift.errors import MedialiftError, Permanent
from medialift.foundation.token import read_token
from medialift.posters import picture
from medialift.posters.folder import Folder
from medialift.posters.jellyfin import Jellyfin
from medialift.posters.line import connect
from medialift.posters.names import image_kind, item_id
from medialift.posters.tempo import Tempo
from medialift.settings import PostersSettings


@dataclass(frozen=True)
class Step:
    """One thing that was looked at: in how many seconds, and what was found or what is wrong."""

    name: str
    ok: bool
    detail: str
    hint: str = ""
    seconds: float = 0.0


def connection(settings: PostersSettings) -> dict[str, Any]:
    """{ok, url, steps: [{name, ok, detail, hint, seconds}]}: address, key, libraries, folder, programs.

    A step whose question makes no sense after one that failed is not among them.
    """
    return asyncio.run(_connection(settings))


def item(settings: PostersSettings, id: str, image: str = "") -> dict[str, Any]:
    """{ok, id, image, steps}: whether Jellyfin knows an item, and whether its picture is whole.

    Raises:
        Permanent: it is no id, or no kind of picture.
    """
    return asyncio.run(_item(settings, item_id(id), image_kind(image or settings.image)))


async def _connection(settings: PostersSettings) -> dict[str, Any]:
    steps: list[Step] = []
    async with _client(settings) as jellyfin:

        async def answers() -> str:
            server = await jellyfin.server()
            return f"{server.name}, version {server.version}"

        async def key() -> str:
            if settings.key_file is None:
                return "none is set: only downloads by id can work"
            await jellyfin.check_key()
            return "it is taken"

        async def libraries() -> str:
            return ", ".join(f"{one.name} ({one.kind or 'mixed'})" for one in await jellyfin.libraries())

        for name, ask in (("address", answers), ("key", key), ("libraries", libraries)):
            if not await _step(steps, name, ask):
                break

    def folder() -> str:
        Folder(settings.folder).check()
        return str(settings.folder)

    await _step(steps, "folder", _in_thread(folder))
    await _step(steps, "ffprobe", _in_thread(picture.program))
    return _told(steps, url=settings.url)


async def _item(settings: PostersSettings, id: str, image: str) -> dict[str, Any]:
    steps: list[Step] = []
    async with _client(settings) as jellyfin:

        async def known() -> str:
            page = await jellyfin.page(ids=[id], limit=1)
            if not page.entries:
                raise Permanent("Jellyfin does not know this id", id, "Rescan the library")
            one = page.entries[0]
            return f"{one.kind} {one.title}; pictures: {', '.join(sorted(one.tags)) or 'none'}"

        async def fetched() -> str:
            body = await jellyfin.picture(id, image)
            found = await asyncio.to_thread(picture.examine_bytes, body)
            return f"{found.format}, {found.width}×{found.height}, {found.size} bytes"

        await _step(steps, "item", known)
        await _step(steps, "picture", fetched)
    return _told(steps, id=id, image=image)


def _client(settings: PostersSettings) -> Jellyfin:
    return connect(settings, read_token(settings.key_file), Tempo(0.0, asyncio.Event()), "shared")


def _in_thread(work: Callable[[], str]) -> Callable[[], Awaitable[str]]:
    return lambda: asyncio.to_thread(work)


async def _step(steps: list[Step], name: str, ask: Callable[[], Awaitable[str]]) -> bool:
    began = time.monotonic()
    try:
        said, ok, hint = await ask(), True, ""
    except MedialiftError as error:
        said, ok, hint = f"{error.what}: {error.subject}" if error.subject else error.what, False, error.hint
    steps.append(Step(name, ok, said, hint, round(time.monotonic() - began, 3)))
    return ok


def _told(steps: list[Step], **more: Any) -> dict[str, Any]:
    return {"ok": all(one.ok for one in steps), **more, "steps": [asdict(one) for one in steps]}
