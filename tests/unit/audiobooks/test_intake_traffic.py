"""The traffic of an attempt at a book is a record of its own, whatever else the worker does meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Barrier

import httpx
from sqlalchemy import text

from medialift.audiobooks.handler import Attempt, AudiobooksHandler
from medialift.audiobooks.outcome import Outcome
from medialift.audiobooks.stages import PIPELINE
from medialift.diagnostics import traffic
from medialift.errors import MedialiftError
from medialift.queueing import doorbell
from medialift.queueing.database import Database
from medialift.queueing.outcome import Bounds
from medialift.queueing.worker import Pace, Worker
from medialift.settings import AudiobooksSettings, DiagnosticsSettings
from tests.traffic_world import Traffic, wire

__all__ = ["wire"]

OF = "audiobooks"
QUICK = Pace(batch=1, job_size=1, concurrency=4, lease=4.0, margin=0.5, heartbeat=0.2, poll=0.1, report=0.2)


class Asking:
    """Stages that ask a server for the book that they work on, two books at the same time."""

    def __init__(self, url: str) -> None:
        self.url, self.client = url, traffic.watch(httpx.Client(trust_env=False))
        self.together = Barrier(2, timeout=30)

    def work(self, _stage: str, attempt: Attempt) -> Outcome:
        self.together.wait()
        self.client.get(f"{self.url}/ok/{attempt.name}")
        self.together.wait()
        self.client.get(f"{self.url}/status/404/{attempt.name}")
        return Outcome(result={"kind": "spliced"}, name=attempt.name, how="splice", played=60.0, bytes=9)

    def inbox_away(self) -> str:
        return ""

    def failed(self, _stage: str, _name: str, _error: MedialiftError) -> None:
        """Nothing is to be written."""

    def close(self) -> None:
        self.client.close()


def test_two_books_at_once_have_a_record_each_with_their_own_requests(
    database: Database, tmp_path: Path, wire: Traffic
) -> None:
    for name in ("work", "converted"):
        (tmp_path / name).mkdir()
    settings = AudiobooksSettings(
        work=tmp_path / "work", converted=tmp_path / "converted", cores=4, parallel_books=2
    )
    with database.engine.begin() as connection:
        for name in ("One", "Two"):
            connection.execute(
                text(
                    "insert into item (pipeline, collection, key, bytes, payload)"
                    " values (:pipeline, :of, :key, 9, cast('{\"book\": {}}' as jsonb))"
                ),
                {"pipeline": PIPELINE, "of": OF, "key": f"tag/{name}"},
            )
        doorbell.ring(connection, PIPELINE, OF, job_size=1)
    diagnostics = DiagnosticsSettings(folder=wire.folder, batch_debug=True)
    recorder = traffic.Recorder(diagnostics, pipeline=PIPELINE, expected=(404, 410))
    handler = AudiobooksHandler(settings, lambda: Asking(wire.url), recorder=recorder)  # type: ignore[arg-type,return-value]
    Worker(database, handler, "one", PIPELINE, OF, pace=QUICK, bounds=Bounds(until_done=True)).run_alone()

    found = [json.loads(path.read_text()) for path in wire.files()]
    assert sorted(one["label"] for one in found) == ["tag One", "tag Two"]
    for one in found:
        name = one["label"].removeprefix("tag ")
        assert [request["url"].rsplit("/", 1)[1] for request in one["requests"]] == [name, name]
        assert {request["item"] for request in one["requests"]} == {f"tag/{name}"}
        assert (one["summary"]["total_requests"], one["summary"]["success_rate_percent"]) == (2, 100.0)
        assert one["summary"]["expected_absences"] == 1
