"""What the failures of a job have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from medialift.diagnostics.traffic.figures import UNUSABLE, Figures

INVALID_IDS, UNAUTHORIZED, FORBIDDEN = "invalid_ids", "unauthorized", "forbidden"
RATE_LIMIT, OVERLOAD, SERVER_ERROR, REFUSED = "rate_limit", "overload", "server_error", "refused"
NETWORK, CHURN, MOSTLY, OFTEN = "network", "session_churn", "mostly_failing", "often_failing"

_STATUSES = {
    "400": INVALID_IDS,
    "404": INVALID_IDS,
    "410": INVALID_IDS,
    "401": UNAUTHORIZED,
    "403": FORBIDDEN,
    "429": RATE_LIMIT,
    "502": OVERLOAD,
    "503": OVERLOAD,
    "504": OVERLOAD,
}
_SENTENCES = {
    INVALID_IDS: "The server does not know what it is asked for, or takes the question for none",
    UNAUTHORIZED: "The server does not take the key",
    FORBIDDEN: "The server takes the key, and does not allow this to it",
    RATE_LIMIT: "The server has had too many requests",
    OVERLOAD: "The server, or what stands before it, is overloaded or away",
    SERVER_ERROR: "The server breaks over requests",
    REFUSED: "The server refuses requests as they are",
    UNUSABLE: "The server says that all is well, and what it sends cannot be used",
    NETWORK: "Requests got no answer, or not all of it",
    CHURN: "Sessions are made over and over instead of being used again",
    MOSTLY: "More than half of the requests fail",
    OFTEN: "More than one request in five fails",
}
_CHURN_SESSIONS = 10


@dataclass(frozen=True)
class Pattern:
    """Failures of one kind.

    Attributes:
        what: a sentence. count: how many, `of` that many requests.
        recovered: so many of them did well at a later attempt.
        items: of which items they are, as far as that is known.
    """

    kind: str
    what: str
    count: int
    of: int
    recovered: int = 0
    detail: tuple[tuple[str, int], ...] = ()
    examples: tuple[dict[str, Any], ...] = ()
    items: tuple[str, ...] = ()

    @property
    def percent(self) -> float:
        return round(100 * self.count / self.of, 1) if self.of else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "percent": self.percent,
            "detail": dict(self.detail),
            "examples": list(self.examples),
            "items": list(self.items),
        }


def patterns(figures: Figures) -> list[Pattern]:
    """All that there are, those with most failures first."""
    found = [*_of_answers(figures), *_of_content(figures), *_of_the_network(figures)]
    found.sort(key=lambda one: -one.count)
    return [*_of_the_whole(figures), *found, *_of_sessions(figures)]


def kind_of_status(status: str) -> str:
    """The pattern that a failed answer of this status belongs to."""
    return _STATUSES.get(status, SERVER_ERROR if status.startswith("5") else REFUSED)


def _of_answers(figures: Figures) -> Iterator[Pattern]:
    by_kind: dict[str, dict[str, int]] = {}
    for status, count in figures.bad_status.items():
        by_kind.setdefault(kind_of_status(status), {})[status] = count
    for kind, counts in by_kind.items():
        yield _pattern(figures, kind, counts)


def _of_content(figures: Figures) -> Iterator[Pattern]:
    if figures.unusable:
        yield _pattern(figures, UNUSABLE, {UNUSABLE: figures.unusable})


def _of_the_network(figures: Figures) -> Iterator[Pattern]:
    if figures.by_error:
        yield _pattern(figures, NETWORK, figures.by_error)


def _of_the_whole(figures: Figures) -> Iterator[Pattern]:
    percent = figures.success_percent
    if percent is not None and percent < 80.0:
        kind = MOSTLY if percent < 50.0 else OFTEN
        yield Pattern(kind, _SENTENCES[kind], figures.failed, figures.judged, figures.recovered)


def _of_sessions(figures: Figures) -> Iterator[Pattern]:
    created = figures.sessions_created
    if created >= _CHURN_SESSIONS and 2 * created > figures.requests:
        yield Pattern(CHURN, _SENTENCES[CHURN], created, figures.requests)


def _pattern(figures: Figures, kind: str, counts: dict[str, int]) -> Pattern:
    examples = [one for reason in counts for one in figures.examples.get(reason, ())]
    return Pattern(
        kind,
        _SENTENCES[kind],
        sum(counts.values()),
        figures.judged,
        sum(min(count, figures.recovered_by.get(reason, 0)) for reason, count in counts.items()),
        tuple(sorted(counts.items(), key=lambda one: -one[1])),
        tuple(examples[:5]),
        _items(examples),
    )


def _items(examples: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one["item"] for one in examples if one.get("item")))
