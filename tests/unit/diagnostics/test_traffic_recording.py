"""A job's traffic is recorded as it was: each request once, also those that failed, and no secret of any."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from medialift.diagnostics import traffic
from medialift.diagnostics.traffic import finishing, names
from medialift.diagnostics.traffic.recorder import by_environment
from medialift.diagnostics.traffic.redacting import Redactor
from medialift.foundation.waiting import wait_until
from medialift.settings import DiagnosticsSettings
from tests.traffic_world import LIBRARIES, SECRET, Traffic, wire

__all__ = ["wire"]

_CHILD = """
import sys, httpx
from pathlib import Path
from medialift.diagnostics import traffic
from medialift.settings import DiagnosticsSettings

settings = DiagnosticsSettings(folder=Path(sys.argv[2]))
recorder = traffic.Recorder(settings, pipeline="posters", on=lambda: True)
client = traffic.watch(httpx.Client(trust_env=False, verify=False))
with recorder.recording("killed"):
    for path in ("/ok/1", "/status/404", "/ok/2"):
        client.get(sys.argv[1] + path)
    print("asks", flush=True)
    client.get(sys.argv[1] + "/slow")
"""


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_request_is_counted_once_and_a_head_as_well(wire: Traffic, library: str) -> None:
    requests = [f"{method} /ok/{number}" for number in range(10) for method in ("HEAD", "GET")]
    told = wire.ask(library, *requests)["summary"]
    assert (told["total_requests"], told["successful_requests"], told["failed_requests"]) == (20, 20, 0)
    assert sum(wire.asked.values()) == 20
    assert (told["success_rate_percent"], told["failure_patterns"], told["recommendations"]) == (
        100.0,
        [],
        [],
    )


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_a_job_all_of_whose_requests_are_refused_says_so_and_what_to_do(
    wire: Traffic, library: str, status: int
) -> None:
    told = wire.ask(library, *[f"GET /status/{status}/{number}" for number in range(4)])["summary"]
    assert (told["total_requests"], told["failed_requests"]) == (4, 4)
    assert told["success_rate_percent"] == 0.0
    assert told["status_code_breakdown"] == {str(status): 4}
    assert told["recommendations"]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/reset", "reset"),
        ("/truncated", "truncated"),
        ("/slow", "timeout"),
        ("http://127.0.0.1:1/x", "connect"),
        ("http://nowhere.invalid/x", "name"),
    ],
)
def test_what_breaks_before_or_within_an_answer_is_a_failure_of_its_kind(
    wire: Traffic, library: str, path: str, kind: str
) -> None:
    document = wire.ask(library, f"GET {path}", "GET /ok/1", timeout=0.3)
    told, broken = document["summary"], document["requests"][0]
    assert (told["total_requests"], told["failed_requests"]) == (2, 1)
    assert broken["outcome"] == "failed"
    if path == "/truncated":
        # A connection that is cut in the body: httpx and aiohttp say it in other words.
        assert broken["error"]["kind"] in ("truncated", "reset")
    else:
        assert broken["error"]["kind"] == kind
    assert broken["seconds"] > 0


def test_half_of_the_requests_that_are_cut_off_are_half_and_not_none(wire: Traffic) -> None:
    requests = [f"GET /{'reset' if number % 2 else 'ok'}/{number}" for number in range(10)]
    told = wire.ask("httpx", *requests)["summary"]
    assert (told["total_requests"], told["success_rate_percent"]) == (10, 50.0)


def test_a_request_that_is_sent_again_is_another_attempt_and_each_counts_once(wire: Traffic) -> None:
    requests = [one for _ in range(3) for one in ("HEAD /ok/1", "GET /status/503")]
    document = wire.ask("httpx", *requests)
    assert document["summary"]["failed_requests"] == 3
    gets = [one for one in document["requests"] if one["method"] == "GET"]
    assert [(one["attempt"], one.get("after", [])) for one in gets] == [
        (1, []),
        (2, ["503"]),
        (3, ["503", "503"]),
    ]
    assert [one["attempt"] for one in document["requests"] if one["method"] == "HEAD"] == [1, 1, 1]


def test_an_attempt_that_does_well_makes_those_before_it_good(wire: Traffic) -> None:
    told = wire.ask("httpx", *["GET /first/503/2/poster"] * 3)["summary"]
    assert told["attempts"] == {"retried": 2, "recovered": 1, "resent_by_client": 0}
    overload = next(one for one in told["failure_patterns"] if one["kind"] == "overload")
    assert (overload["count"], overload["recovered"]) == (2, 2)


def test_what_was_answered_well_and_is_of_no_use_is_a_failure_also_after_a_crash(wire: Traffic) -> None:
    recorder = wire.recorder()
    with traffic.watch(httpx.Client(trust_env=False)) as client, recorder.recording("job-1") as record:
        assert record is not None
        with traffic.about("a"):
            client.get(f"{wire.url}/ok/1")
            record.rejected("It is no picture, password=secret")
            record.rejected("Nothing came meanwhile, so nothing can be of no use")
            client.get(f"{wire.url}/ok/1")
        with traffic.about("b"):
            client.get(f"{wire.url}/status/404")
            record.rejected("It failed already")
        [path] = wire.files(".jsonl")
        so_far = json.loads(finishing.so_far(path, at_most=100_000))["summary"]
    recorder.close()
    told = wire.document()["summary"]
    for name in ("failed_requests", "successful_requests", "failure_patterns", "failing_items"):
        assert so_far[name] == told[name]
    assert (told["failed_requests"], told["successful_requests"]) == (2, 1)
    [unusable] = [one for one in told["failure_patterns"] if one["kind"] == "unusable"]
    assert (unusable["count"], unusable["recovered"], unusable["items"]) == (1, 1, ["a"])
    assert "secret" not in json.dumps(unusable)


def test_the_same_address_for_another_item_is_no_attempt(wire: Traffic) -> None:
    recorder = wire.recorder()
    with traffic.watch(httpx.Client(trust_env=False)) as client, recorder.recording("job-1"):
        for item in ("a", "b", "a"):
            with traffic.about(item):
                client.get(f"{wire.url}/status/404")
    recorder.close()
    found = [(one["item"], one["attempt"]) for one in wire.document()["requests"]]
    assert found == [("a", 1), ("b", 1), ("a", 2)]
    failing = wire.document()["summary"]["failing_items"]
    assert failing == [
        {"item": "a", "failures": 2, "last": "failed"},
        {"item": "b", "failures": 1, "last": "failed"},
    ]


def test_a_status_that_is_an_answer_in_this_pipeline_is_no_failure(wire: Traffic) -> None:
    told = wire.ask("httpx", "GET /status/404", "GET /ok/1", expected=[404])["summary"]
    assert (told["failed_requests"], told["expected_absences"], told["success_rate_percent"]) == (0, 1, 100.0)


@pytest.mark.parametrize("library", LIBRARIES)
def test_times_sizes_and_connections_are_told(wire: Traffic, library: str) -> None:
    first, second = wire.ask(library, "GET /ok/1", "GET /ok/2")["requests"]
    assert 0 < first["first"] <= first["seconds"] < 5
    assert (first["received"], first["connection"], second["connection"]) == (1000, "new", "reused")
    assert (first["session_new"], second["session_new"]) == (True, False)


def test_sessions_that_are_made_are_told_from_those_that_were_there(wire: Traffic) -> None:
    recorder, before = wire.recorder(), traffic.watch(httpx.Client(trust_env=False, verify=False))
    with recorder.recording("job-1"):
        before.get(f"{wire.url}/ok/1")
        for _ in range(2):
            with traffic.watch(httpx.Client(trust_env=False, verify=False)) as fresh:
                fresh.get(f"{wire.url}/ok/1")
                fresh.get(f"{wire.url}/ok/2")
    recorder.close()
    document = wire.document()
    assert [one["was"] for one in document["sessions"]] == ["there before", "created", "created"]
    assert [one["requests"] for one in document["sessions"]] == [1, 2, 2]
    events = document["summary"]["session_events"]
    assert (events["created"], events["reused"]) == (2, 3)


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_secret_is_in_a_record_and_the_scheme_of_a_login_is(wire: Traffic, library: str) -> None:
    wire.settings = {"body_bytes": 1000}
    wire.ask(library, f"GET /status/401?api_key={SECRET}&page=2&ApiKey={SECRET}", "GET /zip")
    written = wire.files()[0].read_text()
    assert SECRET not in written
    refused, packed = json.loads(written)["requests"]
    assert refused["url"].endswith("/status/401?api_key=*****&page=2&ApiKey=*****")
    assert '"said": "no, 401"' in refused["body"] and len(refused["body"]) <= 1001
    assert '"why": "packed"' in packed["body"]
    assert "Set-Cookie: *****".lower() in [line.lower() for line in refused["headers"]]


def test_what_a_catalogue_is_asked_for_is_kept_and_what_it_is_asked_with_is_not() -> None:
    asked = "http://shop/search?author=Ada&keywords=sea&authorization=x1&auth=x2&authority=x3&keyword_key=x4"
    assert Redactor().address(asked) == (
        "http://shop/search?author=Ada&keywords=sea&authorization=*****&auth=*****&authority=*****"
        "&keyword_key=*****"
    )


def test_of_the_header_of_a_login_its_scheme_is_kept(wire: Traffic) -> None:
    recorder = wire.recorder()
    sent = {
        "Authorization": f'MediaBrowser Token="{SECRET}"',
        "X-Emby-Token": SECRET,
        "Cookie": f"a={SECRET}",
        "X-Note": f"it is {SECRET}",
        "Proxy-Authorization": "Basic dXNlcjpwYXNz",
    }
    with traffic.watch(httpx.Client(trust_env=False)) as client, recorder.recording("job-1"):
        client.get(f"{wire.url}/status/401", headers=sent)
    recorder.close()
    [request] = wire.document()["requests"]
    kept = dict(line.split(": ", 1) for line in request["request_headers"])
    assert kept["authorization"] == "MediaBrowser *****"
    assert (kept["x-emby-token"], kept["cookie"], kept["x-note"]) == ("*****", "*****", "it is *****")
    assert kept["proxy-authorization"] == "Basic *****"


def test_while_the_switch_is_off_nothing_is_made_and_nothing_kept(wire: Traffic) -> None:
    wire.switched[0] = False
    recorder = wire.recorder()
    with traffic.watch(httpx.Client(trust_env=False)) as client, recorder.recording("job-1") as record:
        assert record is None
        client.get(f"{wire.url}/ok/1")
    recorder.close()
    assert not wire.folder.exists()


def test_a_job_without_a_request_leaves_nothing(wire: Traffic) -> None:
    recorder = wire.recorder()
    with recorder.recording("job-1"):
        pass
    recorder.close()
    assert not wire.folder.exists()


def test_requests_after_the_job_belong_to_no_record(wire: Traffic) -> None:
    recorder = wire.recorder()
    client = traffic.watch(httpx.Client(trust_env=False))
    with recorder.recording("job-1"):
        client.get(f"{wire.url}/ok/1")
    client.get(f"{wire.url}/ok/2")
    recorder.close()
    assert wire.document()["summary"]["total_requests"] == 1


def test_blocks_of_one_job_share_one_record_while_it_lingers(wire: Traffic) -> None:
    recorder = wire.recorder()
    client = traffic.watch(httpx.Client(trust_env=False))
    for number in range(3):
        with recorder.recording("batch-7", label="42 posters", linger=30):
            client.get(f"{wire.url}/ok/{number}")
    with recorder.recording("batch-8", linger=30):
        client.get(f"{wire.url}/ok/9")
    recorder.close()
    by_job = {names.parsed(path.name).job: json.loads(path.read_text()) for path in wire.files()}
    assert {job: one["summary"]["total_requests"] for job, one in by_job.items()} == {
        "batch-7": 3,
        "batch-8": 1,
    }
    assert by_job["batch-7"]["label"] == "42 posters"


def test_threads_of_one_job_are_all_recorded(wire: Traffic) -> None:
    recorder = wire.recorder()
    client = traffic.watch(httpx.Client(trust_env=False, verify=False))

    def ask(number: int) -> None:
        with recorder.recording("job-1", linger=30), traffic.about(str(number)):
            client.get(f"{wire.url}/{'reset' if number % 5 == 0 else 'ok'}/{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: _quietly(ask, number), range(50)))
    recorder.close()
    told = wire.document()["summary"]
    assert (told["total_requests"], told["failed_requests"]) == (50, 10)
    assert sum(wire.asked.values()) == 50


def test_a_large_job_keeps_its_figures_and_its_failures_within_its_size(wire: Traffic) -> None:
    wire.settings = {"file_bytes": 30_000}
    requests = [f"GET /{'status/404' if number % 50 == 7 else 'ok'}/{number}" for number in range(300)]
    document = wire.ask("httpx", *requests)
    assert wire.files()[0].stat().st_size <= 30_000
    told = document["summary"]
    assert (told["total_requests"], told["failed_requests"]) == (300, 6)
    kept = [one["outcome"] for one in document["requests"]]
    assert kept.count("failed") == 6
    assert document["left_out"] == 300 - len(kept) > 0


def test_a_record_of_a_killed_process_tells_what_it_waited_for(wire: Traffic) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, wire.url, str(wire.folder)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "asks\n"
    assert wait_until(lambda: wire.asked["/slow"] == 1, at_most=10, every=0.02)
    [path] = wire.files(".jsonl")
    running = json.loads(finishing.so_far(path, at_most=100_000))
    child.kill()
    child.wait()
    child.stdout.close()
    assert (running["state"], running["summary"]["unfinished_requests"]) == ("running", 1)

    with path.open("ab") as torn:
        torn.write(b'{"end":{"n":9,"at')
    settings = DiagnosticsSettings(folder=wire.folder)
    assert finishing.settle(settings) == 1
    assert finishing.settle(settings) == 0
    document = wire.document()
    assert (document["state"], wire.files(".jsonl")) == ("broken off", [])
    assert document["host"] == socket.gethostname()
    told = document["summary"]
    assert (told["total_requests"], told["failed_requests"], told["unfinished_requests"]) == (4, 1, 1)
    assert document["requests"][-1]["url"].endswith("/slow")


def test_a_record_of_a_living_process_is_left_to_it(wire: Traffic) -> None:
    recorder = wire.recorder()
    client = traffic.watch(httpx.Client(trust_env=False))
    with recorder.recording("job-1", linger=30):
        client.get(f"{wire.url}/ok/1")
        assert finishing.settle(DiagnosticsSettings(folder=wire.folder)) == 0
        client.get(f"{wire.url}/ok/2")
    recorder.close()
    assert wire.document()["summary"]["total_requests"] == 2


def test_a_folder_that_cannot_be_written_costs_the_file_and_not_the_work(
    wire: Traffic, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wire.folder = tmp_path / "a-file"
    wire.folder.write_text("in the way")
    recorder = wire.recorder()
    client = traffic.watch(httpx.Client(trust_env=False))
    with recorder.recording("job-1") as record:
        assert client.get(f"{wire.url}/ok/1").status_code == 200
        assert client.get(f"{wire.url}/ok/2").status_code == 200
    recorder.close()
    assert record is not None and record.figures.requests == 2
    assert caplog.text.count("cannot be written") == 1


def test_the_proxy_of_the_environment_is_used_and_watched(
    wire: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", wire.url)
    recorder = wire.recorder()
    with traffic.watch(httpx.Client()) as client, recorder.recording("job-1"):
        assert client.get("http://elsewhere.invalid/ok/1").status_code == 200
    recorder.close()
    assert wire.document()["requests"][0]["url"] == "http://elsewhere.invalid/ok/1"


@pytest.mark.parametrize(
    ("said", "on"), [("1", True), ("true", True), ("ON", True), ("0", False), ("", False), ("maybe", False)]
)
def test_the_environment_switches_it_on(monkeypatch: pytest.MonkeyPatch, said: str, on: bool) -> None:
    monkeypatch.setenv("MEDIALIFT_BATCH_DEBUG", said)
    assert by_environment() is on


def test_what_the_environment_says_holds_whatever_the_switch_says(
    wire: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDIALIFT_BATCH_DEBUG", "true")
    wire.switched[0] = False
    assert wire.ask("httpx", "GET /ok/1")["summary"]["total_requests"] == 1


@pytest.mark.parametrize(
    "given",
    ["../../etc/passwd", "a/b", "..", "", "job\n", "ü" * 200, "-rf", "job_1_20260101T000000.000000Z.json/x"],
)
def test_whatever_a_job_is_called_its_file_lies_in_the_folder(wire: Traffic, given: str) -> None:
    wire.ask("httpx", "GET /ok/1", job=given)
    [path] = wire.files()
    assert path.parent == wire.folder
    named = names.parsed(path.name)
    assert named is not None and names.check(named.job) == named.job


def _quietly(work, number: int) -> None:
    with contextlib.suppress(httpx.HTTPError):
        work(number)
