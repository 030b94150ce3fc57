"""The stand-in's own port, for tests: what it is doing, and the switches that make it fail."""

from __future__ import annotations

import json

from sandbox.plex.server import MediaServer
from sandbox.plex.web import Reply, Request


class Control:
    """GET /state, GET|PUT|DELETE /switches; PUT takes a JSON object with the switches to change."""

    def __init__(self, server: MediaServer) -> None:
        self.server = server

    def answer(self, request: Request) -> Reply:
        server = self.server
        if (request.method, request.path) == ("GET", "/state"):
            return _json(
                {
                    "version": server.version,
                    "claimed": server.preferences.claimed,
                    "activities": [row.type for row in server.activities.rows()],
                    "butler": server.butler.running(),
                    "malformed": server.malformed,
                }
            )
        if request.path != "/switches" or request.method not in ("GET", "PUT", "DELETE"):
            return _json({"error": "There are GET /state and GET, PUT, DELETE /switches."}, 404)
        if request.method == "DELETE":
            server.switches.reset()
        if request.method == "PUT":
            try:
                server.switches.set(json.loads(request.body))
            except (ValueError, KeyError) as wrong:
                return _json({"error": str(wrong)}, 400)
            if server.switches["malformed_database"]:
                server.spoil_database()
        return _json(server.switches.values)


def _json(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode() + b"\n", "application/json")
