"""One GET that always comes back in time: with an answer, with "there is none", or with an error of ours.

The time limits of an HTTP client are between two bytes. A server that sends one byte a minute keeps them for
ever, so each request has a deadline at which its connection is closed, whatever is still to come.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any

import httpx

from medialift.audiobooks.metadata.credentials import Token, origin
from medialift.audiobooks.metadata.limits import Stopped, Turns, pause_asked
from medialift.audiobooks.metadata.shapes import Misfit
from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation.backoff import Patience, attempts
from medialift.foundation.waiting import Clock, SystemClock, wait_until

LARGEST_ANSWER = 8_000_000
_USER_AGENT = "medialift"
_REQUEST_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
_LISTEN_SECONDS = 0.1
_REDIRECTS = 3
_MOVED = (301, 302, 303, 307, 308)
_ABSENT = (404, 410)
PATIENCE = Patience(limit=3, first=0.5, longest=5.0)


@dataclass(frozen=True)
class Answer:
    """What came with status 200."""

    url: str
    body: bytes
    media_type: str


@dataclass
class Fetcher:
    """Asks services within their limits and within one deadline for all that a book needs.

    Args:
        client: the one HTTP client, whose hooks see every request.
        seconds: until the deadline of everything that is asked here.
        token: of Audible; None when there is none.
        stop: ends any wait and any request at once.
    """

    client: httpx.Client
    turns: Turns
    seconds: float
    token: Token | None = None
    stop: Event = field(default_factory=Event)
    clock: Clock = field(default_factory=SystemClock)
    patience: Patience = field(default_factory=lambda: PATIENCE)
    request_seconds: float = _REQUEST_SECONDS

    def __post_init__(self) -> None:
        self._deadline = self.clock.monotonic() + self.seconds

    def json(self, service: str, url: str, params: Mapping[str, str] | None = None) -> Any | None:
        """A JSON answer; None when the service says that there is none.

        Raises:
            Misfit: what came is no JSON.
            Transient, Permanent: as `get`.
        """
        answer = self.get(service, url, params)
        if answer is None:
            return None
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise Misfit(service, "it is no JSON", _shown(answer.url)) from error

    def get(
        self,
        service: str,
        url: str,
        params: Mapping[str, str] | None = None,
        *,
        largest: int = LARGEST_ANSWER,
    ) -> Answer | None:
        """An answer of at most `largest` bytes; None when the service says that there is none.

        Raises:
            Transient: the service cannot be reached, has no time, fails, asks to be left alone for longer
                than there is time, or does not end. It was asked again before this is said.
            Stopped: `stop` was set.
            Permanent: it refuses the question, or the address is none.
        """
        try:
            patience: Patience = {**self.patience, "at_most": self._left()}
            for attempt in attempts(**patience):
                with attempt:
                    return self._asked(service, url, params, largest)
        except _Halt as halt:
            raise halt.error from None
        raise AssertionError("the last attempt returns or raises")

    def _asked(self, service: str, url: str, params: Mapping[str, str] | None, largest: int) -> Answer | None:
        try:
            address = httpx.URL(url, params=dict(params)) if params else httpx.URL(url)
            for _ in range(_REDIRECTS + 1):
                told = self._once(service, address, largest)
                if not isinstance(told, httpx.URL):
                    return told
                address = told
        except (Stopped, httpx.InvalidURL) as error:
            raise _Halt(error if isinstance(error, Stopped) else _no_address(url)) from error
        raise Permanent(f"{service} sends from one address to the next", _shown(url))

    def _once(self, service: str, url: httpx.URL, largest: int) -> Answer | httpx.URL | None:
        """The answer, None for none, or the address where it is."""
        if url.scheme not in ("http", "https") or not url.host:
            raise _no_address(str(url))
        self._turn(service)
        left = min(self.request_seconds, self._left())
        with _deadline(left, self.stop, self.clock) as cutter:
            try:
                return self._read(service, url, largest, left, cutter)
            except httpx.HTTPError as error:
                raise self._broken(service, url, error, cutter) from error

    def _turn(self, service: str) -> None:
        if self.stop.is_set():
            raise Stopped(service)
        try:
            self.turns.take(service, at_most=self._left(), stop=self.stop)
        except Stopped:
            raise
        except Transient as error:
            # Another attempt in a moment would find the same.
            raise _Halt(error) from error

    def _read(
        self, service: str, url: httpx.URL, largest: int, left: float, cutter: _Cutter
    ) -> Answer | httpx.URL | None:
        request = self.client.build_request(
            "GET",
            url,
            headers={
                "User-Agent": _USER_AGENT,
                "Accept-Encoding": "identity",
                # A connection of its own: one that is shared could not be closed at the deadline.
                "Connection": "close",
                **(self.token.headers(url) if self.token else {}),
            },
            timeout=httpx.Timeout(left, connect=min(left, _CONNECT_SECONDS)),
            extensions={"trace": cutter.trace},
        )
        response = self.client.send(request, stream=True, auth=None, follow_redirects=False)
        try:
            if response.status_code in _MOVED and "location" in response.headers:
                return _next(url, response.headers["location"])
            if not self._has_answer(service, url, response):
                return None
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > largest:
                    raise Permanent(
                        f"What {service} sends is larger than {largest} bytes, and is not read", _shown(url)
                    )
            cutter.check()
            return Answer(str(url), bytes(body), response.headers.get("content-type", "").split(";")[0])
        finally:
            response.close()

    def _has_answer(self, service: str, url: httpx.URL, response: httpx.Response) -> bool:
        """Whether a body with an answer follows."""
        status = response.status_code
        if status == 200:
            return True
        if status in _ABSENT:
            return False
        if status == 429:
            self.turns.leave_alone(
                service, pause_asked(response.headers.get("retry-after"), self.clock.now())
            )
            raise Transient(f"{service} has had too many requests (429)", _shown(url))
        if status == 503 and "retry-after" in response.headers:
            self.turns.leave_alone(service, pause_asked(response.headers["retry-after"], self.clock.now()))
        if status >= 500 or status in (408, 425):
            raise Transient(f"{service} fails with {status}", _shown(url), "It is tried again by itself")
        if status in (401, 403):
            sent = self.token is not None and bool(self.token.headers(url))
            raise Permanent(
                f"{service} lets us not in ({status})",
                _shown(url),
                "Renew the token in audiobooks.tagging.token_file"
                if sent
                else "See whether it is reached from this host by a browser",
            )
        raise Permanent(f"{service} does not take the question ({status})", _shown(url))

    def _broken(
        self, service: str, url: httpx.URL, error: httpx.HTTPError, cutter: _Cutter
    ) -> MedialiftError:
        if self.stop.is_set():
            return Stopped(service)
        if cutter.cut or isinstance(error, httpx.TimeoutException):
            return Transient(f"{service} does not answer in time", _shown(url), "It is tried again by itself")
        if isinstance(error, httpx.UnsupportedProtocol):
            return _no_address(str(url))
        return Transient(
            f"{service} cannot be reached ({type(error).__name__})",
            _shown(url),
            "It is tried again by itself",
        )

    def _left(self) -> float:
        """Seconds until the deadline.

        Raises:
            Transient: there are none.
        """
        left = self._deadline - self.clock.monotonic()
        if left <= 0:
            raise _Halt(
                Transient("The look-up took too long", f"{self.seconds:g} s", "It goes on at the next try")
            )
        return left


class _Halt(Exception):
    """An error after which no further attempt is made, though it may be `Transient`."""

    def __init__(self, error: MedialiftError) -> None:
        self.error = error
        super().__init__(str(error))


class _Cutter:
    """Closes the connection of one request from another thread, so that any read of it ends."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self.cut = False
        self.over = Event()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Told by the client of each step; a connection that is made is remembered."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
            self.check()

    def check(self) -> None:
        """Raise if the time was over before this step."""
        if self.cut:
            raise httpx.ReadTimeout("the deadline has passed")

    def end(self) -> None:
        with self._lock:
            if self.over.is_set():
                return
            self.cut = True
            if self._socket is not None:
                with suppress(OSError):
                    # Not the method of a TLS socket, which would throw away the state that is being read.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def finish(self) -> None:
        with self._lock:
            self.over.set()
            self._socket = None


