"""The figures of a migration for Prometheus, out of its status: the same numbers as `books status` shows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from medialift.books.accounts import ACCOUNTS
from medialift.books.status import Status
from medialift.foundation import atomic

_ITEM_STATES = ("ready", "leased", "done", "skipped", "failed", "paused", "cancelled")
_WORKER_STATES = ("running", "draining", "paused", "gone")


def registry(all_of_them: Iterable[Status]) -> CollectorRegistry:
    """Gauges of one or several libraries. What the ledger counts can also fall, so none is a counter."""
    kept = CollectorRegistry()

    def gauge(name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"medialift_books_{name}", what, ("collection", *labels), registry=kept)

    books = gauge("items", "Books by state", "state")
    files = gauge("files", "Files by what became of them", "account")
    size = gauge("bytes", "Bytes by what became of their files", "account")
    reasons = gauge("files_by_reason", "Skipped, failed and cancelled files by reason", "account", "reason")
    per_minute = gauge("files_per_minute", "Files per minute over the last ten minutes")
    bytes_per_minute = gauge("bytes_per_minute", "Bytes per minute over the last ten minutes")
    seconds = gauge("seconds_per_file", "Average time of an upload")
    slow = gauge("slow_uploads", "Uploads that took longer than two minutes")
    left = gauge("seconds_left", "Until all is done at the present speed; -1 when nothing moves")
    workers = gauge("workers", "Workers by state", "state")
    paused = gauge("paused", "1 when it is paused by hand, or outside of its hours")
    for one in all_of_them:
        name = one.collection
        counts = one.items.to_dict()
        for state in _ITEM_STATES:
            books.labels(name, state).set(counts[state])
        for account in ACCOUNTS:
            files.labels(name, account).set(one.accounts.of(account).files)
            size.labels(name, account).set(one.accounts.of(account).bytes)
            for kind, count in one.accounts.reasons(account).items():
                if kind:
                    reasons.labels(name, account, kind).set(count.files)
        per_minute.labels(name).set(one.speed.files_per_minute)
        bytes_per_minute.labels(name).set(one.speed.bytes_per_minute)
        if one.seconds_per_file is not None:
            seconds.labels(name).set(one.seconds_per_file)
        slow.labels(name).set(one.speed.slow)
        left.labels(name).set(-1 if one.speed.seconds_left is None else one.speed.seconds_left)
        for state in _WORKER_STATES:
            workers.labels(name, state).set(sum(worker.state == state for worker in one.workers))
        paused.labels(name).set(one.control.rests)
    return kept


def text(all_of_them: Iterable[Status]) -> bytes:
    """All of them in Prometheus' text format."""
    return generate_latest(registry(all_of_them))


def write(path: Path, all_of_them: Iterable[Status]) -> None:
    """Replace the file in one step; the name must end in .prom for node_exporter to read it.

    Raises:
        OSError: it cannot be written; the old one is left.
    """
    atomic.write_bytes(path, text(all_of_them))
