"""The queue's figures for Prometheus, read from the ledger when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, text

from medialift.queueing import control, ledger, workers
from medialift.queueing.control import Control
from medialift.queueing.ledger import Counts
from medialift.queueing.schema import ITEM_STATES, WORKER_STATES
from medialift.queueing.workers import Speed, Worker

_QUEUE = ["pipeline", "collection"]
_JOBS = text("select status::text as status, count(*) as jobs from procrastinate_jobs group by 1 order by 1")


class _Read(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def exposition(connection: Connection) -> bytes:
    """All figures of all pipelines, in Prometheus' text format."""
    return told(collected(connection))


def told(metrics: Iterable[Metric]) -> bytes:
    """Figures in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Read(metrics))
    return generate_latest(registry)


def collected(
    connection: Connection, counted: Iterable[tuple[str, str, Counts]] | None = None
) -> Iterator[Metric]:
    """The same, for a registry that has other figures too.

    Args:
        counted: the items of each queue, by whoever counted them a moment ago.
    """
    queues = ledger.queues(connection)
    yield from of_items(counted or [(*queue, ledger.counts(connection, *queue)) for queue in queues])
    yield from of_speed([(*queue, workers.speed(connection, *queue)) for queue in queues])
    yield from of_control([(*queue, control.read(connection, *queue)) for queue in queues])
    yield from of_workers(workers.listed(connection))
    jobs = _gauge("jobs", "Jobs of the doorbell by status", ["status"])
    for row in connection.execute(_JOBS):
        jobs.add_metric([row.status], row.jobs)
    yield jobs


def of_items(counted: Iterable[tuple[str, str, Counts]]) -> Iterator[Metric]:
    """Items by state, and what is left of them."""
    items = _gauge("items", "Items by state", [*_QUEUE, "state"])
    waiting = _gauge("items_waiting", "Items that are to be tried again later", _QUEUE)
    files = _gauge("files_left", "Files of the items that are not ended yet", _QUEUE)
    size = _gauge("bytes_left", "Bytes of the items that are not ended yet", _QUEUE)
    for pipeline, collection, counts in counted:
        for state in ITEM_STATES:
            items.add_metric([pipeline, collection, state], getattr(counts, state))
        waiting.add_metric([pipeline, collection], counts.waiting)
        files.add_metric([pipeline, collection], counts.files_left)
        size.add_metric([pipeline, collection], counts.bytes_left)
    yield from (items, waiting, files, size)


def of_speed(measured: Iterable[tuple[str, str, Speed]]) -> Iterator[Metric]:
    """What all workers of a pipeline did per minute, over the last five."""
    gauges = {
        name: _gauge(f"{name}_per_minute", f"{words} per minute, over the last five", _QUEUE)
        for name, words in (("items", "Items ended"), ("files", "Files done"), ("bytes", "Bytes moved"))
    }
    for pipeline, collection, speed in measured:
        for name, gauge in gauges.items():
            gauge.add_metric([pipeline, collection], getattr(speed, name))
    yield from gauges.values()


def of_control(read: Iterable[tuple[str, str, Control]]) -> Iterator[Metric]:
    """Whether a pipeline rests."""
    paused = _gauge("paused", "1 while the pipeline is paused or outside of its hours", _QUEUE)
    for pipeline, collection, one in read:
        paused.add_metric([pipeline, collection], float(one.rests))
    yield paused


def of_workers(found: Iterable[Worker]) -> Iterator[Metric]:
    """Each worker's state, its silence, and what it did since it started."""
    labels = [*_QUEUE, "worker"]
    state = _gauge("worker_state", "1 for the state that the worker is in", [*labels, "state"])
    silence = _gauge("worker_silence_seconds", "Since the worker's last sign of life", labels)
    counters = {
        name: CounterMetricFamily(f"medialift_queue_worker_{name}", words, labels=labels)
        for name, words in (
            ("items", "Items that the worker ended since it started"),
            ("files", "Files that the worker did since it started"),
            ("bytes", "Bytes that the worker moved since it started"),
            ("slow", "Files that took the worker more than two minutes"),
        )
    }
    for one in found:
        names = [one.pipeline, one.collection, one.name]
        for possible in WORKER_STATES:
            state.add_metric([*names, possible], float(one.state == possible))
        if one.state != "gone":
            silence.add_metric(names, max(0.0, one.silence))
        for name, counter in counters.items():
            counter.add_metric(names, getattr(one, name))
    yield from (state, silence, *counters.values())


def _gauge(name: str, words: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"medialift_queue_{name}", words, labels=labels)
