"""Claim tokens and the servers they were exchanged for, kept in one JSON file."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from sandbox.plextv import CLAIM_VALIDITY


class NotClaimableError(Exception):
    """The claim token is unknown, has expired, or was exchanged before."""


@dataclass(frozen=True)
class Claim:
    """A token that was handed out; `expires` in seconds since the epoch."""

    token: str
    expires: float


class Ledger:
    """What plex.tv remembers. Every change is on disk when the call returns.

    Args:
        path: of the state file, made when missing.
        now: the clock, seconds since the epoch.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self.path = path
        self.now = now
        self._lock = Lock()
        self._state: dict[str, Any] = {
            "validity": CLAIM_VALIDITY,
            "claims": {},
            "servers": {},
            "status": None,
        }
        if path.exists():
            self._state |= json.loads(path.read_text())

    def hand_out(self) -> Claim:
        """A new claim token."""
        with self._lock:
            claim = Claim("claim-" + _token(), self.now() + self._state["validity"])
            self._state["claims"][claim.token] = claim.expires
            self._write()
        return claim

    def exchange(self, token: str, client: str) -> str:
        """Exchange a claim token, once, for the token by which this server's owner is known.

        Raises:
            NotClaimableError: unknown, expired, or exchanged before.
        """
        with self._lock:
            expires = self._state["claims"].get(token)
            if expires is None:
                raise NotClaimableError("unknown or used claim token")
            del self._state["claims"][token]
            if self.now() > expires:
                self._write()
                raise NotClaimableError("expired claim token")
            made = _token()
            self._state["servers"][made] = client
            self._write()
        return made

    def is_server(self, token: str) -> bool:
        with self._lock:
            return token in self._state["servers"]

    def forget(self, client: str) -> int:
        """Remove a server from the account: its tokens are good no more. Returns how many there were."""
        with self._lock:
            tokens = [token for token, owner in self._state["servers"].items() if owner == client]
            for token in tokens:
                del self._state["servers"][token]
            self._write()
        return len(tokens)

    def expire_all(self) -> int:
        """Let every token that is out expire at once. Returns how many there were."""
        with self._lock:
            for token in self._state["claims"]:
                self._state["claims"][token] = self.now() - 1
            self._write()
            return len(self._state["claims"])

    def set_validity(self, seconds: float) -> None:
        with self._lock:
            self._state["validity"] = seconds
            self._write()

    def set_status(self, status: int | None) -> None:
        """Answer every request with this HTTP status; None answers truly again."""
        with self._lock:
            self._state["status"] = status
            self._write()

    @property
    def status(self) -> int | None:
        with self._lock:
            status: int | None = self._state["status"]
            return status

    def summary(self) -> dict[str, Any]:
        """{validity, status, claims: how many are out, servers: their identifiers}: no token in it."""
        with self._lock:
            return {
                "validity": self._state["validity"],
                "status": self._state["status"],
                "claims": len(self._state["claims"]),
                "servers": sorted(self._state["servers"].values()),
            }

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        beside.touch(mode=0o600)
        beside.write_text(json.dumps(self._state))
        beside.replace(self.path)


def _token() -> str:
    return secrets.token_urlsafe(15)
