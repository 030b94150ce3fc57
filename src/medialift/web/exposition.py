"""Everything in Prometheus' text format: the figures that each part tells by itself, in one answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import Connection

from medialift.audiobooks import metrics as audiobook_figures
from medialift.books import metrics as book_figures
from medialift.healing import metrics as healing_figures
from medialift.queueing import bursts, ledger, mount_states
from medialift.queueing import metrics as queue_figures
from medialift.web import totals
from medialift.web.context import Context


def exposition(within: Context, connection: Connection) -> bytes:
    """All figures as they are now; the counts of a large ledger as of a few seconds ago."""
    return queue_figures.told(_merged(_collected(within, connection)))


def _collected(within: Context, connection: Connection) -> Iterator[Metric]:
    counted = [
        (*queue, totals.counts(within, connection, *queue).value) for queue in ledger.queues(connection)
    ]
    yield from queue_figures.collected(connection, counted)
    libraries = [totals.of_books(within, connection, one) for one in totals.libraries(within, connection)]
    yield from book_figures.registry(one.value for one in libraries).collect()
    for name in totals.intakes(within, connection):
        figures = totals.of_audiobooks(within, connection, name).value.figures
        yield from audiobook_figures.of_figures(figures, name)
    yield from healing_figures.collected(connection)
    yield from _of_mounts(connection)
    yield from _of_bursts(connection)
    yield from within.figures.registry.collect()


def _of_mounts(connection: Connection) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "medialift_dashboard_mount",
        "1 for the state that a host told last",
        labels=["host", "mount", "state"],
    )
    told = GaugeMetricFamily(
        "medialift_dashboard_mount_told_timestamp_seconds",
        "When a mount was probed last",
        labels=["host", "mount"],
    )
    for one in mount_states.listed(connection):
        state.add_metric([one.host, one.name, one.state], 1.0)
        told.add_metric([one.host, one.name], one.at.timestamp())
    yield from (state, told)


def _of_bursts(connection: Connection) -> Iterator[Metric]:
    running = GaugeMetricFamily("medialift_dashboard_bursts_running", "Bursts that go on")
    running.add_metric([], bursts.running(connection))
    yield running
    latest = bursts.listed(connection, limit=1)
    for name, words in (
        ("last_burst_started_timestamp_seconds", "When the latest burst began"),
        ("last_burst_failed", "1 when the latest burst failed"),
        ("last_burst_cost_eur", "What the latest burst cost so far"),
    ):
        family = GaugeMetricFamily(f"medialift_dashboard_{name}", words)
        for one in latest:
            value = {
                "last_burst_started_timestamp_seconds": one.started.timestamp(),
                "last_burst_failed": float(one.outcome == "failed"),
                "last_burst_cost_eur": one.cost_eur or 0.0,
            }[name]
            family.add_metric([], value)
        yield family


def _merged(metrics: Iterable[Metric]) -> list[Metric]:
    """Each name once: several intakes tell the same ones."""
    found: dict[str, Metric] = {}
    for one in metrics:
        if one.name in found:
            found[one.name].samples.extend(one.samples)
        else:
            found[one.name] = one
    return list(found.values())
