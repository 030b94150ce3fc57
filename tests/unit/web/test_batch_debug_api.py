"""The API of the batch debug log: its switch, summaries, logs and archives, and what is none of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from medialift.diagnostics import traffic
from medialift.diagnostics.traffic import finishing
from medialift.queueing import debug_switch, events
from medialift.queueing.database import Database
from tests.dashboard_world import within
from tests.traffic_world import SECRET, Traffic, wire

__all__ = ["wire"]

API = "/api/v1/batch-debug"


@pytest.fixture
def client(database: Database, wire: Traffic) -> Iterator[TestClient]:
    with within(database, diagnostics={"folder": str(wire.folder)}) as opened:
        yield opened


def recorded(wire: Traffic, *paths: str, job: str = "posters-12", **more: Any) -> None:
    recorder = wire.recorder()
    with traffic.watch(httpx.Client(trust_env=False)) as asking, recorder.recording(job, **more) as record:
        assert record is not None
        record.note(product="Jellyfin", version="10.11.1")
        for path in paths:
            asking.get(f"{wire.url}{path}")
    recorder.close()


def kept_elsewhere(wire: Traffic, database: Database) -> None:
    """As of a worker on another host: in the ledger, and not on this disk."""
    [path] = wire.files()
    document = json.loads(path.read_text())
    document["host"] = "elsewhere"
    path.write_text(json.dumps(document))
    path.rename(path.with_suffix(".jsonl"))
    path = path.with_suffix(".jsonl")
    content = path.read_bytes()
    path.unlink()
    finishing.keep(path.with_suffix(".json").name, content, database.engine)


def test_nothing_was_recorded_and_it_is_off(client: TestClient) -> None:
    told = client.get(f"{API}/status").json()
    assert told == {"enabled": False, "always": False, "switches": [], "keep_seconds": 604_800.0, "jobs": []}


@pytest.mark.parametrize("minutes", [1, 30, 60, 1440])
def test_it_is_switched_on_for_so_long_and_off(client: TestClient, minutes: int) -> None:
    answer = client.post(f"{API}/enable", json={"duration_minutes": minutes})
    assert answer.status_code == 200, answer.text
    until = datetime.fromisoformat(answer.json()["until"])
    assert abs((until - datetime.now(UTC)).total_seconds() - 60 * minutes) < 10
    told = client.get(f"{API}/status").json()
    assert (told["enabled"], [one["pipeline"] for one in told["switches"]]) == (True, [""])
    assert client.post(f"{API}/disable").json()["enabled"] is False


def test_without_a_duration_it_is_half_an_hour_and_of_one_pipeline_if_one_says(
    client: TestClient, database: Database
) -> None:
    assert 1700 < client.post(f"{API}/enable").json()["seconds_left"] <= 1800
    client.post(f"{API}/disable")
    client.post(f"{API}/enable", json={"pipeline": "books"})
    with database.engine.connect() as connection:
        assert debug_switch.left(connection, "books") > 0 == debug_switch.left(connection, "posters")


@pytest.mark.parametrize(
    "body",
    [
        {"duration_minutes": 0},
        {"duration_minutes": -5},
        {"duration_minutes": 1441},
        {"duration_minutes": 1e300},
        {"duration_minutes": "soon"},
        {"pipeline": "nobody"},
        {"minutes": 5},
        [],
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_switched(client: TestClient, body: Any) -> None:
    answer = client.post(f"{API}/enable", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.get(f"{API}/status").json()["enabled"] is False


def test_who_switched_it_is_in_the_audit(client: TestClient, database: Database) -> None:
    client.post(f"{API}/enable")
    client.post(f"{API}/disable")
    client.delete(f"{API}/cleanup")
    with database.engine.connect() as connection:
        told = [(one.what, "dashboard" in one.who) for one in events.latest(connection)]
    assert told == [("batch debug clean-up", True), ("batch debug", True), ("batch debug", True)]


def test_a_job_has_a_summary_a_log_and_an_archive(client: TestClient, wire: Traffic) -> None:
    recorded(wire, "/ok/1", "/status/404", "/status/404", label="3 posters")
    [listed] = client.get(f"{API}/status").json()["jobs"]
    assert (listed["job"], listed["label"], listed["requests"], listed["failed"], listed["state"]) == (
        "posters-12",
        "3 posters",
        3,
        2,
        "finished",
    )
    summary = client.get(f"{API}/job/posters-12/summary").json()
    assert (summary["job_id"], summary["total_requests"], summary["success_rate_percent"]) == (
        "posters-12",
        3,
        33.3,
    )
    assert summary["environment"]["product"] == "Jellyfin"
    assert [one["kind"] for one in summary["failure_patterns"]] == ["mostly_failing", "invalid_ids"]
    assert {one["action"] for one in summary["recommendations"]} == {"rescan", "individual_mode"}
    log = client.get(f"{API}/job/posters-12/full-log")
    assert log.headers["content-disposition"] == 'attachment; filename="job_posters-12.json"'
    assert log.json()["summary"] == {
        **summary,
        "started": log.json()["summary"]["started"],
        "ended": log.json()["summary"]["ended"],
    }
    assert [one["status"] for one in log.json()["records"][0]["requests"]] == [200, 404, 404]


def test_an_archive_is_har_1_2_with_every_request_and_no_secret(client: TestClient, wire: Traffic) -> None:
    recorded(wire, f"/ok/1?api_key={SECRET}&size=2", "/status/404", "/status/404")
    answer = client.get(f"{API}/job/posters-12/har")
    assert answer.headers["content-disposition"] == 'attachment; filename="job_posters-12.har"'
    assert SECRET not in answer.text
    log = answer.json()["log"]
    assert (log["version"], log["creator"]["name"], log["pages"]) == ("1.2", "medialift", [])
    first, second, third = log["entries"]
    for one in (first, second, third):
        assert _is_har_entry(one)
    assert first["request"]["queryString"] == [
        {"name": "api_key", "value": "*****"},
        {"name": "size", "value": "2"},
    ]
    assert (first["response"]["status"], first["response"]["content"]["size"]) == (200, 1000)
    assert second["response"]["statusText"] == "Not Found"
    assert "no, 404" in second["response"]["content"]["text"]
    assert third["response"]["content"]["text"] == second["response"]["content"]["text"]
    assert third["_attempt"] == 2


def test_a_request_without_an_answer_is_in_the_archive_too(client: TestClient, wire: Traffic) -> None:
    recorder = wire.recorder()
    asking = traffic.watch(httpx.Client(trust_env=False))
    with recorder.recording("job"), pytest.raises(httpx.HTTPError):
        asking.get(f"{wire.url}/reset")
    recorder.close()
    [entry] = client.get(f"{API}/job/job/har").json()["log"]["entries"]
    assert _is_har_entry(entry)
    assert (entry["response"]["status"], entry["_error"].split(":")[0]) == (0, "reset")


def test_what_a_worker_on_another_host_recorded_is_seen_here(
    client: TestClient, wire: Traffic, database: Database
) -> None:
    recorded(wire, "/status/401")
    kept_elsewhere(wire, database)
    assert wire.files() == []
    [listed] = client.get(f"{API}/status").json()["jobs"]
    assert (listed["host"], listed["requests"], listed["failed"]) == ("elsewhere", 1, 1)
    assert client.get(f"{API}/job/posters-12/summary").json()["total_requests"] == 1


def test_what_is_in_the_ledger_and_on_this_disk_counts_once(
    client: TestClient, wire: Traffic, database: Database
) -> None:
    recorded(wire, "/ok/1")
    [path] = wire.files()
    finishing.keep(path.name, path.read_bytes(), database.engine)
    assert len(client.get(f"{API}/status").json()["jobs"]) == 1
    assert client.get(f"{API}/job/posters-12/summary").json()["total_requests"] == 1


def test_a_job_that_goes_on_is_seen_as_far_as_it_is(client: TestClient, wire: Traffic) -> None:
    recorder = wire.recorder()
    with traffic.watch(httpx.Client(trust_env=False)) as asking, recorder.recording("job"):
        asking.get(f"{wire.url}/status/503")
        [listed] = client.get(f"{API}/status").json()["jobs"]
        told = client.get(f"{API}/job/job/summary").json()
    recorder.close()
    assert (listed["state"], listed["failed"]) == ("running", 1)
    assert (told["state"], told["failed_requests"]) == ("running", 1)
    assert client.get(f"{API}/job/job/summary").json()["state"] == "finished"


@pytest.mark.parametrize(
    "job",
    [
        "..",
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/etc/passwd",
        "a%00b",
        "a%0ab",
        "-rf",
        ".hidden",
        "a" * 101,
        "ünïcode",
        "<script>alert(1)</script>",
        "nobody-has-this",
        "posters-12_20260101T000000.000000Z",
        "posters*",
        "posters-1_",
    ],
)
def test_what_is_no_job_is_a_clear_4xx_and_nothing_else(client: TestClient, wire: Traffic, job: str) -> None:
    recorded(wire, "/ok/1")
    for what in ("summary", "full-log", "har"):
        answer = client.get(f"{API}/job/{job}/{what}")
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert "root:" not in answer.text


def test_a_link_under_the_name_of_a_record_is_not_followed(
    client: TestClient, wire: Traffic, tmp_path: Path
) -> None:
    recorded(wire, "/ok/1")
    [path] = wire.files()
    path.rename(tmp_path / "aside.json")
    path.symlink_to(tmp_path / "aside.json")
    pipe = wire.folder / path.name.replace("posters-12", "posters-13")
    os.mkfifo(pipe)
    damaged = wire.folder / path.name.replace("posters-12", "posters-14")
    damaged.write_text('{"job": "posters-14", "started": ')
    assert client.get(f"{API}/status").json()["jobs"] == []
    for job in ("posters-12", "posters-13", "posters-14"):
        assert client.get(f"{API}/job/{job}/summary").status_code == 404


def test_a_clean_up_deletes_what_is_older_in_the_ledger_and_on_the_disk(
    client: TestClient, wire: Traffic, database: Database
) -> None:
    recorded(wire, "/ok/1", job="old")
    recorded(wire, "/ok/1", job="new")
    for path in wire.files():
        finishing.keep(path.name, path.read_bytes(), database.engine)
        if "_old_" in path.name:
            os.utime(path, (1, 1))
    with database.engine.begin() as connection:
        connection.execute(text("update traffic_record set ended = 'epoch' where job = 'old'"))
    other = wire.folder / "notes.txt"
    other.write_text("not ours")
    assert client.delete(f"{API}/cleanup?days=7").json() == {"deleted": 1}
    assert [one["job"] for one in client.get(f"{API}/status").json()["jobs"]] == ["new"]
    assert client.delete(f"{API}/cleanup?days=0").json() == {"deleted": 1}
    assert client.get(f"{API}/status").json()["jobs"] == [] and other.exists()


@pytest.mark.parametrize("days", ["-1", "3651", "nan", "inf", "week", "1e400"])
def test_a_clean_up_of_no_days_at_all_deletes_nothing(client: TestClient, wire: Traffic, days: str) -> None:
    recorded(wire, "/ok/1")
    assert client.delete(f"{API}/cleanup?days={days}").status_code == 422
    assert len(client.get(f"{API}/status").json()["jobs"]) == 1


def _is_har_entry(one: dict[str, Any]) -> bool:
    """What HAR 1.2 says that each entry has, and of which kind."""
    request, response = one["request"], one["response"]
    datetime.fromisoformat(one["startedDateTime"])
    assert isinstance(one["time"], float | int) and one["time"] >= 0
    assert sum(one["timings"][name] for name in ("send", "wait", "receive")) == pytest.approx(one["time"])
    assert one["cache"] == {}
    for part in (request, response):
        assert isinstance(part["httpVersion"], str) and part["cookies"] == []
        assert all(set(each) == {"name", "value"} for each in part["headers"])
        assert isinstance(part["headersSize"], int) and isinstance(part["bodySize"], int)
    assert {"method", "url", "queryString"} <= request.keys()
    assert {"status", "statusText", "content", "redirectURL"} <= response.keys()
    assert {"size", "mimeType"} <= response["content"].keys()
    return True
