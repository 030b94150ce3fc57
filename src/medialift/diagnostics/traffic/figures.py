"""A job's traffic in numbers. They are complete, however many requests there were, and can be added up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

OK, EXPECTED, FAILED, CANCELLED, UNFINISHED = "ok", "expected", "failed", "cancelled", "unfinished"
UNUSABLE = "unusable"
"""The reason of a failure that no status tells: what came could not be used."""
EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_EXAMPLES, _ITEMS = 3, 2000
_ITEMS_SHOWN = 30


@dataclass
class Figures:
    """Counts of what became of requests.

    Attributes:
        ok: answered below 400. expected: answered by a status that is an answer in this pipeline, such as 404
            to the question whether something is there. failed: by any other, or not at all.
        unusable: those of `failed` that were answered well with what could not be used.
        cancelled: given up by us. unfinished: under way when the record ended.
        retried: requests that were an attempt after a failed one. recovered: those of them that went well.
        bad_status: failures by the status of their answer. by_error: those without a whole answer, by kind.
        recovered_by: failures by status or kind that a later attempt made good.
        buckets: requests by their seconds, up to each of `EDGES` and beyond.
        resent: requests that the client sent more than once by itself.
        sessions_created, sessions_reused: requests that made a session, and those that found one.
        failed_new, failed_reused: network failures on new connections, and on those used before.
        retry_after: the longest that a server asked us to wait, in seconds.
        examples: by status or kind of error, what identifies the first few.
        items: {item: [failures, the last outcome]} of items with a failure.
    """

    requests: int = 0
    ok: int = 0
    expected: int = 0
    failed: int = 0
    unusable: int = 0
    cancelled: int = 0
    unfinished: int = 0
    retried: int = 0
    recovered: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    bad_status: dict[str, int] = field(default_factory=dict)
    by_error: dict[str, int] = field(default_factory=dict)
    recovered_by: dict[str, int] = field(default_factory=dict)
    by_method: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    slowest: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    sent: int = 0
    received: int = 0
    resent: int = 0
    sessions_created: int = 0
    sessions_reused: int = 0
    connections_new: int = 0
    connections_reused: int = 0
    failed_new: int = 0
    failed_reused: int = 0
    retry_after: float = 0.0
    legacy_key: int = 0
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    items: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Count a request as its record has it."""
        outcome, status, error = entry["outcome"], entry.get("status"), entry.get("error")
        self.requests += 1
        setattr(self, outcome, getattr(self, outcome) + 1)
        _count(self.by_method, entry["method"])
        if status is not None:
            _count(self.by_status, str(status))
        if outcome == FAILED:
            reason = (self.by_error, error["kind"]) if error is not None else (self.bad_status, str(status))
            _count(*reason)
        seconds = entry.get("seconds") or 0.0
        self.seconds += seconds
        self.slowest = max(self.slowest, seconds)
        self.buckets[bisect_left(EDGES, seconds)] += 1
        self.sent += entry.get("sent") or 0
        self.received += entry.get("received") or 0
        self.resent += entry.get("sends", 1) > 1
        self.retry_after = max(self.retry_after, entry.get("retry_after") or 0.0)
        self.legacy_key += bool(entry.get("legacy_key"))
        self._connections(entry, outcome, error)
        self._attempts(entry, outcome)
        if outcome == FAILED:
            self._example(error["kind"] if error is not None else str(status), entry)
        self._item(entry.get("item"), outcome)

    def reject(self, told: Mapping[str, Any]) -> None:
        """What a request brought, which was counted as one that went well, cannot be used.

        Args:
            told: {n, item, method, url, why, after}, the last as its record has it.
        """
        self.ok -= 1
        self.failed += 1
        self.unusable += 1
        if told.get("after"):
            # It seemed to make these good.
            self.recovered -= 1
            for reason in told["after"]:
                _count(self.recovered_by, reason, -1)
        self._example(UNUSABLE, {**told, "error": {"text": told["why"]}})
        self._item(told.get("item"), FAILED)

    def merge(self, other: Figures) -> None:
        """Add what another record of the same job has."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if name in ("slowest", "retry_after"):
                setattr(self, name, max(mine, value))
            elif isinstance(value, int | float):
                setattr(self, name, mine + value)
        for name in ("by_status", "bad_status", "by_error", "recovered_by", "by_method"):
            for key, count in getattr(other, name).items():
                _count(getattr(self, name), key, count)
        self.buckets = [one + more for one, more in zip(self.buckets, other.buckets, strict=True)]
        for key, found in other.examples.items():
            self.examples[key] = [*self.examples.get(key, ()), *found][:_EXAMPLES]
        for item, (failures, last) in other.items.items():
            before = self.items.get(item, [0, last])
            self.items[item] = [before[0] + failures, last]

    @property
    def good(self) -> int:
        """Requests that were answered as they should be."""
        return self.ok + self.expected

    @property
    def judged(self) -> int:
        """Requests that say something of the server."""
        return self.good + self.failed

    @property
    def success_percent(self) -> float | None:
        """Of those that were answered or failed; None when there is none."""
        return round(100 * self.good / self.judged, 1) if self.judged else None

    def within(self, share: float) -> float | None:
        """Seconds in which this share of the requests ended, as one of `EDGES`, or the slowest's."""
        wanted, seen = share * self.requests, 0
        for edge, count in zip((*EDGES, self.slowest), self.buckets, strict=True):
            seen += count
            if count and seen >= wanted:
                return round(min(edge, self.slowest), 4)
        return None

    def to_dict(self) -> dict[str, Any]:
        """As JSON; of the items only so many as help."""
        told = asdict(self)
        told["seconds"] = round(self.seconds, 4)
        told["items"] = dict(sorted(self.items.items(), key=lambda one: -one[1][0])[:_ITEMS_SHOWN])
        return told

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Figures:
        """From what `to_dict` told; what a later release added is left out."""
        known = {name: told[name] for name in cls.__dataclass_fields__ if name in told}
        return cls(**known)

    @classmethod
    def sum(cls, all_of: Iterable[Figures]) -> Figures:
        total = cls()
        for one in all_of:
            total.merge(one)
        return total

    def _connections(self, entry: Mapping[str, Any], outcome: str, error: Mapping[str, Any] | None) -> None:
        self.sessions_created += bool(entry.get("session_new"))
        self.sessions_reused += not entry.get("session_new")
        connection = entry.get("connection")
        if connection:
            new = connection == "new"
            self.connections_new += new
            self.connections_reused += not new
            broken = outcome == FAILED and error is not None
            self.failed_new += broken and new
            self.failed_reused += broken and not new

    def _attempts(self, entry: Mapping[str, Any], outcome: str) -> None:
        before = entry.get("after") or ()
        self.retried += bool(before)
        if before and outcome in (OK, EXPECTED):
            self.recovered += 1
            for reason in before:
                _count(self.recovered_by, reason)

    def _example(self, reason: str, entry: Mapping[str, Any]) -> None:
        examples = self.examples.setdefault(reason, [])
        if len(examples) < _EXAMPLES:
            examples.append(
                {
                    "request": entry["n"],
                    "what": f"{entry['method']} {entry['url'][:160]}",
                    **({"item": entry["item"]} if entry.get("item") else {}),
                    **({"said": entry["body"][:120]} if entry.get("body") else {}),
                    **({"error": entry["error"]["text"][:120]} if entry.get("error") else {}),
                }
            )

    def _item(self, item: str | None, outcome: str) -> None:
        if not item or outcome in (CANCELLED, UNFINISHED):
            return
        known = self.items.get(item)
        if known is not None:
            known[0] += outcome == FAILED
            known[1] = outcome
        elif outcome == FAILED and len(self.items) < _ITEMS:
            self.items[item] = [1, outcome]


def _count(where: dict[str, int], key: str, by: int = 1) -> None:
    where[key] = where.get(key, 0) + by
