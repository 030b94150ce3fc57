"""A job's requests as an HTTP archive (HAR 1.2), which browsers and other tools open.

What failed without an answer has the status 0, as browsers write it, and says why in `_error`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import medialift


def archive(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The archive of all records of a job; secrets are masked in it, as they are in the records."""
    entries = [_entry(one, document) for document in documents for one in _requests(document)]
    entries.sort(key=lambda one: str(one["startedDateTime"]))
    left_out = sum(int(one.get("left_out") or 0) for one in documents)
    comment = f"{left_out} more requests are counted in the job's record, and not kept" if left_out else ""
    log = {
        "version": "1.2",
        "creator": {"name": "medialift", "version": medialift.__version__},
        "pages": [],
        "entries": entries,
    }
    return {"log": {**log, "comment": comment} if comment else log}


def _requests(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The requests, each with its own body: of those that repeat one, the record has it once."""
    bodies = {one["n"]: one["body"] for one in document.get("requests", ()) if "body" in one}
    for one in document.get("requests", ()):
        body = bodies.get(one.get("body_as_of"))
        yield one if body is None else {**one, "body": body}


def _entry(one: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    whole = _milliseconds(one.get("seconds"))
    wait = min(_milliseconds(one.get("first")), whole) if one.get("first") is not None else whole
    entry: dict[str, Any] = {
        "startedDateTime": one["at"],
        "time": whole,
        "request": _request(one, _version(one, document)),
        "response": _response(one, _version(one, document)),
        "cache": {},
        "timings": {"send": 0, "wait": wait, "receive": round(whole - wait, 3)},
        "_attempt": one.get("attempt", 1),
        "_outcome": one["outcome"],
    }
    if one.get("session"):
        entry["connection"] = str(one["session"])
    if one.get("item"):
        entry["_item"] = one["item"]
    if one.get("error"):
        entry["_error"] = f"{one['error']['kind']}: {one['error']['text']}"
    return entry


def _request(one: Mapping[str, Any], version: str) -> dict[str, Any]:
    query = urlsplit(one["url"]).query
    return {
        "method": one["method"],
        "url": one["url"],
        "httpVersion": version,
        "cookies": [],
        "headers": _headers(one.get("request_headers", ())),
        "queryString": [
            {"name": name, "value": value} for name, value in parse_qsl(query, keep_blank_values=True)
        ],
        "headersSize": -1,
        "bodySize": one.get("sent", 0),
    }


def _response(one: Mapping[str, Any], version: str) -> dict[str, Any]:
    status = one.get("status") or 0
    headers = _headers(one.get("headers", ()))
    by_name = {each["name"].lower(): each["value"] for each in headers}
    content: dict[str, Any] = {
        "size": one.get("received", 0),
        "mimeType": by_name.get("content-type", ""),
    }
    if one.get("body"):
        content["text"] = one["body"]
    return {
        "status": status,
        "statusText": _phrase(status),
        "httpVersion": version,
        "cookies": [],
        "headers": headers,
        "content": content,
        "redirectURL": by_name.get("location", ""),
        "headersSize": -1,
        "bodySize": one.get("received", -1),
    }


def _headers(lines: Sequence[str]) -> list[dict[str, str]]:
    pairs = [line.partition(": ") for line in lines]
    return [{"name": name, "value": value} for name, _, value in pairs]


def _version(one: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    parts = urlsplit(one["url"])
    servers = (document.get("environment") or {}).get("servers", {})
    return str(servers.get(f"{parts.scheme}://{parts.netloc}", {}).get("http", "HTTP/1.1"))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _milliseconds(seconds: Any) -> float:
    return round(1000 * float(seconds or 0.0), 3)
