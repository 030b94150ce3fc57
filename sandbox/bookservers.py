"""What the stand-ins for Audiobookshelf and Jellyfin share: calls that are kept, and troubles on demand.

PUT    /sandbox/trouble   {"status": 503, "times": 2, "seconds": 0.5, "hang_up": true}: for the next calls
DELETE /sandbox/trouble   as at the beginning, calls forgotten
GET    /sandbox/calls     the calls so far, without their tokens
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any

from sandbox.plex.web import Listener, Reply, Request


@dataclass(frozen=True)
class Call:
    """One request that came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def to_dict(self) -> dict[str, Any]:
        return {"method": self.method, "path": self.path, "query": dict(self.query), "size": len(self.body)}


class BookServer:
    """A server by its `answers`; what it was asked, and what is wrong with it."""

    def __init__(self, answers: Callable[[Request], Reply]) -> None:
        self._answers = answers
        self._lock = Lock()
        self._lifted = Event()
        self.reset()

    def reset(self) -> None:
        """As at the beginning."""
        with self._lock:
            self.calls: list[Call] = []
            self._trouble: dict[str, Any] = {}

    def trouble(
        self, *, status: int = 0, times: int = 10**9, seconds: float = 0.0, hang_up: bool = False
    ) -> None:
        """For the next `times` calls: answer with a status, late, or not at all."""
        with self._lock:
            self._trouble = {"status": status, "times": times, "seconds": seconds, "hang_up": hang_up}

    def answer(self, request: Request) -> Reply | None:
        """One reply; None hangs up."""
        if request.path.startswith("/sandbox/"):
            return self._steered(request)
        with self._lock:
            self.calls.append(
                Call(request.method, request.path, request.query, request.headers, request.body)
            )
            trouble = dict(self._trouble) if self._trouble.get("times", 0) > 0 else {}
            if trouble:
                self._trouble["times"] -= 1
        if trouble.get("seconds"):
            self._lifted.wait(trouble["seconds"])
        if trouble.get("hang_up"):
            return None
        return text("Trouble", trouble["status"]) if trouble.get("status") else self._answers(request)

    def close(self) -> None:
        """End the waits of all that answer late."""
        self._lifted.set()

    def _steered(self, request: Request) -> Reply:
        if request.path == "/sandbox/calls":
            return as_json([call.to_dict() for call in self.calls])
        if request.method == "PUT":
            self.trouble(**json.loads(request.body))
        elif request.method == "DELETE":
            self.reset()
        return as_json({})


def as_json(value: Any, status: int = 200) -> Reply:
    """A reply of JSON."""
    return Reply(status, json.dumps(value).encode(), "application/json; charset=utf-8")


def text(value: str, status: int = 200) -> Reply:
    """A reply of plain text."""
    return Reply(status, value.encode(), "text/plain; charset=utf-8")


@contextmanager
def served(server: BookServer, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve it for the length of a block; its address."""
    listener = Listener((host, port), server.answer, "book server")
    Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://{host}:{listener.server_address[1]}"
    finally:
        server.close()
        listener.shutdown()
        listener.server_close()


def serve_until_told(server: BookServer, host: str, port: int) -> None:
    """Serve it until SIGTERM or SIGINT comes."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with served(server, host, port):
        stop.wait()
