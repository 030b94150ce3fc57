"""Whoever adds a page or an answer of the API says who may: nothing is open by having been forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from medialift.web.access import gate
from medialift.web.routes import ROUTERS

OPEN = {"/login", "/health", "/health/live", "/health/ready"}
# They look after the access of their own caller, or ask it in another way.
OF_ONESELF = {"/logout", "/account/password", "/account/sessions/{id}/end", "/api/v1/sessions/{id}"}
BY_ITSELF = {"/metrics"}


def asked(dependant: Dependant) -> Iterator[Callable[..., object] | None]:
    """What a handler depends on, and what that depends on."""
    for one in dependant.dependencies:
        yield one.call
        yield from asked(one)


ROUTES = [route for router in ROUTERS for route in router.routes]


@pytest.mark.parametrize("route", ROUTES, ids=[f"{min(one.methods)} {one.path}" for one in ROUTES])
def test_a_route_says_who_may(route):
    if route.path in OPEN | BY_ITSELF:
        return
    calls = set(asked(route.dependant))
    assert gate.caller in calls, "it takes nobody: give it a Reader, an Actor or an Admin"
    if not route.methods <= {"GET", "HEAD"} and route.path not in OF_ONESELF:
        assert calls & {gate.actor, gate.admin}, "it changes something: give it an Actor or an Admin"


def test_there_are_routes_to_be_looked_at():
    assert len(ROUTES) > 20 and all(isinstance(one, APIRoute) for one in ROUTES)
