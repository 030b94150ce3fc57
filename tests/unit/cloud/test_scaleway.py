"""What a reply of Scaleway stands for, and which requests are sent again."""

from __future__ import annotations

import json

import pytest
import requests

from medialift.cloud import scaleway
from medialift.cloud.scaleway import (
    Account,
    Busy,
    NotFound,
    OutOfStock,
    QuotaExceeded,
    RateLimited,
    Scaleway,
    Unanswered,
    translate,
)
from medialift.errors import Permanent

GOOD = {
    "access_key": "SCWAAAAAAAAAAAAAAAAA",
    "secret_key": "11111111-1111-4111-8111-111111111111",
    "organization_id": "22222222-2222-4222-8222-222222222222",
    "project_id": "33333333-3333-4333-8333-333333333333",
}


def reply(status: int, body: object, headers: dict[str, str] | None = None) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    response.headers.update({"content-type": "application/json", **(headers or {})})
    return response


# Bodies: scaleway-sdk-go `scw/errors.go` and `scw/errors_test.go`.
@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (412, {"type": "out_of_stock", "resource": "PRO2-S"}, OutOfStock, "PRO2-S"),
        (
            403,
            {"type": "quotas_exceeded", "details": [{"resource": "ip", "quota": 5, "current": 5}]},
            QuotaExceeded,
            "ip 5 5",
        ),
        (
            403,
            {
                "type": "invalid_request_error",
                "message": "Quota exceeded for this resource.",
                "resource": "ips",
            },
            QuotaExceeded,
            "ips",
        ),
        (
            403,
            {"type": "permissions_denied", "details": [{"resource": "instance", "action": "write"}]},
            Permanent,
            "may not do that",
        ),
        (401, {"type": "denied_authentication", "reason": "expired"}, Permanent, "expired"),
        (404, {"type": "unknown_resource", "message": 'Volume "1" not found'}, NotFound, 'Volume "1"'),
        (501, {"message": "unknown service"}, NotFound, "name of the zone"),
        (409, {"type": "transient_state", "current_state": "starting"}, Busy, "starting"),
        (409, {"type": "conflict", "message": "Group is in use."}, Busy, "in use"),
        (
            400,
            {"message": "Validation Error", "fields": {"volumes.5.id": ["92 is not a valid UUID."]}},
            Permanent,
            "volumes.5.id: 92 is not a valid UUID.",
        ),
        (400, {"message": "Validation Error"}, Permanent, "Validation Error"),
        (429, {"message": "slow down"}, RateLimited, "Try again later"),
        (503, "<html>nginx</html>", Unanswered, "HTTP 503"),
        (500, "", Unanswered, "HTTP 500"),
        (302, "", Permanent, "HTTP 302"),
    ],
)
def test_every_refusal_has_a_kind_and_keeps_what_was_said(
    status: int, body: object, kind: type[Exception], said: str
) -> None:
    error = translate(reply(status, body), "GET /x")
    assert type(error) is kind
    assert said in str(error)


def test_a_good_reply_is_no_error() -> None:
    assert translate(reply(200, {}), "GET /x") is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        (
            {
                "retry-after": "Sat, 21 Nov 2026 08:00:09 GMT",
                "date": "Sat, 21 Nov 2026 08:00:00 GMT",
            },
            9.0,
        ),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_both_forms(header: dict[str, str], seconds: float | None) -> None:
    error = translate(reply(429, {}, header), "GET /x")
    assert isinstance(error, RateLimited) and error.after == seconds


def test_a_server_without_a_state_is_not_taken_for_a_running_one() -> None:
    with pytest.raises(Unanswered, match="without its state"):
        scaleway._checked(reply(200, {"server": {"id": "1", "name": "x"}}), "GET /servers/1")
    with pytest.raises(Unanswered, match="without its state"):
        scaleway._checked(reply(200, {"servers": [{"id": "1", "state": ""}]}), "GET /servers")


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_credential_is_named(name: str) -> None:
    with pytest.raises(Permanent, match=name):
        Scaleway(Account(**{**GOOD, name: ""}))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("access_key", "access key"),
        ("secret_key", "secret key"),
        ("organization_id", "organization"),
        ("project_id", "project"),
    ],
)
def test_a_malformed_credential_is_named_and_never_shown(name: str, said: str) -> None:
    with pytest.raises(Permanent) as refused:
        Scaleway(Account(**{**GOOD, name: "hunter2"}))
    assert said in refused.value.subject
    assert "hunter2" not in str(refused.value)


def test_secrets_are_not_in_what_an_account_prints() -> None:
    assert GOOD["secret_key"] not in repr(Account(**GOOD))
