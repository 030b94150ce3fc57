"""Claiming a fresh server: where the token comes from, and what to do when it has expired.

A claim token is good for four minutes and once, so it is obtained right before it is used, and never
before the machine that needs it is there. It is never logged: it shows in no repr and no error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Protocol

import httpx

from medialift.errors import Permanent, Transient
from medialift.foundation.backoff import attempts
from medialift.foundation.waiting import Clock, SystemClock, wait_until
from medialift.plex.server import PRODUCT, Identity

ACCOUNT_URL = "https://plex.tv"
WAIT_SECONDS = 900.0
# After a claim the server talks to plex.tv before it counts itself as claimed.
SETTLE_SECONDS = 60.0
# An account gives as many tokens as asked for; when the third is refused too, time does not help.
ACCOUNT_TRIES = 3

_NEW_ONE = "Get a new one from https://plex.tv/claim: it is good for four minutes, once"


class Claimable(Protocol):
    """What this needs of a server."""

    def identity(self) -> Identity: ...
    def claim(self, token: str) -> None: ...


@dataclass(frozen=True)
class ClaimSource:
    """Where claim tokens come from: exactly one of a value, a file, or an account's token.

    Attributes:
        value: the claim token itself.
        file: a file that holds one; it is read again until it holds one that works.
        account_token: an account's X-Plex-Token, with which a fresh claim token is asked for each time.
        account_url: where that is asked for.

    Raises:
        Permanent: none of them was given, or more than one.
    """

    value: str = field(default="", repr=False)
    file: Path | None = None
    account_token: str = field(default="", repr=False)
    account_url: str = ACCOUNT_URL

    def __post_init__(self) -> None:
        given = [bool(self.value), self.file is not None, bool(self.account_token)]
        if sum(given) != 1:
            raise Permanent(
                "A claim token comes from exactly one place",
                f"{sum(given)} were given",
                "Give the token, a file that holds it, or the token of your Plex account",
            )

    def obtain(self, refused: frozenset[str] = frozenset(), *, client: httpx.Client | None = None) -> str:
        """A claim token that was not refused before.

        Raises:
            Transient: there is none now, but there may be: the file holds an old one, plex.tv is silent.
            Permanent: there will be none: what was given is no claim token, or the account's is refused.
        """
        if self.account_token:
            return self._from_account(client or httpx.Client(timeout=30.0))
        token, place = (
            (self._from_file(), str(self.file)) if self.file else (self.value.strip(), "the variable")
        )
        if not token.startswith("claim-"):
            raise Permanent("This is not a claim token: those start with claim-", place, _NEW_ONE)
        if token in refused:
            error = Transient if self.file else Permanent
            raise error("The claim token has expired or was used before", place, _NEW_ONE)
        return token

    def _from_file(self) -> str:
        assert self.file is not None  # noqa: S101 - the caller looked
        try:
            token = self.file.read_text().strip()
        except FileNotFoundError:
            raise Transient("The file with the claim token is not there", str(self.file), _NEW_ONE) from None
        except OSError as error:
            raise Permanent(
                "The file with the claim token cannot be read", str(self.file), str(error.strerror)
            ) from error
        if not token:
            raise Transient("The file with the claim token is empty", str(self.file), _NEW_ONE)
        return token

    def _from_account(self, client: httpx.Client) -> str:
        place = f"{self.account_url.rstrip('/')}/api/claim/token.json"
        headers = {**PRODUCT, "X-Plex-Token": self.account_token, "Accept": "application/json"}
        try:
            reply = client.get(place, headers=headers)
        except httpx.HTTPError as error:
            raise Transient(
                "The claim token cannot be asked for", place, f"{type(error).__name__}: try again"
            ) from error
        if reply.status_code in (401, 403):
            raise Permanent(
                "The account's token is refused",
                place,
                "Get a new one: it is the X-Plex-Token of your account",
            )
        try:
            token = reply.raise_for_status().json()["token"]
        except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
            raise Transient(
                f"The claim token cannot be asked for: the answer was {reply.status_code}", place, "Try again"
            ) from error
        return str(token)


def claim(
    server: Claimable,
    source: ClaimSource,
    *,
    at_most: float = WAIT_SECONDS,
    every: float = 5.0,
    client: httpx.Client | None = None,
    clock: Clock | None = None,
    stop: Event | None = None,
    tell: Callable[[str], None] = lambda _text: None,
) -> bool:
    """Claim an unclaimed server, and prove that it is claimed; False when it was claimed already.

    Args:
        at_most: seconds to wait for a token that works, where one may come: a file may be written again.
        tell: told what is waited for, without the token.

    Raises:
        Permanent: the token given was refused, or none works.
        Transient: no working token came in time; the server is as it was, so only this is to be done again.
    """
    clock, stop = clock or SystemClock(), stop or Event()
    if server.identity().claimed:
        return False
    refused: set[str] = set()
    deadline = clock.monotonic() + at_most
    while True:
        try:
            _hand_over(server, source.obtain(frozenset(refused), client=client), refused)
            break
        except Transient as error:
            left = deadline - clock.monotonic()
            if left <= 0:
                raise
            tell(f"{error.what}: waiting for a new one, {left:.0f} s at most")
            if clock.sleep(min(every, left), stop):
                raise
        except _RefusedError as error:
            if not source.file and (not source.account_token or len(refused) >= ACCOUNT_TRIES):
                raise Permanent(error.what, error.subject, error.hint) from error
            tell(error.what)
    if not wait_until(
        lambda: server.identity().claimed, at_most=SETTLE_SECONDS, every=1.0, clock=clock, stop=stop
    ):
        raise Transient(
            "Plex took the claim token and is still unclaimed",
            f"after {SETTLE_SECONDS:g} s",
            "Claim it again",
        )
    return True


def wait_for_token(
    source: ClaimSource,
    *,
    at_most: float = WAIT_SECONDS,
    every: float = 5.0,
    client: httpx.Client | None = None,
    clock: Clock | None = None,
    stop: Event | None = None,
) -> str:
    """A claim token, to be used at once by somebody else. Whether it is still good only the server can tell.

    Raises:
        Transient: there was none within `at_most` seconds.
        Permanent: there will be none, as in `ClaimSource.obtain`.
    """
    clock, stop = clock or SystemClock(), stop or Event()
    deadline = clock.monotonic() + at_most
    while True:
        try:
            return source.obtain(client=client)
        except Transient:
            left = deadline - clock.monotonic()
            if left <= 0 or clock.sleep(min(every, left), stop):
                raise


class _RefusedError(Permanent):
    """The server did not take this token; another one may do."""


def _hand_over(server: Claimable, token: str, refused: set[str]) -> None:
    for attempt in attempts(limit=3, at_most=30):
        with attempt:
            try:
                server.claim(token)
            except Permanent as error:
                refused.add(token)
                raise _RefusedError(error.what, error.subject, error.hint) from error
