"""HTTP for the stand-in: requests in, a reply out, faults in between. It knows no word of Plex's library."""

from __future__ import annotations

import socket
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """One request. `query` holds the last value of each name, `pairs` all of them in order."""

    method: str
    path: str
    pairs: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    client: str
    body: bytes = b""

    @property
    def query(self) -> dict[str, str]:
        return dict(self.pairs)

    def value(self, name: str) -> str:
        """A parameter from the query or, as Plex takes them, from a header of the same name."""
        return self.query.get(name) or self.headers.get(name.lower(), "")


@dataclass(frozen=True)
class Reply:
    """What is answered."""

    status: int = 200
    body: bytes = b""
    type: str = "text/xml;charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


def xml(element: ET.Element, status: int = 200) -> Reply:
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(element, encoding="unicode") + "\n"
    return Reply(status, text.encode("utf-8", "replace"))


def html(status: int, title: str, text: str = "") -> Reply:
    """An error page as Plex sends it: HTML, whatever the client asked for."""
    page = f"<html><head><title>{title}</title></head><body><h1>{status} {title}</h1>{text}</body></html>"
    return Reply(status, page.encode(), "text/html")


class Listener(ThreadingHTTPServer):
    """Serves one function from Request to Reply; None closes the connection without an answer."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], answer: Callable[[Request], Reply | None], name: str = "Plex"
    ) -> None:
        self.answer = answer
        self.name = name
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no fault of ours; anything else is shown."""
        import sys

        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Listener

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(
            self.command,
            parts.path,
            tuple(parse_qsl(parts.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            self.client_address[0],
            self.rfile.read(length) if length else b"",
        )
        reply = self.server.answer(request)
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {"Content-Type": reply.type, **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = _serve

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: their addresses carry tokens."""
