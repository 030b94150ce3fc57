"""Items of Jellyfin with their pictures, in memory: what is uploaded is there as it was sent."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import NAMESPACE_URL, uuid5

_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PN": "image/png", b"RIF": "image/webp", b"GIF": "image/gif"}


def new_id(words: str) -> str:
    """The same id for the same words, as Jellyfin writes them."""
    return uuid5(NAMESPACE_URL, words).hex


def png(words: str, width: int = 40, height: int = 60) -> bytes:
    """A small picture that is another one for other words."""
    shades = hashlib.sha256(words.encode()).digest()
    rows = b"".join(
        b"\0" + bytes(shades[(x + y + channel) % 32] for x in range(width) for channel in range(3))
        for y in range(height)
    )

    def part(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (part(b"IHDR", header), part(b"IDAT", zlib.compress(rows)), part(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@dataclass
class Item:
    """One item; `images` by their kind."""

    id: str
    name: str
    kind: str
    library: str
    year: int | None = None
    images: dict[str, bytes] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        tags = {kind: tag_of(body) for kind, body in self.images.items() if kind != "Backdrop"}
        backdrops = [tag_of(self.images["Backdrop"])] if "Backdrop" in self.images else []
        told = {"Name": self.name, "Id": self.id, "Type": self.kind, "ImageTags": tags}
        years = {"ProductionYear": self.year} if self.year else {}
        return {**told, **years, "BackdropImageTags": backdrops, "ParentId": self.library}


class Media:
    """Libraries and what is in them."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.libraries: dict[str, tuple[str, str]] = {}
        self.items: dict[str, Item] = {}

    def library(self, name: str, kind: str = "movies") -> str:
        """A library; its id."""
        made = new_id(f"library {name}")
        self.libraries[made] = (name, kind)
        return made

    def add(
        self,
        name: str,
        library: str,
        kind: str = "Movie",
        year: int | None = None,
        *,
        picture: bytes | None = b"",
    ) -> str:
        """An item with a poster of its own, another one, or none (None); its id."""
        made = new_id(f"{library} {kind} {name}")
        images = {} if picture is None else {"Primary": picture or png(name)}
        self.items[made] = Item(made, name, kind, library, year, images)
        return made

    def picture(self, id: str, kind: str = "Primary") -> bytes | None:
        """What an item has now."""
        with self.lock:
            return self.items[id].images.get(kind)

    def filled(self, movies: int = 12, series: int = 4) -> Media:
        """Two libraries."""
        films, shows = self.library("Movies"), self.library("Shows", "tvshows")
        for number in range(1, movies + 1):
            self.add(f"Film {number:04}", films, "Movie", 1950 + number % 70)
        for number in range(1, series + 1):
            self.add(f"Series {number:02}", shows, "Series", 1990 + number)
        return self


def tag_of(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def type_of(body: bytes) -> str:
    return _TYPES.get(body[:3], "application/octet-stream")
