"""What openapi.json says besides the routes: how lists are paged, how often to ask, what goes wrong."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

TEXT = """
Everything that runs in the house: queues, workers, healing, mounts, bursts, posters.

**Values.** Times are ISO 8601 in UTC, sizes bytes, durations seconds. What is not known is `null` or `""`.

**Lists** are `{"items": [...], "next": cursor}`. Send `next` back as `cursor`; on the last page it is `null`.
A cursor stays good while rows come and go, and belongs to its list: elsewhere it is answered with 400. Where
nothing is, a list is empty.

**How often to ask.** Lists and `/api/v1/status` every five to ten seconds at most, `/metrics` every 15.
Whoever wants to know sooner listens to `/api/v1/events`, which says what changed, and asks then. Counts of a
ledger with many thousands of items are as of `counted_at`, a few seconds ago.

**Errors** are RFC 9457 problems (`application/problem+json`) that say in `what`, `subject` and `hint` what
happened, to which object, and what to do. 503 has `Retry-After`: ask again then. Another 4xx will be the same
next time.

**Access.** Send a token as `Authorization: Bearer mlt_…`. `read` looks, `act` changes how things run, `admin`
says who may.

**Versions.** Under `/api/v1` fields and routes are added and never change their meaning or go away; what has
to change otherwise comes as `/api/v2` beside it.
"""

TAGS = {
    "status": "How everything stands, in the numbers that the commands tell.",
    "queue": "Items of all pipelines: lists, and one with all that is known of it.",
    "actions": "Changing how things run: try again, cancel, hold, approve, override. Each is in the audit.",
    "workers": "Workers of all hosts.",
    "healing": "What the healing found, decided and did.",
    "mounts": "Monitored mounts of all hosts.",
    "bursts": "Bursts of Plex, and where their controllers tell of them.",
    "posters": "Posters of Jellyfin: batches of downloads and uploads.",
    "batch debug": "The record of a job's HTTP traffic.",
    "notifications": "Where notices go.",
    "access": "People, tokens and sessions.",
    "audit": "Who changed what.",
    "events": "Server-sent events: what changed.",
    "health": "For machines: health and figures.",
}

_PROBLEM = {"$ref": "#/components/schemas/ProblemDetails"}


def describe(app: FastAPI) -> None:
    """Have the description of an app tell all of this, too."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(made: dict[str, Any]) -> dict[str, Any]:
    used = set()
    for path in made["paths"].values():
        for operation in path.values():
            used.update(operation.get("tags", ()))
            if "requestBody" in operation:
                operation["responses"].setdefault("413", {"description": "It is larger than 4 MB."})
            for status, response in operation["responses"].items():
                if status[0] in "45" and _is_problem(response):
                    response["content"] = {"application/problem+json": {"schema": _PROBLEM}}
    made["tags"] = [{"name": name, "description": words} for name, words in TAGS.items() if name in used]
    made.setdefault("servers", [{"url": "/", "description": "This dashboard"}])
    return made


def _is_problem(response: dict[str, Any]) -> bool:
    """Also what FastAPI writes down by itself for wrong input, which is answered as a problem here."""
    if not response.get("content"):
        return str(response["description"]).startswith("It is larger")
    told = [one.get("schema", {}).get("$ref", "") for one in response["content"].values()]
    return any(one.endswith(("/ProblemDetails", "/HTTPValidationError")) for one in told)
