"""Some pictures of a library, fetched and looked at: whether it is one item that is wrong, or all of them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from medialift.errors import MedialiftError
from medialift.foundation.token import read_token
from medialift.posters import picture
from medialift.posters.jellyfin import Entry, Jellyfin
from medialift.posters.line import connect
from medialift.posters.tempo import Tempo
from medialift.settings import PostersSettings

MOST = 10
SECONDS = 20.0


@dataclass(frozen=True)
class Tried:
    """One picture: of which item, in how many seconds, and what it is or what is wrong."""

    id: str
    title: str
    ok: bool
    detail: str
    seconds: float


def sample(
    settings: PostersSettings, *, library: str = "", count: int = 5, random: Random | None = None
) -> dict[str, Any]:
    """{ok, of, items: [{id, title, ok, detail, seconds}]}: items of a library, chosen by chance.

    It ends within `SECONDS`; what was not fetched by then says so.

    Args:
        library: its id; "": all libraries.

    Raises:
        MedialiftError: Jellyfin cannot be asked for its items.
    """
    chance = random or Random()  # noqa: S311  it chooses, and guards nothing
    return asyncio.run(_sample(settings, library, min(count, MOST), chance))


async def _sample(settings: PostersSettings, library: str, count: int, chance: Random) -> dict[str, Any]:
    tempo = Tempo(0.0, asyncio.Event())
    async with connect(settings, read_token(settings.key_file), tempo, "shared") as jellyfin:
        total = (await jellyfin.page(library=library, limit=1)).total
        places = sorted(chance.sample(range(total), min(count, total)))
        entries: list[Entry] = []
        for place in places:
            entries += (await jellyfin.page(library=library, start=place, limit=1)).entries
        until = time.monotonic() + SECONDS
        tried = [await _tried(jellyfin, one, settings.image, until) for one in entries]
    return {"ok": all(one.ok for one in tried), "of": total, "items": [asdict(one) for one in tried]}


async def _tried(jellyfin: Jellyfin, one: Entry, image: str, until: float) -> Tried:
    began = time.monotonic()
    if image not in one.tags:
        return Tried(one.id, one.title, False, f"Jellyfin has no {image} of it", 0.0)
    ok = False
    try:
        async with asyncio.timeout(max(0.0, until - began)):
            body = await jellyfin.picture(one.id, image)
        found = await asyncio.to_thread(picture.examine_bytes, body)
        ok, detail = True, f"{found.format}, {found.width}×{found.height}, {found.size} bytes"
    except TimeoutError:
        detail = f"Not fetched within {SECONDS:g} s"
    except MedialiftError as error:
        detail = f"{error.what}: {error.subject}" if error.subject else error.what
    return Tried(one.id, one.title, ok, detail, round(time.monotonic() - began, 3))
