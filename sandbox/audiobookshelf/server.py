"""The few addresses of Audiobookshelf's API that matter here, as api.audiobookshelf.org describes them.

GET  /ping, /healthcheck            it is there
GET  /api/libraries                 {"libraries": [{"id", "name", "mediaType", "folders": [{"fullPath"}]}]}
POST /api/libraries/ID/scan         "OK" at once; only an administrator's token may (403 otherwise)
GET  /api/libraries/ID/items        {"results": [...]}: what the last scan found
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mutagen
from mutagen.mp4 import MP4

from sandbox.audiobookshelf import TOKEN, USER_TOKEN
from sandbox.bookservers import BookServer, as_json, text
from sandbox.plex.web import Reply, Request

_AUDIO = frozenset({".m4b", ".m4a", ".mp3", ".flac", ".ogg", ".opus"})


class Audiobookshelf(BookServer):
    """The server, with libraries by their ids."""

    def __init__(self, libraries: Mapping[str, Path]) -> None:
        self.libraries = dict(libraries)
        self.found: dict[str, list[dict[str, Any]]] = {}
        super().__init__(self._api)

    def _api(self, request: Request) -> Reply:
        if request.path in ("/ping", "/healthcheck"):
            return as_json({"success": True})
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in (TOKEN, USER_TOKEN):
            return text("Unauthorized", 401)
        if (request.method, request.path) == ("GET", "/api/libraries"):
            return as_json({"libraries": [_library(name, folder) for name, folder in self.libraries.items()]})
        named = re.fullmatch(r"/api/libraries/([^/]+)/(scan|items)", request.path)
        if named is None or named[1] not in self.libraries:
            return text("Not Found", 404)
        if (request.method, named[2]) == ("POST", "scan"):
            if token != TOKEN:
                return text("Forbidden", 403)
            self.found[named[1]] = scanned(self.libraries[named[1]])
            return text("OK")
        if (request.method, named[2]) == ("GET", "items"):
            found = self.found.get(named[1], [])
            return as_json({"results": found, "total": len(found), "limit": 0, "page": 0})
        return text("Not Found", 404)


def scanned(root: Path) -> list[dict[str, Any]]:
    """Its books: each folder with audio is one, all files in it its tracks. Names with a dot in front are not
    looked at."""
    found = []
    for folder in sorted({file.parent for file in root.rglob("*") if _is_audio(file, root)}):
        tracks = sorted(file for file in folder.iterdir() if _is_audio(file, root))
        covers: list[str | None] = [
            file.name for file in folder.iterdir() if file.suffix in (".jpg", ".jpeg", ".png", ".webp")
        ]
        metadata = {"title": folder.name, **_tags(tracks[0])}
        found.append(
            {
                "path": str(folder),
                "relPath": folder.relative_to(root).as_posix(),
                "media": {"metadata": metadata, "numTracks": len(tracks), "coverPath": (covers or [None])[0]},
            }
        )
    return found


def _is_audio(file: Path, root: Path) -> bool:
    below = file.relative_to(root)
    return file.suffix.lower() in _AUDIO and not any(part.startswith(".") for part in below.parts)


def _tags(file: Path) -> dict[str, str]:
    """Title, author, series and ASIN, out of the atoms that the real server asks ffprobe for."""
    try:
        tags = MP4(file).tags or {}
    except mutagen.MutagenError:
        return {}
    told = {
        "title": tags.get("\xa9alb") or tags.get("\xa9nam"),
        "authorName": tags.get("aART") or tags.get("\xa9ART"),
        "narratorName": tags.get("\xa9wrt"),
        "seriesName": tags.get("----:com.apple.iTunes:SERIES"),
        "asin": tags.get("----:com.apple.iTunes:ASIN"),
    }
    return {
        name: one[0].decode() if isinstance(one[0], bytes) else str(one[0])
        for name, one in told.items()
        if one
    }


def _library(name: str, folder: Path) -> dict[str, Any]:
    return {"id": name, "name": name, "mediaType": "book", "folders": [{"id": name, "fullPath": str(folder)}]}
