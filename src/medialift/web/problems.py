"""What went wrong, as RFC 9457 tells it to programs and as a page tells it to people.

Every answer of 4xx and 5xx under /api, /metrics and /health is application/problem+json:
{type, title, status, detail, instance, kind, what, subject, hint}, and `errors` where input was wrong. Every
other path answers with a page that says the same three sentences.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from medialift.errors import MedialiftError, Permanent, Transient, Unsafe
from medialift.foundation.text import redact
from medialift.queueing.database import unreachable
from medialift.web.access.refusals import Taken, TooMany, Unknown
from medialift.web.context import context_of

_log = logging.getLogger(__name__)
_STATUS: Mapping[type[MedialiftError], int] = {
    Unknown: 404,
    Taken: 409,
    TooMany: 429,
    Permanent: 400,
    Unsafe: 409,
    Transient: 503,
}
_AGAIN_SECONDS = 5
_ERRORS_SHOWN = 20


class ProblemDetails(BaseModel):
    """An answer that is an error."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    kind: str
    what: str
    subject: str = ""
    hint: str = ""
    errors: list[str] | None = None


_WORDS = {
    400: "what was asked for cannot be done",
    401: "nobody is logged in, or the token is not taken",
    403: "not allowed with this scope, or a form without its token",
    404: "there is no such thing",
    409: "refused, to protect a library",
    413: "too large",
    422: "what was given is not what is asked for",
    428: "it cannot be undone and was not confirmed",
    429: "too many tries",
    503: "the database does not answer",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a router or a handler: these errors may be answered."""
    return {
        status: {
            "model": ProblemDetails,
            "description": _WORDS[status],
            "content": {"application/problem+json": {}},
        }
        for status in statuses
    }


PROBLEMS = problems(400, 401, 403, 404, 409, 422, 429, 503)
"""What any handler may answer."""


class Problem(Exception):
    """An answer that is an error, with its status.

    Args:
        what, subject, hint: as of `MedialiftError`.
        headers: to be sent with it, such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        what: str,
        subject: str = "",
        hint: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        errors: list[str] | None = None,
        kind: str = "",
    ) -> None:
        super().__init__(what)
        self.kind = kind or {503: "transient", 409: "unsafe"}.get(status, "permanent")
        self.status, self.what, self.subject, self.hint = status, what, subject, hint
        self.headers = dict(headers or {})
        self.errors = errors


class Missing(Problem):
    """404: there is no such thing."""

    def __init__(self, what: str, subject: object = "", hint: str = "") -> None:
        super().__init__(404, what, str(subject), hint)


def install(app: FastAPI) -> None:
    """Have all errors of an app answered in this way."""
    app.add_exception_handler(Problem, _answer)
    app.add_exception_handler(MedialiftError, _answer)
    app.add_exception_handler(RequestValidationError, _answer)
    app.add_exception_handler(HTTPException, _answer)
    app.add_exception_handler(DBAPIError, _answer)
    app.add_exception_handler(PoolTimeout, _answer)
    app.add_exception_handler(UnicodeEncodeError, _answer)
    app.add_exception_handler(Exception, _unforeseen)


def of(error: Exception) -> Problem:
    """What an error is answered with."""
    match error:
        case Problem():
            return error
        case MedialiftError():
            status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
            seconds = ceil(getattr(error, "seconds", _AGAIN_SECONDS))
            again = {"Retry-After": str(seconds)} if isinstance(error, Transient) else None
            return Problem(status, error.what, error.subject, error.hint, headers=again, kind=error.kind)
        case RequestValidationError():
            return Problem(422, "This cannot be used", hint="Correct what is named", errors=_wrong(error))
        case HTTPException():
            phrase = HTTPStatus(error.status_code).phrase
            return Problem(
                error.status_code,
                "There is no such page" if error.status_code == 404 else str(error.detail or phrase),
                headers=error.headers,
            )
        case DataError() | UnicodeEncodeError():
            return Problem(422, "A text holds signs that the database cannot hold", hint="Leave them out")
        case OperationalError() if getattr(error.orig, "sqlstate", None) == "57014":
            return Problem(
                503,
                "The answer took too long",
                hint="Ask for less, or later",
                headers={"Retry-After": str(_AGAIN_SECONDS)},
            )
        case OperationalError():
            return of(unreachable(error))
        case PoolTimeout():
            return of(Transient("Too much is asked at once", "", "Ask again in a moment"))
        case _:
            return Problem(500, "Something went wrong here", hint="See the log of the dashboard")


def response(request: Request, problem: Problem) -> Response:
    """The answer: JSON for programs, a page for people."""
    if for_programs(request):
        return JSONResponse(
            _details(request, problem).model_dump(exclude_none=True),
            problem.status,
            problem.headers,
            "application/problem+json",
        )
    page = context_of(request).templates.get_template("problem.html")
    caller = getattr(request.state, "caller", None)
    return HTMLResponse(
        page.render(
            request=request,
            problem=_details(request, problem),
            caller=caller,
            csrf=caller.csrf if caller else "",
        ),
        problem.status,
        problem.headers,
    )


async def _answer(request: Request, error: Exception) -> Response:
    if isinstance(error, DBAPIError) and not isinstance(error, DataError | OperationalError):
        return await _unforeseen(request, error)
    return response(request, of(error))


async def _unforeseen(request: Request, error: Exception) -> Response:
    # The route and not the address, which may hold whatever somebody typed.
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return response(request, of(error))


def _details(request: Request, problem: Problem) -> ProblemDetails:
    said = ": ".join(part for part in (problem.what, problem.subject) if part)
    return ProblemDetails(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=redact(f"{said}. {problem.hint}." if problem.hint else f"{said}."),
        instance=request.url.path,
        kind=problem.kind,
        what=problem.what,
        subject=redact(problem.subject),
        hint=problem.hint,
        errors=problem.errors,
    )


def _wrong(error: RequestValidationError) -> list[str]:
    """Each fault as "query.limit: Input should be less than or equal to 500"; never what was given."""
    return [
        f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
        for one in error.errors()[:_ERRORS_SHOWN]
    ]


def for_programs(request: Request) -> bool:
    """Whether programs ask there, which get JSON."""
    return request.url.path.removeprefix(request.scope.get("root_path", "")).startswith(
        ("/api/", "/metrics", "/health")
    )
