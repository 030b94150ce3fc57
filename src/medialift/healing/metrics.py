"""The healing's figures for Prometheus, read from the ledger when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import Connection, text

from medialift.healing import care, rounds
from medialift.healing.care import Care
from medialift.healing.rounds import LastRound
from medialift.queueing.metrics import told
from medialift.queueing.schema import CARE_STATES

_WORKER = ["host", "pipeline", "worker"]
# What is older is cleared away some day: a counter would go backwards.
_DAY = text(
    """
select host, pipeline, what, outcome, count(*) as entries from finding
 where at > now() - interval '1 day' group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""
)
_SIZES = text("select host, pipeline, desired from crew_size order by 1, 2")
_USAGE = text("select tokens, asked from model_usage where day = (now() at time zone 'utc')::date")


def exposition(connection: Connection) -> bytes:
    """All figures of the healing of all hosts, in Prometheus' text format."""
    return told(collected(connection))


def collected(connection: Connection) -> Iterator[Metric]:
    """The same, for a registry that has other figures too."""
    yield from of_care(care.listed(connection))
    yield from of_rounds(rounds.listed(connection))
    history = _gauge(
        "history_last_day",
        "Entries of the history in the last 24 hours",
        ["host", "pipeline", "what", "outcome"],
    )
    for row in connection.execute(_DAY):
        history.add_metric([row.host, row.pipeline, row.what, row.outcome], row.entries)
    sizes = _gauge("desired_workers", "Workers that are to run", ["host", "pipeline"])
    for row in connection.execute(_SIZES):
        sizes.add_metric([row.host, row.pipeline], row.desired)
    usage = connection.execute(_USAGE).one_or_none()
    tokens = _gauge("model_tokens_today", "Tokens that the language model took today (UTC)", [])
    tokens.add_metric([], 0 if usage is None else usage.tokens)
    asked = _gauge("model_questions_today", "Questions to the language model today (UTC)", [])
    asked.add_metric([], 0 if usage is None else usage.asked)
    yield from (history, sizes, tokens, asked)


def of_care(cared: Iterable[Care]) -> Iterator[Metric]:
    """How it stands with each worker that something was ever done to."""
    state = _gauge("worker_state", "1 for how it stands with the worker", [*_WORKER, "state"])
    attempts = _gauge("worker_attempts", "Remedies in a row that did not help the worker", _WORKER)
    paused = _gauge("worker_paused", "1 for the cause for which the worker is paused", [*_WORKER, "cause"])
    for one in cared:
        names = [one.host, one.pipeline, one.worker]
        for possible in CARE_STATES:
            state.add_metric([*names, possible], float(one.state == possible))
        attempts.add_metric(names, one.attempts)
        if one.paused:
            paused.add_metric([*names, one.cause or "by hand"], 1.0)
    yield from (state, attempts, paused)


def of_rounds(found: Iterable[LastRound]) -> Iterator[Metric]:
    """When each host's healing looked last, and what it saw."""
    age = _gauge("round_age_seconds", "Since the last round of the healing", ["host"])
    workers = _gauge("workers_seen", "Workers that the last round looked at", ["host"])
    stuck = _gauge("workers_stuck", "Workers that the last round found stuck", ["host"])
    for one in found:
        age.add_metric([one.host], one.age)
        workers.add_metric([one.host], one.workers)
        stuck.add_metric([one.host], one.stuck)
    yield from (age, workers, stuck)


def _gauge(name: str, words: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"medialift_healing_{name}", words, labels=labels)
