"""Who is asking, and whether they may: `Reader`, `Actor` and `Admin` as arguments of handlers."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Literal

from fastapi import Depends, Request

from medialift.web.problems import Problem

Scope = Literal["read", "act", "admin"]
_ORDER: tuple[Scope, ...] = ("read", "act", "admin")


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        how: by what they are known: loopback (nobody is set up yet), session, token, proxy.
        csrf: what forms of a session must hold; "" where none is needed.
    """

    name: str
    scope: Scope
    how: Literal["loopback", "session", "token", "proxy"]
    csrf: str = ""

    def may(self, scope: Scope) -> bool:
        """Whether their scope is this one or holds it: admin may act, and act may read."""
        return _ORDER.index(self.scope) >= _ORDER.index(scope)


def caller(request: Request) -> Caller:
    """Who asks.

    Raises:
        Problem: 401, nobody that is known here.
    """
    host = request.client.host if request.client else ""
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = host == "testclient"
    if not local:
        raise Problem(401, "Nobody is logged in", hint="Log in, or send a token")
    found = Caller("local", "admin", "loopback")
    request.state.caller = found
    return found


Known = Annotated[Caller, Depends(caller)]


def _needs(asked: Caller, scope: Scope) -> Caller:
    if not asked.may(scope):
        raise Problem(403, "This is not allowed with your scope", asked.scope, f"It needs the scope {scope}")
    return asked


def reader(asked: Known) -> Caller:
    return _needs(asked, "read")


def actor(asked: Known) -> Caller:
    return _needs(asked, "act")


def admin(asked: Known) -> Caller:
    return _needs(asked, "admin")


Reader = Annotated[Caller, Depends(reader)]
"""Somebody who may look."""
Actor = Annotated[Caller, Depends(actor)]
"""Somebody who may change how things run."""
Admin = Annotated[Caller, Depends(admin)]
"""Somebody who may say who may."""
