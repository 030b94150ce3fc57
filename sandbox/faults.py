"""A client of the fault proxy's control: what tests use to break the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from .settings import STORE_CONTROL_PORT


@dataclass(frozen=True)
class Faults:
    """The proxy's control at `url`. The fields of a rule are those of `sandbox.faultrules.Rule`."""

    url: str = f"http://127.0.0.1:{STORE_CONTROL_PORT}"

    def add(self, action: str, match: str = "", **more: Any) -> None:
        """Add a rule; of those that match the newest wins.

        Raises:
            ValueError: the rule is not one; the message is the proxy's.
        """
        reply = self._ask("POST", "/faults", {"action": action, "match": match, **more})
        if reply.status_code == httpx.codes.BAD_REQUEST:
            raise ValueError(reply.json()["error"])
        reply.raise_for_status()

    def clear(self) -> None:
        """Remove every rule; what hangs goes on."""
        self._ask("DELETE", "/faults").raise_for_status()

    @contextmanager
    def active(self, action: str, match: str = "", **more: Any) -> Iterator[None]:
        """A fault for the length of a `with`; afterwards no rule at all is left."""
        self.add(action, match, **more)
        try:
            yield
        finally:
            self.clear()

    def counters(self) -> dict[str, Any]:
        """{requests, bytes, uploaded, by_action: {action: n}, by_method: {method: n}}."""
        reply = self._ask("GET", "/counters")
        reply.raise_for_status()
        counted: dict[str, Any] = reply.json()
        return counted

    def reset_counters(self) -> None:
        self._ask("DELETE", "/counters").raise_for_status()

    def _ask(self, method: str, path: str, content: object = None) -> httpx.Response:
        return httpx.request(method, self.url + path, json=content, timeout=10, trust_env=False)
