"""What to do about a job's failures, each with what it follows from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from medialift.diagnostics.traffic.figures import UNUSABLE, Figures
from medialift.diagnostics.traffic.patterns import (
    CHURN,
    FORBIDDEN,
    INVALID_IDS,
    MOSTLY,
    NETWORK,
    OVERLOAD,
    RATE_LIMIT,
    SERVER_ERROR,
    UNAUTHORIZED,
    Pattern,
)

_BAD_PERCENT = 80.0
_MANY = 0.2
_SLOW_SECONDS = 5.0


@dataclass(frozen=True)
class Knobs:
    """What a pipeline calls the things that can be changed."""

    alone: str = "Work on one item at a time"
    pace: str = "the time between two requests"
    session: str = ""
    key: str = "the key or the password"
    rescan: str = "Have the server look through its library again, and choose the items anew"
    content: str = "Look at these items on the server: what it sends of them is damaged"


_KNOBS: Mapping[str, Knobs] = {
    "posters": Knobs(
        alone="Download them one by one: posters.concurrency = 1",
        pace="posters.interval",
        session="posters.session",
        key="posters.key_file",
        rescan="Scan the library in Jellyfin, and choose the items anew: some of them are there no more",
        content="Look at these pictures in Jellyfin and have it fetch them anew: what it sends is damaged",
    ),
    "books": Knobs(
        alone="Bring one file at a time: medialift books control --parallel 1",
        pace="books.parallel_uploads and the number of workers",
        key="books.user and books.password",
        rescan="Look at the library again: medialift books plan",
    ),
    "audiobooks": Knobs(
        alone="Work on one book at a time: audiobooks.parallel_books = 1",
        pace="audiobooks.tagging.requests_per_minute",
        key="audiobooks.tagging.token_file",
        rescan="Say which book it is: medialift audiobooks tag NAME --set asin=…",
    ),
}


@dataclass(frozen=True)
class Recommendation:
    """One thing to do.

    Attributes:
        action: its kind: key, legacy_header, rescan, content, slower, individual_mode, smaller_batches,
            per_request_sessions, shared_session, server_log, reachable.
        text: what to do, a sentence. setting: the setting that it is about; "" when it is none.
        evidence: the figures and requests that it follows from.
    """

    action: str
    text: str
    setting: str
    evidence: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def recommendations(
    figures: Figures, found: list[Pattern], *, pipeline: str, seconds: float, environment: Mapping[str, Any]
) -> list[Recommendation]:
    """What to do, the most certain first; nothing when nothing is wrong."""
    knobs = _KNOBS.get(pipeline, Knobs())
    by_kind = {one.kind: one for one in found}
    advisers = (
        _key(figures, by_kind, knobs),
        _ids(by_kind, knobs),
        _content(by_kind, knobs),
        _pace(figures, by_kind, knobs, seconds, environment),
        _sessions(figures, by_kind, knobs),
        _network(figures, by_kind),
        _server(by_kind),
        _batch(figures, by_kind, knobs),
    )
    return [one for advice in advisers for one in advice]


def _key(figures: Figures, found: Mapping[str, Pattern], knobs: Knobs) -> Iterator[Recommendation]:
    refused = [found[kind] for kind in (UNAUTHORIZED, FORBIDDEN) if kind in found]
    # A token that had run out and was renewed is nobody's to mend.
    lasting = [one for one in refused if one.recovered < one.count]
    if not lasting:
        return
    evidence = {**_evidence(figures, *lasting), "statuses": sorted({one.kind for one in lasting})}
    if figures.legacy_key:
        yield Recommendation(
            "legacy_header",
            'Send the key as `Authorization: MediaBrowser Token="…"`: Jellyfin does not take the older '
            "headers any more unless it is told to",
            knobs.key,
            {**evidence, "requests_with_an_older_header": figures.legacy_key},
        )
    text = (
        "Give the user of the key the right to do this"
        if all(one.kind == FORBIDDEN for one in lasting)
        else "See whether the key is the right one and still valid"
    )
    yield Recommendation("key", f"{text}: {knobs.key}", knobs.key, evidence)


def _ids(found: Mapping[str, Pattern], knobs: Knobs) -> Iterator[Recommendation]:
    pattern = found.get(INVALID_IDS)
    if pattern is not None and pattern.recovered < pattern.count:
        yield Recommendation("rescan", knobs.rescan, "", {**_of(pattern), "items": list(pattern.items)})


def _content(found: Mapping[str, Pattern], knobs: Knobs) -> Iterator[Recommendation]:
    pattern = found.get(UNUSABLE)
    if pattern is not None and pattern.recovered < pattern.count:
        yield Recommendation("content", knobs.content, "", {**_of(pattern), "items": list(pattern.items)})


def _pace(
    figures: Figures,
    found: Mapping[str, Pattern],
    knobs: Knobs,
    seconds: float,
    environment: Mapping[str, Any],
) -> Iterator[Recommendation]:
    busy = [found[kind] for kind in (RATE_LIMIT, OVERLOAD) if kind in found]
    timeouts = figures.by_error.get("timeout", 0)
    if not busy and timeouts < max(2, _MANY * figures.judged):
        return
    spacing = seconds / figures.requests if figures.requests else 0.0
    wanted = max(2 * spacing, 0.2)
    evidence = {
        **_evidence(figures, *busy),
        "timeouts": timeouts,
        "seconds_between_requests": round(spacing, 3),
        "suggested_seconds": round(wanted, 2),
    }
    if figures.retry_after:
        evidence["server_asked_to_wait_seconds"] = figures.retry_after
    given = environment.get("settings")
    if isinstance(given, Mapping):
        evidence["settings"] = dict(given)
    text = f"Ask more slowly: leave {wanted:.2g} s between two requests (they were {spacing:.2g} s apart)"
    yield Recommendation("slower", f"{text}: {knobs.pace}", knobs.pace, evidence)


def _sessions(figures: Figures, found: Mapping[str, Pattern], knobs: Knobs) -> Iterator[Recommendation]:
    new, reused = figures.connections_new, figures.connections_reused
    on_reused = figures.failed_reused / reused if reused else 0.0
    on_new = figures.failed_new / new if new else 0.0
    evidence = {
        "failed_on_reused_connections": figures.failed_reused,
        "reused_connections": reused,
        "failed_on_new_connections": figures.failed_new,
        "new_connections": new,
        "sessions_created": figures.sessions_created,
    }
    breaks = figures.by_error.get("reset", 0) + figures.by_error.get("truncated", 0)
    if breaks >= 2 and figures.failed_reused >= 2 and on_reused > 2 * on_new:
        yield Recommendation(
            "per_request_sessions",
            "Use a new session for each request: it is connections used before that break"
            + (f": {knobs.session} = per_request" if knobs.session else ""),
            knobs.session,
            {**evidence, "breaks": breaks},
        )
    elif CHURN in found and figures.failed and figures.by_error:
        yield Recommendation(
            "shared_session",
            "Use one session for all requests: new ones fail, and each costs the server a connection"
            + (f": {knobs.session} = shared" if knobs.session else ""),
            knobs.session,
            evidence,
        )


def _network(figures: Figures, found: Mapping[str, Pattern]) -> Iterator[Recommendation]:
    pattern = found.get(NETWORK)
    unreached = {
        kind: count
        for kind, count in figures.by_error.items()
        if kind in ("connect", "name", "certificate", "reset", "truncated", "protocol", "other")
    }
    if pattern is None or not unreached or pattern.recovered >= pattern.count:
        return
    texts = {
        "name": "See whether the name of the server is right and can be resolved on this host",
        "certificate": "See to the server's certificate, or use the address that it is made for",
        "connect": "See whether the server runs and listens at this address and port",
    }
    worst = max(unreached, key=lambda kind: unreached[kind])
    text = texts.get(worst, "See whether the server restarts, and what lies between: a proxy, a firewall")
    yield Recommendation("reachable", text, "", {**_of(pattern), "errors": dict(figures.by_error)})


def _server(found: Mapping[str, Pattern]) -> Iterator[Recommendation]:
    broken = [found[kind] for kind in (SERVER_ERROR, OVERLOAD) if kind in found]
    if broken:
        first = broken[0]
        yield Recommendation(
            "server_log", "Look at the server's log at the moments of these requests", "", _of(first)
        )


def _batch(figures: Figures, found: Mapping[str, Pattern], knobs: Knobs) -> Iterator[Recommendation]:
    percent = figures.success_percent
    if percent is None or percent >= _BAD_PERCENT:
        return
    evidence = {
        "success_rate_percent": percent,
        "failed": figures.failed,
        "of": figures.judged,
        "items_failing": sum(last == "failed" for _, last in figures.items.values()),
    }
    if MOSTLY in found:
        yield Recommendation(
            "individual_mode",
            f"{knobs.alone}, so that what fails is seen by itself, and look at the server's log",
            "",
            evidence,
        )
    else:
        yield Recommendation("smaller_batches", "Take batches of 10 to 20 items, more slowly", "", evidence)


def _evidence(figures: Figures, *patterns: Pattern) -> dict[str, Any]:
    return {
        "count": sum(one.count for one in patterns),
        "of": figures.judged,
        "recovered": sum(one.recovered for one in patterns),
        "examples": [example for one in patterns for example in one.examples][:5],
    }


def _of(pattern: Pattern) -> dict[str, Any]:
    return {
        "count": pattern.count,
        "of": pattern.of,
        "recovered": pattern.recovered,
        "examples": list(pattern.examples),
    }
