"""The few addresses of Jellyfin's API that matter here, as api.jellyfin.org describes them.

GET  /health, /System/Info/Public   it is there
POST /Library/Refresh               204 at once; 401 without a key
GET  /Items                         {"Items": [{"Name", "Path"}], …}: what the last refresh found
"""

from __future__ import annotations

import re
from pathlib import Path

from sandbox.bookservers import BookServer, as_json, text
from sandbox.jellyfin import API_KEY
from sandbox.plex.web import Reply, Request


class Jellyfin(BookServer):
    """The server, with one folder of audiobooks."""

    def __init__(self, library: Path) -> None:
        self.library = library
        self.found: list[Path] = []
        super().__init__(self._api)

    def _api(self, request: Request) -> Reply:
        if request.path == "/health":
            return text("Healthy")
        if request.path == "/System/Info/Public":
            return as_json({"ServerName": "sandbox", "Version": "10.11.0", "ProductName": "Jellyfin Server"})
        if key(request) != API_KEY:
            return Reply(401)
        if (request.method, request.path) == ("POST", "/Library/Refresh"):
            self.found = sorted(self.library.rglob("*.m4b"))
            return Reply(204)
        if (request.method, request.path) == ("GET", "/Items"):
            items = [{"Name": file.stem, "Path": str(file), "Type": "AudioBook"} for file in self.found]
            return as_json({"Items": items, "TotalRecordCount": len(items)})
        return Reply(404)


def key(request: Request) -> str:
    """The key that came with a request, in any of the forms that the real server takes."""
    named = re.search(r'Token="([^"]*)"', request.headers.get("authorization", ""))
    return named[1] if named else request.headers.get("x-emby-token", "") or request.query.get("api_key", "")
