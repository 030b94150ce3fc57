"""What the queue tells Prometheus."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from medialift.queueing import control, metrics, workers
from tests.queue_world import Books


def test_items_workers_and_rates_are_told(books: Books) -> None:
    books.add("a", "b", "c", weight=2, size=100)
    books.finish(books.claim(1)[0])
    me = workers.Me("one", "books", "calibre")
    books.read(workers.register, me)
    books.read(workers.report, me, workers.Totals(items=1, files=2, bytes=100))
    books.change(control.pause)
    told = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(books.read(metrics.exposition).decode())
        for sample in family.samples
    }

    def of(name: str, **labels: str) -> float:
        labels = {"pipeline": "books", "collection": "calibre", **labels}
        return told[(f"medialift_queue_{name}", tuple(sorted(labels.items())))]

    assert (of("items", state="done"), of("items", state="ready"), of("items", state="failed")) == (1, 2, 0)
    assert (of("files_left"), of("bytes_left"), of("paused")) == (4, 200, 1)
    assert of("files_per_minute") > 0
    assert of("worker_files_total", worker="one") == 2
    assert (
        of("worker_state", worker="one", state="running"),
        of("worker_state", worker="one", state="gone"),
    ) == (1, 0)
    assert 0 <= of("worker_silence_seconds", worker="one") < 60


def test_an_empty_ledger_tells_nothing_and_fails_nothing(books: Books) -> None:
    assert b"medialift_queue_items{" not in books.read(metrics.exposition)
