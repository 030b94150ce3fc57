"""A batch of posters whose requests fail, and what its record says of it: as much as really happened."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medialift.diagnostics.traffic import Recorder
from medialift.diagnostics.traffic.shelf import Shelf
from medialift.posters import sampling
from medialift.posters.handler import PostersHandler
from medialift.queueing.crew import Backoff
from medialift.queueing.database import Database
from medialift.queueing.outcome import Bounds
from medialift.queueing.worker import Pace, Worker
from medialift.settings import DiagnosticsSettings, PostersSettings, secrets
from sandbox import jellyfin
from sandbox.jellyfin.faults import Fault
from sandbox.jellyfin.media import Media
from tests.dashboard_world import within
from tests.poster_worker import QUICK
from tests.poster_world import Posters, poster_world

pytest_plugins = ["tests.postgres_world"]


@pytest.fixture
def posters(tmp_path: Path, database: Database) -> Iterator[Posters]:
    # So few that Jellyfin is never taken for down, which would be waited for.
    with poster_world(tmp_path, database, Media().filled(3, 1)) as world:
        yield world


def recorded(posters: Posters, *faults: Fault) -> dict[str, Any]:
    """The document of a batch that was downloaded with these faults."""
    posters.download()
    posters.faults(*faults)
    before = posters.asked()
    given = PostersSettings(**posters.given)
    recorder = Recorder(
        DiagnosticsSettings(folder=posters.root / "records", batch_debug=True),
        pipeline="posters",
        secrets=secrets(posters.settings),
    )
    worker = Worker(
        posters.database,
        PostersHandler(given, backoff=Backoff(given.retry_base, 0.2), recorder=recorder),
        "one",
        "posters",
        given.collection,
        Pace(**QUICK),
        Bounds(until_done=True),
    )
    asyncio.run(asyncio.wait_for(worker.run(), 60))
    [path] = (posters.root / "records").glob("*.json")
    written = path.read_text()
    assert jellyfin.API_KEY not in written
    document = json.loads(written)
    images = [one for one in document["requests"] if "/Images/" in one["url"]]
    assert len(images) == posters.asked() - before, "each request once, whatever became of it"
    return document


def actions(document: dict[str, Any]) -> set[str]:
    return {one["action"] for one in document["summary"]["recommendations"]}


def test_a_batch_that_goes_well_is_all_good_and_needs_nothing(posters: Posters) -> None:
    told = recorded(posters)["summary"]
    assert (told["success_rate_percent"], told["failed_requests"]) == (100.0, 0)
    assert (told["failure_patterns"], told["recommendations"]) == ([], [])


@pytest.mark.parametrize(("status", "action"), [(400, "rescan"), (404, "rescan"), (500, "server_log")])
def test_a_batch_all_of_whose_pictures_are_refused_says_so(
    posters: Posters, status: int, action: str
) -> None:
    document = recorded(posters, Fault("status", status=status, retry_after="0"))
    told = document["summary"]
    assert told["success_rate_percent"] == 0.0 and told["failed_requests"] == told["total_requests"] >= 4
    assert action in actions(document) and "individual_mode" in actions(document)
    assert len({one["item"] for one in document["requests"]}) == 4


def test_a_batch_that_is_cut_off_each_time_is_no_success_and_its_attempts_are_numbered(
    posters: Posters,
) -> None:
    one = sorted(posters.media.items)[0]
    posters.media.items = {one: posters.media.items[one]}
    document = recorded(posters, Fault("reset"))
    assert document["summary"]["success_rate_percent"] == 0.0
    assert document["summary"]["error_breakdown"] == {"reset": 3}
    assert [one["attempt"] for one in document["requests"]] == [1, 2, 3]


def test_half_of_a_batch_is_half(posters: Posters) -> None:
    ids = sorted(posters.media.items)[:2]
    told = recorded(posters, *(Fault("status", status=404, id=id) for id in ids))["summary"]
    assert told["success_rate_percent"] == 50.0
    assert {one["item"] for one in told["failing_items"]} == set(ids)


def test_an_overload_that_passes_is_made_good_by_later_attempts(posters: Posters) -> None:
    told = recorded(posters, Fault("status", status=503, times=2, retry_after="0"))["summary"]
    assert told["failed_requests"] == 2 and told["attempts"]["recovered"] >= 1
    overload = next(one for one in told["failure_patterns"] if one["kind"] == "overload")
    assert (overload["count"], overload["recovered"]) == (2, 2)


@pytest.mark.parametrize("kind", ["truncated", "html"])
def test_pictures_that_come_with_a_good_status_and_are_none_are_failures(posters: Posters, kind: str) -> None:
    broken, *_ = sorted(posters.media.items)
    document = recorded(posters, Fault(kind, id=broken))
    told = document["summary"]
    assert told["failed_requests"] == 3 and told["successful_requests"] == told["total_requests"] - 3
    assert [one["item"] for one in told["failing_items"]] == [broken]
    unusable = next(one for one in told["failure_patterns"] if one["kind"] == "unusable")
    assert (unusable["count"], unusable["recovered"], unusable["items"]) == (3, 0, [broken])
    assert "content" in actions(document)


def test_a_broken_picture_that_comes_whole_at_the_next_attempt_needs_nothing(posters: Posters) -> None:
    document = recorded(posters, Fault("truncated", times=1))
    told = document["summary"]
    assert (told["failed_requests"], told["attempts"]["recovered"]) == (1, 1)
    assert "content" not in actions(document)


def test_a_session_for_each_request_is_seen_as_such(posters: Posters) -> None:
    posters.given["session"] = "per_request"
    events = recorded(posters)["summary"]["session_events"]
    assert events["created"] == 4 and events["connections_reused"] == 0


def test_what_jellyfin_is_stands_in_the_record_and_the_record_in_the_ledger(
    posters: Posters, database: Database
) -> None:
    document = recorded(posters)
    assert "10.11.0" in json.dumps(document["environment"])
    with database.engine.connect() as connection:
        [listed] = Shelf(DiagnosticsSettings(folder=posters.root / "nowhere"), connection).latest()
    assert (listed.pipeline, listed.requests) == ("posters", document["summary"]["total_requests"])


def test_the_page_tests_connection_item_and_pictures_of_a_real_server(
    posters: Posters, database: Database
) -> None:
    sections = {"posters": posters.given, "audiobooks": {"tagging": {"mode": "off"}}}
    known = sorted(posters.media.items)[0]
    with within(database, **sections) as client:
        connection = client.post("/diagnostics/connection").text
        assert "in order" in connection and "wrong" not in connection and "10.11.0" in connection
        item = client.post("/diagnostics/item", data={"id": known}).text
        assert "png, 40×60" in item
        assert "does not know this id" in client.post("/diagnostics/item", data={"id": "ab" * 16}).text
        media = client.post("/diagnostics/media", data={"count": 3}).text
        assert "3 of 4 items" in media and media.count("png, 40×60") == 3
        for shown in (connection, item, media):
            assert jellyfin.API_KEY not in shown


def test_a_sample_tells_pictures_that_are_wrong_from_those_that_are_whole(posters: Posters) -> None:
    broken = sorted(posters.media.items)[0]
    posters.faults(Fault("truncated", id=broken))
    told = sampling.sample(PostersSettings(**posters.given), count=10)
    assert (told["ok"], told["of"], len(told["items"])) == (False, 4, 4)
    assert [one["id"] for one in told["items"] if not one["ok"]] == [broken]
