"""Which items a person means: of libraries, by a search, or by their ids."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from medialift.errors import Permanent
from medialift.posters.jellyfin import IDS_AT_ONCE, PAGE, Entry, Jellyfin, Library
from medialift.posters.names import item_id

KINDS = ("Movie", "Series", "Season", "BoxSet", "MusicAlbum", "MusicArtist", "Book", "AudioBook")
"""Kinds of items that have posters. Episodes and songs are left out unless they are named: they are many."""
_LONGEST = 200
_MOST = 1_000_000


@dataclass(frozen=True)
class Selection:
    """A choice. Without libraries, ids and a search it is everything.

    Attributes:
        libraries: their names or ids.
        kinds: Jellyfin's own words for kinds of items.
    """

    libraries: tuple[str, ...] = ()
    search: str = ""
    ids: tuple[str, ...] = ()
    kinds: tuple[str, ...] = KINDS

    @classmethod
    def of(
        cls,
        *,
        libraries: Sequence[str] = (),
        search: str = "",
        ids: Sequence[str] = (),
        kinds: Sequence[str] = (),
    ) -> Selection:
        """A choice from what somebody wrote.

        Raises:
            Permanent: an id is none, or something cannot be asked for.
        """
        if len(search) > _LONGEST or not search.isprintable():
            raise Permanent("This cannot be searched for", search[:80], "Write some letters of the title")
        if ids and (libraries or search):
            raise Permanent("Both ids and a search are given", "", "Give either")
        for one in kinds:
            if not one.isalpha() or not one.isascii():
                raise Permanent("This is no kind of item", one[:80], f"There are: {', '.join(KINDS)}")
        return cls(
            tuple(dict.fromkeys(libraries)),
            search.strip(),
            tuple(dict.fromkeys(map(item_id, ids))),
            tuple(kinds) or KINDS,
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON; a long list of ids is only counted."""
        told: dict[str, Any] = {
            "libraries": list(self.libraries),
            "search": self.search,
            "kinds": [] if self.kinds == KINDS else list(self.kinds),
            "ids": list(self.ids[:20]),
            "ids_count": len(self.ids),
        }
        return {name: value for name, value in told.items() if value}


async def found(jellyfin: Jellyfin, wanted: Selection) -> list[Entry]:
    """The items, each once, in the order of the server. Ids that it does not know are not among them.

    Raises:
        Permanent: there is no such library.
        MedialiftError: as the client does.
    """
    entries: dict[str, Entry] = {}
    async for page in _pages(jellyfin, wanted):
        for one in page:
            if one.id:
                entries.setdefault(one.id, one)
        if len(entries) > _MOST:
            raise Permanent("These are too many items", f"more than {_MOST}", "Name a library")
    return list(entries.values())


async def _pages(jellyfin: Jellyfin, wanted: Selection) -> AsyncIterator[Sequence[Entry]]:
    if wanted.ids:
        for begin in range(0, len(wanted.ids), IDS_AT_ONCE):
            ids = wanted.ids[begin : begin + IDS_AT_ONCE]
            yield (await jellyfin.page(ids=ids, limit=len(ids))).entries
        return
    libraries = await chosen(jellyfin, wanted.libraries) if wanted.libraries else [None]
    for library in libraries:
        start, total = 0, 1
        while start < total:
            page = await jellyfin.page(
                start=start,
                limit=PAGE,
                library=library.id if library else "",
                search=wanted.search,
                kinds=wanted.kinds,
            )
            yield page.entries
            if not page.entries:
                break  # it says that there are more, and has none
            start, total = start + len(page.entries), page.total


async def chosen(jellyfin: Jellyfin, names: Sequence[str]) -> list[Library]:
    """Libraries by name or id.

    Raises:
        Permanent: there is none of this name, or there are several.
    """
    there = await jellyfin.libraries()
    picked = []
    for name in names:
        fits = [one for one in there if name in (one.id, one.name)] or [
            one for one in there if one.name.casefold() == name.casefold()
        ]
        if len(fits) != 1:
            raise Permanent(
                "There is no such library" if not fits else "Several libraries have this name",
                name[:100],
                f"There are: {', '.join(one.name for one in there)}" if not fits else "Give its id",
            )
        picked.append(fits[0])
    return picked
