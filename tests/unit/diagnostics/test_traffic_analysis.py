"""What a job's failures mean: patterns, and advice that names what it follows from."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from medialift.diagnostics import traffic
from medialift.diagnostics.traffic import analysis
from medialift.diagnostics.traffic.figures import Figures
from tests.traffic_world import Traffic, wire

__all__ = ["wire"]


def entry(number: int = 1, **more: Any) -> dict[str, Any]:
    found = {
        "n": number,
        "method": "GET",
        "url": f"http://jellyfin/Items/{number}",
        "outcome": "ok",
        "status": 200,
        "seconds": 0.02,
        "session": 1,
        "session_new": False,
        "connection": "reused",
    }
    return found | more


def refused(status: int, number: int = 1, **more: Any) -> dict[str, Any]:
    return entry(number, status=status, outcome="failed", item=f"item-{number}", **more)


def broken(kind: str, number: int = 1, **more: Any) -> dict[str, Any]:
    error = {"kind": kind, "type": "X", "text": "gone"}
    return {**entry(number, outcome="failed", error=error, **more), "status": None}


def summary(*entries: dict[str, Any], pipeline: str = "posters", seconds: float = 10.0, **more: Any) -> Any:
    figures = Figures()
    for one in entries:
        figures.add(one)
    return analysis.summary(figures, pipeline=pipeline, seconds=seconds, environment=more)


def kinds(told: dict[str, Any]) -> set[str]:
    return {one["kind"] for one in told["failure_patterns"]}


def advice(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["action"]: one for one in told["recommendations"]}


@pytest.mark.parametrize(
    ("status", "kind", "action"),
    [
        (400, "invalid_ids", "rescan"),
        (404, "invalid_ids", "rescan"),
        (410, "invalid_ids", "rescan"),
        (401, "unauthorized", "key"),
        (403, "forbidden", "key"),
        (429, "rate_limit", "slower"),
        (502, "overload", "slower"),
        (503, "overload", "slower"),
        (500, "server_error", "server_log"),
    ],
)
def test_a_status_has_its_pattern_and_its_advice_with_evidence(status: int, kind: str, action: str) -> None:
    told = summary(*[refused(status, number) for number in range(5)], *[entry(9)] * 95)
    assert kinds(told) == {kind}
    evidence = advice(told)[action]["evidence"]
    assert (evidence["count"], evidence["of"]) == (5, 100)
    assert evidence["examples"][0]["what"] == "GET http://jellyfin/Items/0"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("connect", "runs and listens"),
        ("name", "can be resolved"),
        ("certificate", "certificate"),
        ("reset", "restarts"),
    ],
)
def test_a_server_that_is_not_reached_is_a_matter_of_the_network(kind: str, words: str) -> None:
    told = summary(*[broken(kind, connection="new")] * 3, *[entry()] * 97)
    assert kinds(told) == {"network"}
    assert words in advice(told)["reachable"]["text"]
    assert advice(told)["reachable"]["evidence"]["errors"] == {kind: 3}


def test_more_than_half_failing_is_said_and_one_by_one_is_the_advice() -> None:
    told = summary(*[refused(500)] * 6, *[entry()] * 4)
    assert "mostly_failing" in kinds(told)
    assert advice(told)["individual_mode"]["evidence"]["success_rate_percent"] == 40.0
    assert "posters.concurrency = 1" in advice(told)["individual_mode"]["text"]


def test_exactly_half_failing_is_not_more_than_half() -> None:
    told = summary(*[refused(500)] * 5, *[entry()] * 5)
    assert "often_failing" in kinds(told) and "mostly_failing" not in kinds(told)
    assert "smaller_batches" in advice(told) and "individual_mode" not in advice(told)


def test_four_in_five_going_well_needs_no_other_batches() -> None:
    told = summary(*[refused(500)] * 2, *[entry()] * 8)
    assert kinds(told) == {"server_error"} and set(advice(told)) == {"server_log"}


def test_a_token_that_was_renewed_is_no_reason_for_another_key() -> None:
    good = entry(2, after=["401"], attempt=2)
    told = summary(refused(401), good, *[entry()] * 8)
    assert kinds(told) == {"unauthorized"}
    assert "key" not in advice(told)


def test_an_older_header_is_told_of_when_the_key_is_refused() -> None:
    told = summary(*[refused(401, legacy_key=True)] * 3)
    found = advice(told)["legacy_header"]
    assert 'MediaBrowser Token="' in found["text"]
    assert found["evidence"]["requests_with_an_older_header"] == 3
    assert "legacy_header" not in advice(summary(*[refused(401)] * 3))


def test_slower_names_the_pace_and_what_the_server_asked_for() -> None:
    entries = [refused(429, retry_after=30.0)] * 10 + [entry()] * 40
    evidence = advice(summary(*entries, seconds=25.0, settings={"interval": 0.1}))["slower"]["evidence"]
    assert evidence["seconds_between_requests"] == 0.5
    assert evidence["suggested_seconds"] == 1.0
    assert evidence["server_asked_to_wait_seconds"] == 30.0
    assert evidence["settings"] == {"interval": 0.1}


def test_many_timeouts_are_a_reason_to_go_slower_too() -> None:
    told = summary(*[broken("timeout")] * 5, *[entry()] * 5)
    assert advice(told)["slower"]["evidence"]["timeouts"] == 5
    assert "slower" not in advice(summary(broken("timeout"), *[entry()] * 99))


def test_connections_that_break_when_they_are_used_again_speak_for_a_session_each() -> None:
    told = summary(*[broken("reset")] * 4, *[entry()] * 6, *[entry(connection="new")] * 10)
    found = advice(told)["per_request_sessions"]
    assert "posters.session = per_request" in found["text"]
    assert found["evidence"]["failed_on_reused_connections"] == 4
    assert found["evidence"]["failed_on_new_connections"] == 0


def test_connections_that_break_when_they_are_new_do_not() -> None:
    told = summary(*[broken("reset", connection="new")] * 4, *[entry(connection="new")] * 10)
    assert "per_request_sessions" not in advice(told)


def test_sessions_made_over_and_over_are_a_pattern_and_failing_ones_a_reason_to_share() -> None:
    made = [entry(number, session=number, session_new=True, connection="new") for number in range(20)]
    assert kinds(summary(*made)) == {"session_churn"}
    assert advice(summary(*made)) == {}
    failing = [broken("connect", connection="new", session_new=True)] * 3
    assert "shared_session" in advice(summary(*made, *failing))
    assert kinds(summary(*made, *[entry()] * 30)) == set()


def test_what_we_gave_up_counts_neither_way() -> None:
    gone = {
        **entry(outcome="cancelled", error={"kind": "cancelled", "type": "X", "text": ""}),
        "status": None,
    }
    told = summary(gone, entry(), {**entry(outcome="unfinished"), "status": None, "seconds": None})
    assert (told["total_requests"], told["success_rate_percent"]) == (3, 100.0)
    assert (told["cancelled_requests"], told["unfinished_requests"]) == (1, 1)


def test_nothing_at_all_is_no_rate_and_no_advice() -> None:
    told = summary(seconds=0.0)
    assert (told["success_rate_percent"], told["timing"]["median_seconds"]) == (None, None)
    assert (told["failure_patterns"], told["recommendations"]) == ([], [])


def test_a_pipeline_that_is_not_known_gets_advice_in_general_words() -> None:
    told = summary(*[refused(401)] * 9, pipeline="something else")
    assert {"key", "individual_mode"} <= set(advice(told))


def test_times_are_those_within_which_a_share_of_the_requests_ended() -> None:
    timing = summary(*[entry(seconds=0.02)] * 90, *[entry(seconds=3.3)] * 10)["timing"]
    assert timing == {
        "mean_seconds": 0.348,
        "median_seconds": 0.025,
        "p95_seconds": 3.3,
        "slowest_seconds": 3.3,
    }


def test_records_of_several_workers_add_up_to_one_summary(wire: Traffic) -> None:
    documents = []
    for worker, path in (("north", "/ok/1"), ("south", "/status/404")):
        recorder = wire.recorder(about={"worker": worker})
        with traffic.watch(httpx.Client(trust_env=False)) as client, recorder.recording("batch-1"):
            client.get(f"{wire.url}{path}")
        recorder.close()
        documents.append(wire.document(len(documents) + 1))
    told = analysis.of_records(documents)
    assert (told["total_requests"], told["success_rate_percent"], told["records"]) == (2, 50.0, 2)
    assert told["workers"] == ["north", "south"]
    assert told["status_code_breakdown"] == {"200": 1, "404": 1}
    one_by_one = Figures.sum(Figures.of(one["figures"]) for one in documents)
    assert one_by_one.to_dict() == Figures.sum([one_by_one]).to_dict()
