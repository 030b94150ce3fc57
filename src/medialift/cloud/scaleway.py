"""Scaleway's API through its official SDK, bounded: no call waits for ever, and every error says what to do.

The SDK (scaleway 2.12) sets no time limit on a request, ignores Retry-After, loses the status of an error
that is not JSON, and takes a server without a state for a running one. All of that is put right in one
place, `Bounded._request`; the rest of the SDK is used as it is.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from threading import Event
from typing import Any

import requests
from scaleway import Client
from scaleway.block.v1 import BlockV1API
from scaleway.iam.v1alpha1 import IamV1Alpha1API
from scaleway.instance.v1.custom_api import InstanceUtilsV1API
from scaleway.marketplace.v2 import MarketplaceV2API
from scaleway_core.api import API
from scaleway_core.bridge import ALL_ZONES

from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation.waiting import Clock, SystemClock

API_URL = "https://api.scaleway.com"

# The SDK's list stops at two zones of Warsaw; a zone that does not exist is told by the API.
ZONES: tuple[str, ...] = (*ALL_ZONES, "pl-waw-3")


class OutOfStock(Transient):
    """No such server is to be had in this zone just now; another zone or type may do."""


class QuotaExceeded(Permanent):
    """The organization may not have more of this; another type may do."""


class NotFound(Permanent):
    """The object is not there (any more)."""


class Busy(Transient):
    """The object is in a state of passage, or in use."""


class RateLimited(Transient):
    """Too many requests. `after` is how many seconds the API asks to wait, if it says."""

    def __init__(self, what: str, subject: str, hint: str, after: float | None) -> None:
        super().__init__(what, subject, hint)
        self.after = after


class Unanswered(Transient):
    """No answer came, or none of the API: the request may have been carried out or not."""


@dataclass(frozen=True)
class Limits:
    """How long a request may take and how often it is tried again.

    Args:
        connect, read: seconds.
        tries: how often a request is sent at most.
        first, longest: seconds before the second try, doubled each time up to `longest`.
    """

    connect: float = 5.0
    read: float = 30.0
    tries: int = 5
    first: float = 0.5
    longest: float = 20.0


@dataclass(frozen=True)
class Account:
    """Who asks, and for which project. The project bounds everything: nothing outside it is ever touched.

    Args:
        access_key, secret_key: an API key of Scaleway.
        organization_id, project_id: UUIDs.
        api_url: without a slash at its end.
    """

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    organization_id: str
    project_id: str
    api_url: str = API_URL
    limits: Limits = Limits()


class Scaleway:
    """The APIs that medialift needs: `.instance`, `.block`, `.marketplace`, `.iam`. Makes no request itself.

    Every call raises an error of this module or of `medialift.errors`, never one of the SDK or of requests.

    Raises:
        Permanent: a key or an id is missing or is not of the right shape.
    """

    def __init__(self, account: Account, *, clock: Clock | None = None, stop: Event | None = None) -> None:
        self.account = account
        self.clock = clock or SystemClock()
        self.stop = stop or Event()
        bounds = (account.limits, self.clock, self.stop)
        client = _client(account)
        self.instance: Any = _Instances(client, bounds)
        self.block: Any = _Blocks(client, bounds)
        self.marketplace: Any = _Marketplace(client, bounds)
        self.iam: Any = _Iam(client, bounds)


def _client(account: Account) -> Any:
    missing = [
        name
        for name in ("access_key", "secret_key", "organization_id", "project_id")
        if not getattr(account, name)
    ]
    if missing:
        raise Permanent(
            "The Scaleway credentials are incomplete",
            ", ".join(missing),
            "Set them in the inventory, or as SCW_ACCESS_KEY, SCW_SECRET_KEY, SCW_DEFAULT_ORGANIZATION_ID "
            "and SCW_DEFAULT_PROJECT_ID",
        )
    client = Client(
        access_key=account.access_key,
        secret_key=account.secret_key,
        default_organization_id=account.organization_id,
        default_project_id=account.project_id,
        default_page_size=100,
        api_url=account.api_url.rstrip("/"),
    )
    try:
        client.validate()
    except ValueError as error:
        # The SDK's message repeats the value, which may be the secret put in the wrong place.
        words = ("access key", "secret key", "organization", "project")
        which = next((word for word in words if word in str(error)), "one of them")
        raise Permanent(
            "The Scaleway credentials are not of the right shape",
            which,
            "An access key is SCW and 17 letters or digits; the secret key and the ids are UUIDs",
        ) from None
    return client


class Bounded(API):  # type: ignore[misc]  # the SDK is not typed for us
    """An API of the SDK whose requests end, are tried again when that is safe, and fail with our errors."""

    def __init__(self, client: Any, bounds: tuple[Limits, Clock, Event]) -> None:
        super().__init__(client)
        self._limits, self._clock, self._stop = bounds

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] = {},  # the SDK's signature; never changed
        headers: Mapping[str, str] = {},
        body: Any = None,
    ) -> requests.Response:
        method = method.upper()
        for tried in range(1, self._limits.tries + 1):
            try:
                return self._once(method, path, params, headers, body)
            except Transient as error:
                wait = self._wait_after(error, method, tried)
                if wait is None or self._clock.sleep(wait, self._stop):
                    raise
        raise AssertionError("the last try returns or raises")

    def _wait_after(self, error: Transient, method: str, tried: int) -> float | None:
        """Seconds to wait before trying again; None when it must not or need not be."""
        refused = isinstance(error, RateLimited)
        # A POST that got no answer may have made something: whoever sent it has to look.
        unanswered = isinstance(error, Unanswered) and method != "POST"
        if tried >= self._limits.tries or not (refused or unanswered):
            return None
        if isinstance(error, RateLimited) and error.after is not None:
            return min(self._limits.longest, error.after)
        doubled: float = self._limits.first * 2.0 ** (tried - 1)
        return min(self._limits.longest, doubled) * random.uniform(0.75, 1.25)  # noqa: S311  # jitter, not cryptography

    def _once(
        self, method: str, path: str, params: Mapping[str, Any], headers: Mapping[str, str], body: Any
    ) -> requests.Response:
        content = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        json_type = {"Content-Type": "application/json; charset=utf-8"} if method in _WRITES else {}
        subject = f"{method} {self.client.api_url}{path}"
        try:
            response = requests.request(
                method,
                f"{self.client.api_url}{path}",
                params=_flat(params),
                headers={
                    "accept": "application/json",
                    "user-agent": self.client.user_agent,
                    **json_type,
                    **headers,
                    "x-auth-token": self.client.secret_key,
                },
                data=content,
                timeout=(self._limits.connect, self._limits.read),
                # The API redirects nobody; following one would carry the token elsewhere.
                allow_redirects=False,
            )
        except requests.Timeout:
            raise Unanswered(
                "Scaleway did not answer in time", subject, "Try again; see https://status.scaleway.com"
            ) from None
        except requests.RequestException as error:
            raise Unanswered(
                f"Scaleway cannot be reached ({type(error).__name__})",
                subject,
                "Check the network of this machine and the API's address",
            ) from None
        problem = translate(response, subject)
        if problem is not None:
            raise problem
        return _checked(response, subject)


_WRITES = ("POST", "PUT", "PATCH")


class _Instances(Bounded, InstanceUtilsV1API):  # type: ignore[misc]
    pass


class _Blocks(Bounded, BlockV1API):  # type: ignore[misc]
    pass


class _Marketplace(Bounded, MarketplaceV2API):  # type: ignore[misc]
    pass


class _Iam(Bounded, IamV1Alpha1API):  # type: ignore[misc]
    pass


def translate(response: requests.Response, subject: str) -> MedialiftError | None:
    """The error that a reply stands for, or None for a good one.

    The API has one JSON shape per service; `type` tells most apart, the status the rest (scaleway-sdk-go,
    `scw/errors.go`). A reply that is not JSON comes from a proxy before the API: its status counts.
    """
    status = response.status_code
    if status < 300:
        return None
    said = _json(response)
    kind = str(said.get("type", ""))
    message = str(said.get("message") or response.reason or "no message")
    details = _details(said)
    about = f"{subject}: {details}" if details else subject
    if kind == "out_of_stock":
        return OutOfStock(
            "Scaleway is out of stock", about, "Add another zone or type to the list, or try again later"
        )
    if kind == "quotas_exceeded" or "quota" in message.lower():
        return QuotaExceeded(
            f"A quota of the organization is exhausted ({message})",
            about,
            "Ask Scaleway for a higher quota, or choose another type",
        )
    if status == 429:
        return RateLimited(
            "Scaleway has had too many requests", subject, "Try again later", _retry_after(response)
        )
    if status == 401:
        return Permanent(
            f"Scaleway does not know this API key ({said.get('reason') or message})",
            subject,
            "Check the access key and the secret key, and whether the key has expired",
        )
    if status == 403:
        return Permanent(
            f"This API key may not do that ({message})",
            about,
            "Its owner needs InstancesFullAccess and BlockStorageFullAccess in this project",
        )
    if kind == "transient_state" or status in (409, 423):
        return Busy(f"Scaleway cannot do that just now ({message})", about, "Try again in a moment")
    if status in (404, 410):
        return NotFound(f"Scaleway has no such object ({message})", about)
    if status == 501:
        return NotFound(f"Scaleway does not serve this ({message})", about, "Check the name of the zone")
    if status >= 500:
        return Unanswered(
            f"Scaleway has a fault (HTTP {status}: {message})",
            subject,
            "Try again; see https://status.scaleway.com",
        )
    return Permanent(f"Scaleway refused the request (HTTP {status}: {message})", about)


def _details(said: Mapping[str, Any]) -> str:
    """What the reply says of the single fields or resources, in one line."""
    fields = said.get("fields")
    if isinstance(fields, Mapping):
        return "; ".join(f"{name}: {', '.join(map(str, _list(why)))}" for name, why in fields.items())
    parts = [
        " ".join(str(value) for value in detail.values() if value)
        for detail in _list(said.get("details") or [])
        if isinstance(detail, Mapping)
    ]
    names = [str(said[key]) for key in ("resource", "resource_id", "current_state") if said.get(key)]
    return "; ".join([*parts, " ".join(names)] if names else parts)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        said = response.json()
    except requests.exceptions.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _checked(response: requests.Response, subject: str) -> requests.Response:
    """The good reply, made fit for the SDK, or an error when the SDK would misread it."""
    if "html" in response.headers.get("content-type", ""):
        raise Unanswered(
            f"Something that is not Scaleway answered (HTTP {response.status_code} with a page)",
            subject,
            "Check the API's address, and whether a proxy stands before it",
        )
    if "json" not in response.headers.get("content-type", ""):
        return response
    try:
        said = response.json()
    except requests.exceptions.JSONDecodeError:
        raise Unanswered("Scaleway's answer is not JSON", subject, "Try again") from None
    servers = said.get("servers") if isinstance(said, dict) else None
    rows = servers if isinstance(servers, list) else []
    if isinstance(said, dict) and isinstance(said.get("server"), dict) and "/servers" in subject:
        rows = [*rows, said["server"]]
    if any(not row.get("state") or not row.get("id") for row in rows):
        # The SDK takes a missing state for "running".
        raise Unanswered("Scaleway's answer shows a server without its state", subject, "Try again")
    return response


def _flat(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Query parameters as the SDK writes them: lists are repeated, None is left out."""
    return [
        (name, one)
        for name, value in params.items()
        if value is not None
        for one in (value if isinstance(value, list) else [value])
    ]


def _retry_after(response: requests.Response) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    said = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        asked, sent = parsedate_to_datetime(said), parsedate_to_datetime(response.headers["date"])
    except (ValueError, TypeError, KeyError):
        return None
    return max(0.0, (asked - sent).total_seconds())


def in_zones(zones: Iterable[str]) -> tuple[str, ...]:
    """The zones to look through for what we made: the given ones first, then all others known."""
    return tuple(dict.fromkeys([*zones, *ZONES]))
