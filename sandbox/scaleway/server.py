"""The stand-in's HTTP server: authorises, routes, and strikes with the faults that are switched on."""

from __future__ import annotations

import copy
import functools
import json
import logging
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from sandbox.settings import Settings

from .block import BlockAPI
from .boot import Boot
from .faults import Fault, Faults
from .iam import IamAPI
from .instance import InstanceAPI
from .ips import Addresses
from .lifecycle import Lifecycle
from .marketplace import MarketplaceAPI
from .problems import Problem, too_many_requests
from .state import State
from .web import Reply, Request, Router

_log = logging.getLogger(__name__)

HTML = b"<html><head><title>503 Service Temporarily Unavailable</title></head><body>nginx</body></html>"


class Cut(Exception):
    """Close the connection without an answer."""


class StandIn:
    """The whole API on one state.

    Args:
        folder: where it keeps what it knows.
        boot: what makes machines.
        delay: seconds that a server takes from state to state, beside the time its machine takes.
    """

    def __init__(self, folder: Path, boot: Boot, *, delay: float, settings: Settings | None = None) -> None:
        self.state = State(folder)
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        self._lifecycle = Lifecycle(self.state, boot, delay)
        self._iam = IamAPI(self.state)
        self._router = Router()
        addresses = Addresses(settings or Settings.load())
        InstanceAPI(self.state, self._lifecycle, self.faults, addresses).route(self._router)
        BlockAPI(self.state).route(self._router)
        MarketplaceAPI().route(self._router)
        self._iam.route(self._router)
        self._route_control()
        self._lifecycle.resume()

    def answer(self, request: Request) -> Reply:
        """The reply to one request. Raises Cut when the connection is to be closed instead."""
        if request.path.startswith("/_sandbox/"):
            return self._handle(request)
        self.requests[f"{request.method} {request.path}"] += 1
        fault = self.faults.on_wire(f"{request.method} {request.path}")
        if fault is not None:
            struck = self._strike(fault, request)
            if struck is not None:
                return struck
        try:
            self._iam.authorise(request)
            return self._handle(request)
        except Problem as problem:
            return Reply(problem.status, problem.body)

    def _handle(self, request: Request) -> Reply:
        try:
            handler, names = self._router.find(request)
            # One request at a time, and a copy of the answer: rows change while it is being written.
            with self.state.open():
                return copy.deepcopy(handler(request, **names))
        except Problem as problem:
            return Reply(problem.status, problem.body)

    def _strike(self, fault: Fault, request: Request) -> Reply | None:
        """What a fault answers; None when the request goes on after it."""
        if fault.kind == "rate_limit":
            return Reply(429, too_many_requests().body, {"Retry-After": f"{fault.seconds:g}"})
        if fault.kind in ("error", "not_json"):
            status = fault.status if fault.kind == "error" else 200
            return Reply(status, HTML, {"Content-Type": "text/html"})
        if fault.kind == "silent":
            fault.lifted.wait(timeout=600)
            raise Cut
        if fault.kind == "cut":
            self._iam.authorise(request)
            self._handle(request)
            raise Cut
        time.sleep(fault.seconds)
        return None

    def _route_control(self) -> None:
        def add(request: Request) -> Reply:
            return Reply(201, self.faults.add(request.json()).to_dict())

        def listed(request: Request) -> Reply:
            return Reply(200, {"faults": self.faults.list()})

        def clear(request: Request) -> Reply:
            self.faults.clear()
            return Reply(204)

        def counted(request: Request) -> Reply:
            return Reply(200, {"requests": dict(self.requests)})

        def inventory(request: Request) -> Reply:
            with self.state.open() as tables:
                return Reply(200, {name: len(rows) for name, rows in tables.items()})

        self._router.add("POST", "/_sandbox/faults", add)
        self._router.add("GET", "/_sandbox/faults", listed)
        self._router.add("DELETE", "/_sandbox/faults", clear)
        self._router.add("GET", "/_sandbox/requests", counted)
        self._router.add("GET", "/_sandbox/inventory", inventory)


def serve(stand_in: StandIn, host: str, port: int) -> ThreadingHTTPServer:
    """Serve it on one address in a thread. `.server_address` tells the port, `.shutdown()` ends it."""
    server = ThreadingHTTPServer((host, port), _handler(stand_in))
    server.daemon_threads = True
    listen = functools.partial(server.serve_forever, poll_interval=0.05)
    threading.Thread(target=listen, name=f"scaleway {host}:{port}", daemon=True).start()
    return server


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            address = urlsplit(self.path)
            request = Request(
                method=self.command,
                path=unquote(address.path),
                query=parse_qs(address.query),
                # GET and DELETE of the SDK carry a body too: left unread it would be the next request.
                body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
                headers={name.lower(): value for name, value in self.headers.items()},
            )
            try:
                reply = stand_in.answer(request)
            except Cut:
                self.close_connection = True
                return
            except Exception:
                _log.exception("%s %s", request.method, request.path)
                reply = Reply(500, {"type": "unknown", "message": "internal error"})
            self._send(reply)

        def _send(self, reply: Reply) -> None:
            raw = isinstance(reply.payload, bytes)
            body = (
                reply.payload if raw else b"" if reply.payload is None else json.dumps(reply.payload).encode()
            )
            self.send_response(reply.status)
            if reply.status != 204:
                kind = reply.headers.get("Content-Type", "text/plain" if raw else "application/json")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
            for name, value in reply.headers.items():
                if name != "Content-Type":
                    self.send_header(name, value)
            self.end_headers()
            if reply.status != 204:
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, format: str, *args: object) -> None:
            # The address and the status; never headers, where the secret is.
            _log.info("%s %s", self.address_string(), format % args)

    return Handler
