"""The server's tokens: JWT signed with HS256, and whether one counts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any


def _packed(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


_HEAD = _packed(b'{"typ":"JWT","alg":"HS256"}')


class Tokens:
    """Makes and judges the tokens of one server.

    Args:
        secret: what they are signed with; app and backend share it.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._expired_up_to = 0

    def make(self, claims: Mapping[str, Any], seconds: float) -> str:
        """A token that counts for so many seconds."""
        expires = max(int(time.time() + seconds), self._expired_up_to + 1)
        body = _HEAD + "." + _packed(json.dumps({**claims, "exp": expires}).encode())
        return body + "." + self._signature(body)

    def claims(self, token: str, *, even_expired: bool = False) -> dict[str, Any] | None:
        """What the token says, or None when it is not ours or no longer counts."""
        try:
            body, signature = token.rsplit(".", 1)
            if not hmac.compare_digest(signature.encode(), self._signature(body).encode()):
                return None
            claims: dict[str, Any] = json.loads(_unpacked(body.split(".")[1]))
            late = claims["exp"] <= self._expired_up_to or claims["exp"] < time.time()
        except (ValueError, KeyError, IndexError, TypeError):
            return None
        return claims if even_expired or not late else None

    def expire_all(self, seconds: float) -> None:
        """No token that was made so far counts any more; `seconds` is how long they were made for at most."""
        self._expired_up_to = max(self._expired_up_to, int(time.time() + seconds))

    def expire_none(self) -> None:
        """Tokens count again for as long as they say."""
        self._expired_up_to = 0

    def _signature(self, body: str) -> str:
        return _packed(hmac.new(self._secret, body.encode(), hashlib.sha256).digest())
