"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medialift.web.access.scopes import Scope, allows

How = Literal["loopback", "session", "token", "proxy"]


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        how: by what they are known: loopback (nobody is set up yet), session, token, proxy.
        csrf: what forms of theirs must hold; "" where none is needed.
        session: the hash of their session, so that it can be told from their others.
    """

    name: str
    scope: Scope
    how: How
    csrf: str = ""
    session: bytes | None = None

    def may(self, scope: Scope) -> bool:
        """Whether their scope is this one or holds it: admin may act, and act may read."""
        return allows(self.scope, scope)


def audit_name(name: str, how: How) -> str:
    """Somebody as the audit names them: also by what they were known."""
    return f"{name} ({how}, dashboard)"