@contextmanager
def _deadline(seconds: float, stop: Event, clock: Clock) -> Iterator[_Cutter]:
    """Something that closes the request's connection after so many seconds, or when `stop` is set."""
    cutter = _Cutter()

    def watch() -> None:
        if not wait_until(cutter.over.is_set, at_most=seconds, every=_LISTEN_SECONDS, clock=clock, stop=stop):
            cutter.end()

    Thread(target=watch, name="deadline of a request", daemon=True).start()
    try:
        yield cutter
    finally:
        cutter.finish()


def _next(url: httpx.URL, location: str) -> httpx.URL:
    """Where a redirect leads.

    Raises:
        Permanent: from an encrypted address to one that is not.
    """
    target = url.join(location)
    if url.scheme == "https" and target.scheme != "https":
        raise Permanent(
            "A redirect from an encrypted address to an open one is not followed", _shown(str(url))
        )
    return target


def _no_address(url: str) -> Permanent:
    return Permanent("This is no address of the web", _shown(url), "An address starts with https://")


def _shown(url: str | httpx.URL) -> str:
    """An address without what was asked for, and without a name or a password."""
    with suppress(httpx.InvalidURL):
        parsed = httpx.URL(url)
        scheme, host, _ = origin(parsed)
        if host:
            port = f":{parsed.port}" if parsed.port else ""
            return f"{scheme}://{host}{port}{parsed.path}"
    return str(url)[:200]
