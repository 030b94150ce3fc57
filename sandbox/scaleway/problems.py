"""The API's ways of saying no. Shapes: scaleway-sdk-go `scw/errors.go` and its recorded tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Problem(Exception):
    """A refusal: the status and the JSON that goes with it."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.body = dict(body)
        super().__init__(f"{status} {self.body}")


def denied_authentication(reason: str) -> Problem:
    return Problem(
        401,
        {
            "type": "denied_authentication",
            "method": "api_key",
            "reason": reason,
            "message": "authentication is denied",
        },
    )


def permissions_denied(resource: str, action: str) -> Problem:
    details = [{"resource": resource, "action": action}]
    return Problem(
        403, {"type": "permissions_denied", "message": "insufficient permissions", "details": details}
    )


def not_found(resource: str, identifier: str) -> Problem:
    return Problem(
        404,
        {
            "type": "not_found",
            "message": "resource is not found",
            "resource": resource,
            "resource_id": identifier,
        },
    )


def unknown_resource(what: str, identifier: str) -> Problem:
    """The Instance API's own way to say not found."""
    return Problem(404, {"type": "unknown_resource", "message": f'{what} "{identifier}" not found'})


def unknown_service() -> Problem:
    """What a zone that does not exist, or an address nobody serves, answers."""
    return Problem(501, {"message": "unknown service"})


def validation(fields: Mapping[str, Sequence[str]]) -> Problem:
    return Problem(
        400,
        {
            "type": "invalid_request_error",
            "message": "Validation Error",
            "fields": {k: list(v) for k, v in fields.items()},
        },
    )


def invalid_request(message: str) -> Problem:
    return Problem(400, {"type": "invalid_request_error", "message": message})


def conflict(message: str) -> Problem:
    return Problem(409, {"type": "conflict", "message": message})


def transient_state(resource: str, identifier: str, state: str) -> Problem:
    return Problem(
        409,
        {
            "type": "transient_state",
            "message": "resource is in a transient state",
            "resource": resource,
            "resource_id": identifier,
            "current_state": state,
        },
    )


def out_of_stock(resource: str) -> Problem:
    return Problem(412, {"type": "out_of_stock", "message": "resource is out of stock", "resource": resource})


def quota(resource: str, allowed: int) -> Problem:
    details = [{"resource": resource, "quota": allowed, "current": allowed}]
    return Problem(403, {"type": "quotas_exceeded", "message": "quota(s) exceeded", "details": details})


def too_many_requests() -> Problem:
    return Problem(429, {"type": "too_many_requests", "message": "too many requests"})
