"""The dashboard's API as far as bursts are told to it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr, ValidationError

from medialift.errors import Permanent, Transient
from medialift.foundation.token import read_token
from medialift.plex.posting.post import Post
from medialift.settings import DashboardSettings

_LINES_AT_ONCE = 500
_BURSTS_LOOKED_AT = 20
_AGAIN = {401, 403, 404, 408, 429}
_HINTS = {
    401: "Make a token: medialift dashboard token create NAME --scope act",
    403: "The token needs the scope act",
    404: "Is it the address of the dashboard? Correct dashboard.url",
}


class Dashboard:
    """A dashboard elsewhere. Its certificate is proven by the authorities that this host knows.

    Args:
        timeout: seconds without a byte after which it counts as away.
    """

    def __init__(self, url: str, token: SecretStr, *, timeout: float = 10.0) -> None:
        self.url = url
        self._client = httpx.Client(
            base_url=f"{url}/api/v1",
            # One on this host, where nobody was set up yet, needs none.
            headers={"Authorization": f"Bearer {known}"} if (known := token.get_secret_value()) else {},
            timeout=timeout,
            verify=ssl.create_default_context(),
        )

    @classmethod
    def of(cls, settings: DashboardSettings, *, timeout: float = 10.0) -> Dashboard:
        """The one that the settings name.

        Raises:
            Permanent: they name none, or its token cannot be read.
        """
        if not settings.url:
            raise Permanent("There is no dashboard to tell", "", "Set dashboard.url in the settings")
        token = settings.token if settings.token.get_secret_value() else read_token(settings.token_file)
        return cls(settings.url, token, timeout=timeout)

    @classmethod
    def at(cls, url: str, token: str, *, timeout: float = 10.0) -> Dashboard:
        """The one at an address that a person gave.

        Raises:
            Permanent: it is no address.
        """
        try:
            settings = DashboardSettings.model_validate({"url": url, "token": token})
        except ValidationError as error:
            raise Permanent(
                "This is not the address of a dashboard", url, str(error.errors()[0]["msg"])
            ) from None
        return cls.of(settings, timeout=timeout)

    def close(self) -> None:
        self._client.close()

    def tell(self, burst: str, post: Post) -> int:
        """Post what is to be told; how many of its lines were new there.

        A long journal goes in parts, and what else is known with the last of them: it is then complete.

        Raises:
            Transient: it is away, busy, or does not let us: it may take it later.
            Permanent: it will never take this.
        """
        lines = [line for _, line in sorted(post.lines.items())]
        parts = [lines[start : start + _LINES_AT_ONCE] for start in range(0, len(lines), _LINES_AT_ONCE)]
        added = 0
        for number, part in enumerate(parts or [[]], 1):
            known = post.known if number >= len(parts) else {}
            body = {"journal": post.journal, "lines": part, **known}
            told = self._asked("POST", f"/bursts/{quote(burst, safe='')}/journal", body)
            added += int(told.get("added", 0))
        return added

    def burst_of(self, archive: str, library: str) -> str | None:
        """The burst that made an archive, by its sha256; None when no burst of late did.

        Raises:
            Transient, Permanent: as of `tell`.
        """
        for burst in self._newest(library):
            if not burst.get("has_report"):
                continue
            report = self._asked("GET", f"/bursts/{quote(str(burst['id']), safe='')}/report")
            if (report.get("archive") or {}).get("sha256") == archive:
                return str(burst["id"])
        return None

    def _newest(self, library: str) -> Iterator[dict[str, Any]]:
        query = f"library={quote(library, safe='')}&limit={_BURSTS_LOOKED_AT}"
        yield from self._asked("GET", f"/bursts?{query}").get("items", [])

    def _asked(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise Transient("The dashboard does not answer", f"{self.url}: {said}") from error
        if answer.is_success:
            try:
                told = answer.json()
            except ValueError:
                told = None
            if isinstance(told, dict):
                return told
            raise Transient(
                "What answers is not the dashboard",
                self.url,
                "A proxy's page for logging in? Let /api through",
            )
        if answer.is_client_error and answer.status_code not in _AGAIN:
            raise Permanent("The dashboard refuses what it is told", f"{self.url}: {_detail(answer)}")
        hint = _HINTS.get(answer.status_code, "")
        raise Transient("The dashboard takes nothing now", f"{self.url}: {_detail(answer)}", hint)


def _detail(answer: httpx.Response) -> str:
    """What a problem says, or the status alone: nobody wants a page of a proxy in a log."""
    try:
        told = answer.json()
    except ValueError:
        told = None
    said = told.get("detail") if isinstance(told, dict) else None
    return f"{answer.status_code} {said}" if isinstance(said, str) else str(answer.status_code)
