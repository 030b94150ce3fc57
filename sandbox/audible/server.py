"""The stand-in's HTTP server.

GET    /TLD/1.0/catalog/products?title=&author=&keywords=   Audible's search in a shop (TLD: com, co.uk, de)
GET    /TLD/1.0/catalog/products/ASIN      a book; of one that the shop does not have: its ASIN alone
GET    /audnexus/books/ASIN?region=        Audnexus's book; 404 when it has none
GET    /audnexus/books/ASIN/chapters       its chapters; 404 when it has none
GET    /images/I/NAME._SL500_.jpg          a cover; without ._SL500_ as it was uploaded
PUT    /sandbox/books      [{"asin": …, "title": …, …}, …]: these editions too, by their ASIN
PUT    /sandbox/habits     {"service": "audible"|"audnexus"|"chapters"|"images", "next": [habit, …],
                            "usual": habit, "limit": requests a minute (0: none)}
GET    /sandbox/requests   the requests so far: {"service", "path", "query", "authorized"}, never a token
DELETE /sandbox            as at the beginning
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.audible.editions import ENDINGS, USUAL, Edition, found, load
from sandbox.audible.habits import HABITS, RATE_LIMIT, Habit
from sandbox.audible.pictures import jpeg, png

SERVICES = ("audible", "audnexus", "chapters", "images")
_PRODUCTS = re.compile(r"/(?P<tld>[a-z.]+)/1\.0/catalog/products(?:/(?P<asin>[^/]+))?")
_BOOK = re.compile(r"/audnexus/books/(?P<asin>[^/]+)(?P<chapters>/chapters)?")
_PICTURE = re.compile(r"/images/I/(?P<asin>[a-z0-9]+)(?:\._SL(?P<edge>\d+)_)?\.(?P<ending>jpg|png)")
_MOST = 50


@dataclass(frozen=True)
class Asked:
    """A request as it came. `key` is a digest of the token that came with it, "" when none did."""

    service: str
    path: str
    query: Mapping[str, str]
    key: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "path": self.path,
            "query": dict(self.query),
            "authorized": bool(self.key),
        }


@dataclass
class _Service:
    next: deque[Habit] = field(default_factory=deque)
    usual: Habit = HABITS["well"]
    limit: int = 0
    times: deque[float] = field(default_factory=deque)


class StandIn:
    """Both services and the images: the books that they have, and how they behave."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.lifted = Event()
        """Ends the waits of all that think or drip."""
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._editions = {one.asin: one for one in USUAL}
            self._services = {name: _Service() for name in SERVICES}
            self.requests: list[Asked] = []

    def add(self, *editions: Edition) -> None:
        """Have these too; one of the same ASIN takes the place of the older one."""
        with self._lock:
            self._editions.update({one.asin: one for one in editions})

    def behave(
        self,
        service: str,
        *habits: str | Mapping[str, Any],
        usual: str | Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> None:
        """Let a service answer so next, in this order; after that as `usual`.

        Raises:
            ValueError: there is no such service or habit.
        """
        if service not in SERVICES:
            raise ValueError(f"no such service: {service}")
        told = deque(Habit.of(one) for one in habits)
        after = Habit.of(usual) if usual is not None else None
        with self._lock:
            of = self._services[service]
            of.next = told
            of.usual = after or of.usual
            of.limit = of.limit if limit is None else limit

    def asked(self, service: str | None = None) -> list[Asked]:
        """The requests so far, of one service or of all."""
        with self._lock:
            return [one for one in self.requests if service in (None, one.service)]

    def habit(self, asked: Asked) -> Habit:
        """How this request is answered; it is remembered."""
        with self._lock:
            self.requests.append(asked)
            service = self._services[asked.service]
            now = time.monotonic()
            while service.times and service.times[0] <= now - 60:
                service.times.popleft()
            service.times.append(now)
            if service.limit and len(service.times) > service.limit:
                return Habit(status=429, body=RATE_LIMIT, headers={"Retry-After": "60"})
            return service.next.popleft() if service.next else service.usual

    def products(self, region: str, query: Mapping[str, str], images: str) -> dict[str, Any]:
        """Audible's answer to a search. What another shop sells is named by its ASIN alone."""
        with self._lock:
            editions = list(self._editions.values())
        hits = found(
            editions,
            title=query.get("title", ""),
            author=query.get("author", ""),
            keywords=query.get("keywords", ""),
        )
        products = [
            _grouped(one.product(images), query) if region in one.regions else {"asin": one.asin}
            for one in hits[: min(int(query.get("num_results", "10")), _MOST)]
        ]
        return {"products": products, "total_results": len(hits), "response_groups": ["always-returned"]}

    def product(self, asin: str, region: str, query: Mapping[str, str], images: str) -> dict[str, Any]:
        edition = self._edition(asin, region)
        told = {"asin": asin} if edition is None else _grouped(edition.product(images), query)
        return {"product": told, "response_groups": ["always-returned"]}

    def book(self, asin: str, region: str, images: str) -> dict[str, Any] | None:
        edition = self._edition(asin, region)
        return edition.audnexus(region, images) if edition is not None and edition.on_audnexus else None

    def chapters(self, asin: str, region: str) -> dict[str, Any] | None:
        edition = self._edition(asin, region)
        return edition.audnexus_chapters(region) if edition is not None and edition.chapters else None

    def picture(self, asin: str, edge: int | None, ending: str) -> bytes | None:
        """A cover of so many pixels; None: as it was uploaded."""
        with self._lock:
            edition = self._editions.get(asin.upper())
        kind = {"jpg": "jpeg", "png": "png"}[ending]
        if edition is None or edition.picture != kind:
            return None
        return jpeg(f"{asin} {edge or 'whole'}") if kind == "jpeg" else png(min(edge or 48, 48))

    def _edition(self, asin: str, region: str) -> Edition | None:
        with self._lock:
            edition = self._editions.get(asin)
        return edition if edition is not None and region in edition.regions else None


def _grouped(product: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    """Without response groups the catalogue tells next to nothing."""
    return product if query.get("response_groups") else {"asin": product["asin"]}


def serve(stand_in: StandIn, host: str = "127.0.0.1", port: int = 0) -> ThreadingHTTPServer:
    """Serve it in a thread. `.server_address` tells the port, `.shutdown()` and `.server_close()` end it."""
    server = _Listener((host, port), _handler(stand_in))
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no fault of ours; anything else is shown."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            if address.path == "/sandbox/requests":
                self._send_json([one.to_dict() for one in stand_in.asked()])
            elif products := _PRODUCTS.fullmatch(address.path):
                self._catalogue(products["tld"], products["asin"], address.path, query)
            elif book := _BOOK.fullmatch(address.path):
                self._audnexus(book["asin"], bool(book["chapters"]), address.path, query)
            elif picture := _PICTURE.fullmatch(address.path):
                edge = int(picture["edge"]) if picture["edge"] else None
                content = stand_in.picture(picture["asin"], edge, picture["ending"])
                self._answer("images", address.path, query, content, f"image/{picture['ending']}")
            else:
                self._send(404, b'{"message":"Not Found"}')

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                if self.path == "/sandbox/books":
                    stand_in.add(*load(body.decode()))
                elif self.path == "/sandbox/habits":
                    _behave(stand_in, json.loads(body))
                else:
                    self._send(404, b"{}")
                    return
            except (ValueError, KeyError, TypeError, AttributeError) as fault:
                self._send(400, json.dumps({"error": str(fault)}).encode())
                return
            self._send_json({})

        def do_DELETE(self) -> None:
            stand_in.reset()
            self._send_json({})

        def _catalogue(self, tld: str, asin: str | None, path: str, query: Mapping[str, str]) -> None:
            region = ENDINGS.get(tld)
            if region is None:
                self._send(404, b'{"message":"Not Found"}')
            elif asin:
                self._answer("audible", path, query, stand_in.product(asin, region, query, self._images))
            else:
                self._answer("audible", path, query, stand_in.products(region, query, self._images))

        def _audnexus(self, asin: str, chapters: bool, path: str, query: Mapping[str, str]) -> None:
            region = query.get("region", "us")
            if chapters:
                self._answer("chapters", path, query, stand_in.chapters(asin, region))
            else:
                self._answer("audnexus", path, query, stand_in.book(asin, region, self._images))

        @property
        def _images(self) -> str:
            return f"http://{self.headers.get('Host', '127.0.0.1')}/images/I"

        def _answer(
            self,
            service: str,
            path: str,
            query: Mapping[str, str],
            content: dict[str, Any] | bytes | None,
            kind: str = "application/json; charset=utf-8",
        ) -> None:
            """Say what the service would, in the way that it is told to."""
            token = self.headers.get("Authorization", "")
            key = hashlib.sha256(token.removeprefix("Bearer ").encode()).hexdigest() if token else ""
            habit = stand_in.habit(Asked(service, path, query, key))
            if habit.seconds and stand_in.lifted.wait(habit.seconds):
                self.close_connection = True
                return
            status = habit.status or (404 if content is None else 200)
            if habit.body is not None:
                body = habit.body.encode()
            elif isinstance(content, bytes):
                body = content
            else:
                told = {"statusCode": 404, "error": "Not Found"} if content is None else content
                body = json.dumps(habit.change(told) if habit.change else told).encode()
            self._say(habit, status, body, kind)

        def _say(self, habit: Habit, status: int, body: bytes, kind: str) -> None:
            if habit.cut == "before":
                self._hang_up()
            elif habit.endless:
                self._head(status, 10**12, kind)
                while not stand_in.lifted.is_set():
                    self.wfile.write(b" " * 65536)
            elif habit.drip_head:
                self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 60_000, habit.drip_head)
            elif habit.drip:
                self._head(status, len(body), kind)
                self._drip(body, habit.drip)
            elif habit.cut == "midway":
                self._head(status, len(body), kind)
                self.wfile.write(body[: len(body) // 2])
                self._hang_up()
            else:
                self._send(status, body, kind, habit.headers)

        def _drip(self, content: bytes, seconds: float) -> None:
            for at in range(len(content)):
                if stand_in.lifted.wait(seconds):
                    break
                self.wfile.write(content[at : at + 1])
                self.wfile.flush()
            self.close_connection = True

        def _hang_up(self) -> None:
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

        def _head(
            self, status: int, length: int, kind: str, headers: Mapping[str, str] | None = None
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()

        def _send(
            self,
            status: int,
            body: bytes,
            kind: str = "application/json; charset=utf-8",
            headers: Mapping[str, str] | None = None,
        ) -> None:
            self._head(status, len(body), kind, headers)
            self.wfile.write(body)

        def _send_json(self, value: Any) -> None:
            self._send(200, json.dumps(value).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not logged: their headers hold a token."""

    return Handler


def _behave(stand_in: StandIn, told: Mapping[str, Any]) -> None:
    habits: Sequence[str | Mapping[str, Any]] = told.get("next", [])
    stand_in.behave(told["service"], *habits, usual=told.get("usual"), limit=told.get("limit"))
