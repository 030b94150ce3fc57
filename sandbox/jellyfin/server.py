"""The few addresses of Jellyfin's API that matter here, as api.jellyfin.org and its controllers have them.

GET  /health, /System/Info/Public, /System/Ping   it is there; no key is needed
GET  /System/Info                                 401 without a key
GET  /Library/MediaFolders                        the libraries
POST /Library/Refresh                             204 at once
GET  /Items                                       items, by ParentId, SearchTerm, IncludeItemTypes, Ids
                                                  (without libraries: what the last refresh found)
GET|HEAD    /Items/ID/Images/KIND                 no key is needed
POST|DELETE /Items/ID/Images/KIND                 204; base64 in, a key of an administrator

The key is taken from `Authorization: MediaBrowser Token="…"` and `?ApiKey=`. The older ways are off unless
`legacy` says otherwise, as they are by the real server's default. What is wrong with it: `faults.py`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from pathlib import Path
from threading import Event
from typing import Any

from sandbox.bookservers import BookServer, as_json, text
from sandbox.jellyfin import API_KEY
from sandbox.jellyfin.faults import Fault, Faults, damaged
from sandbox.jellyfin.media import Media, new_id, type_of
from sandbox.plex.web import Reply, Request

_IMAGE = re.compile(r"/Items/([^/]+)/Images/([A-Za-z]+)")
_GUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_KINDS = ("Primary", "Backdrop", "Logo", "Thumb", "Banner", "Art", "Disc", "Box")


class Jellyfin(BookServer):
    """The server, with one folder of audiobooks, or libraries with pictures.

    Args:
        legacy: the older ways to give a key are taken too.
        name: another name makes it another server, with another id.
    """

    def __init__(
        self,
        library: Path | None = None,
        *,
        media: Media | None = None,
        legacy: bool = False,
        name: str = "sandbox",
    ) -> None:
        self.library, self.legacy, self.name = library, legacy, name
        self.media, self.faults = media or Media(), Faults()
        self.found: list[Path] = []
        self.key = API_KEY
        self._closed = Event()
        super().__init__(self._api)

    def close(self) -> None:
        self._closed.set()
        super().close()

    def answer(self, request: Request) -> Reply | None:
        if request.path == "/sandbox/faults":
            told = json.loads(request.body)["faults"] if request.method == "PUT" else []
            self.faults.set(*(Fault(**one) for one in told))
            return as_json({})
        reply = super().answer(request)
        return None if reply is HANG_UP else reply

    def _api(self, request: Request) -> Reply:
        fault = self.faults.take(request.method, request.path)
        if fault is None:
            return self._answer(request)
        return self._wrong(fault, request)

    def _wrong(self, fault: Fault, request: Request) -> Reply:
        if fault.kind == "status":
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            return Reply(fault.status, b"Error processing request.", "text/plain", headers)
        if fault.kind in ("slow", "stored_late"):
            self._closed.wait(fault.seconds)
        if fault.kind == "reset":
            return HANG_UP
        if fault.kind == "html":
            return Reply(200, b"<html><body>Please log in</body></html>", "text/html")
        answered = self._answer(request)
        if fault.kind in ("stored_silently", "stored_late"):
            return HANG_UP
        if fault.kind == "corrupt":
            return Reply(answered.status, damaged(answered.body), answered.type, answered.headers)
        if fault.kind == "truncated":
            return Reply(answered.status, answered.body[: len(answered.body) * 2 // 3], answered.type)
        return answered

    def _answer(self, request: Request) -> Reply:
        if request.path == "/health":
            return text("Healthy")
        if request.path == "/System/Ping":
            return text('"Jellyfin Server"')
        if request.path == "/System/Info/Public":
            about = {"ServerName": self.name, "Version": "10.11.0", "ProductName": "Jellyfin Server"}
            return as_json({**about, "Id": new_id(f"server {self.name}")})
        if (named := _IMAGE.fullmatch(request.path)) is not None:
            return self._image(request, named[1], named[2])
        if not self._let_in(request):
            return Reply(401)
        if (request.method, request.path) == ("POST", "/Library/Refresh"):
            self.found = sorted(self.library.rglob("*.m4b")) if self.library else []
            return Reply(204)
        if request.method != "GET":
            return Reply(404)
        if request.path == "/System/Info":
            return as_json(
                {"ServerName": self.name, "Version": "10.11.0", "Id": new_id(f"server {self.name}")}
            )
        if request.path == "/Library/MediaFolders":
            folders = [
                {"Id": id, "Name": name, "CollectionType": kind, "Type": "CollectionFolder"}
                for id, (name, kind) in self.media.libraries.items()
            ]
            return as_json({"Items": folders, "TotalRecordCount": len(folders)})
        if request.path == "/Items":
            return self._items(request)
        return Reply(404)

    def _items(self, request: Request) -> Reply:
        if not self.media.libraries:
            items = [{"Name": file.stem, "Path": str(file), "Type": "AudioBook"} for file in self.found]
            return as_json({"Items": items, "TotalRecordCount": len(items)})
        asked = {name.lower(): value for name, value in request.query.items()}
        ids = [one for one in asked.get("ids", "").split(",") if one]
        if not all(map(_GUID.fullmatch, [*ids, *filter(None, [asked.get("parentid", "")])])):
            return text("The value is not valid.", 400)
        kinds = [one for one in asked.get("includeitemtypes", "").split(",") if one]
        found = [
            one
            for one in sorted(self.media.items.values(), key=lambda one: (one.name, one.id))
            if (not ids or one.id in ids)
            and (not kinds or one.kind in kinds)
            and asked.get("parentid", "") in ("", one.library)
            and asked.get("searchterm", "").lower() in one.name.lower()
        ]
        start, limit = int(asked.get("startindex", 0)), int(asked.get("limit", len(found) or 1))
        page: list[dict[str, Any]] = [one.to_dict() for one in found[start : start + limit]]
        return as_json({"Items": page, "TotalRecordCount": len(found), "StartIndex": start})

    def _image(self, request: Request, id: str, kind: str) -> Reply:
        if not _GUID.fullmatch(id) or kind not in _KINDS:
            return text("The value is not valid.", 400)
        item = self.media.items.get(id.replace("-", "").lower())
        if request.method in ("GET", "HEAD"):
            body = item.images.get(kind) if item else None
            return Reply(200, body, type_of(body)) if body is not None else Reply(404)
        if not self._let_in(request):
            return Reply(401)
        if item is None:
            return Reply(404)
        if request.method == "DELETE":
            with self.media.lock:
                item.images.pop(kind, None)
            return Reply(204)
        if not request.headers.get("content-type", "").startswith("image/"):
            return text("Incorrect ContentType.", 400)
        try:
            body = base64.b64decode(request.body, validate=True)
        except binascii.Error:
            return text("Error processing request.", 500)
        with self.media.lock:
            item.images[kind] = body
        return Reply(204)

    def _let_in(self, request: Request) -> bool:
        return key(request, legacy=self.legacy) == self.key


HANG_UP = Reply(0)
"""No answer at all."""


def key(request: Request, *, legacy: bool = True) -> str:
    """The key that came with a request, in any of the forms that the real server takes."""
    named = re.search(r'^MediaBrowser .*Token="([^"]*)"', request.headers.get("authorization", ""))
    given = named[1] if named else request.query.get("ApiKey", "")
    if given or not legacy:
        return given
    older = request.headers.get("x-emby-token", "") or request.headers.get("x-mediabrowser-token", "")
    return older or request.query.get("api_key", "")
