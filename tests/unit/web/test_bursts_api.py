"""The API of bursts: told of by a controller, read by everybody, refused when it makes no sense."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.dashboard_world import within

AT = 1_796_040_000.0
PATH = "/api/v1/bursts/films-1/journal"
REPORT: dict[str, Any] = {
    "title": "Plex burst <script>alert(1)</script>",
    "library": "films",
    "mode": "delta",
    "outcome": "ok",
    "error": None,
    "phases": [{"name": "scan", "seconds": 60, "outcome": "ok", "started": AT}],
    "sections": [{"name": "Films", "type": "movie", "items_before": 10, "items_after": 12}],
    "instance": {
        "id": "i-1", "destroyed": True, "seconds": 600, "cost_eur": 0.12, "zone": "fr-par-2",
        "budget_eur": 2.0,
    },
    "archive": None,
    "logs": None,
    "imported": None,
    "reads": [{"at": AT + 1, "seconds": 0.2, "ok": True}],
}  # fmt: skip


@pytest.fixture
def client(database):
    with within(database) as opened:
        yield opened


def line(number: int, phase: str = "scan", event: str = "start", **more: Any) -> dict[str, Any]:
    return {"number": number, "at": AT + number, "phase": phase, "event": event, **more}


def tell(client, *lines: dict[str, Any], path: str = PATH, **more: Any):
    return client.post(path, json={"lines": list(lines), **more})


def test_without_a_burst_the_list_is_empty_and_one_is_not_found(client):
    assert client.get("/api/v1/bursts").json() == {"items": [], "next": None}
    for path in ("films-1", "films-1/journal", "films-1/report", "films-1/report.html"):
        answer = client.get(f"/api/v1/bursts/{path}")
        assert (answer.status_code, answer.json()["kind"]) == (404, "permanent")


def test_a_burst_that_goes_on_shows_its_phases_and_where_it_is(client):
    told = tell(
        client,
        line(1, "provision"),
        line(2, "provision", "end", outcome="ok", seconds=1.0),
        line(3),
        line(4, event="progress", data={"text": "120 of 300"}),
        library="films",
        mode="delta",
        budget_eur=2,
    )
    assert (told.status_code, told.json()["added"], told.json()["known"]) == (200, 4, 0)
    found = client.get("/api/v1/bursts/films-1").json()
    assert (found["state"], found["phase"], found["progress"]) == ("running", "scan", "120 of 300")
    assert [(one["name"], one["outcome"]) for one in found["phases"]] == [
        ("provision", "ok"),
        ("scan", "running"),
    ]
    assert found["started"] == "2026-11-30T12:00:01Z" and found["budget_eur"] == 2.0
    assert client.get("/api/v1/bursts/films-1/report").status_code == 404


def test_a_journal_that_is_told_again_adds_only_what_is_new(client):
    tell(client, line(1), line(2))
    again = tell(client, line(1), line(2), line(3)).json()
    assert (again["added"], again["known"]) == (1, 2)


def test_what_the_report_knows_of_the_machine_and_the_sections_is_known_of_the_burst(client):
    tell(client, line(1), report=REPORT, outcome="ok")
    found = client.get("/api/v1/bursts/films-1").json()
    assert (found["state"], found["zone"], found["cost_eur"], found["library"]) == (
        "ok", "fr-par-2", 0.12, "films",
    )  # fmt: skip
    assert found["sections"][0]["items_after"] == 12 and found["has_report"]
    assert client.get("/api/v1/bursts/films-1/report").json()["reads"][0]["seconds"] == 0.2


def test_the_page_of_a_report_escapes_what_it_tells_and_may_run_nothing(client):
    tell(client, report=REPORT)
    page = client.get("/api/v1/bursts/films-1/report.html")
    assert "<script>alert" not in page.text and "&lt;script&gt;" in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy and "sandbox" in policy


def test_the_lines_and_the_bursts_are_read_page_by_page(client):
    tell(client, *(line(number) for number in range(1, 8)))
    tell(client, line(1, "import"), journal="home")
    seen, cursor = [], None
    while True:
        page = client.get(PATH, params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        seen += [(one["journal"], one["number"]) for one in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == [("controller", 1), ("home", 1), *(("controller", number) for number in range(2, 8))]
    for number in range(3):
        tell(client, line(number + 1), path=f"/api/v1/bursts/b{number}/journal", library="music")
    first = client.get("/api/v1/bursts", params={"limit": 2, "library": "music"}).json()
    second = client.get("/api/v1/bursts", params={"library": "music", "cursor": first["next"]}).json()
    assert [one["id"] for one in first["items"] + second["items"]] == ["b2", "b1", "b0"]


def wrong(**changes: Any) -> dict[str, Any]:
    return {"lines": [line(1)], **changes}


DEEP: dict[str, Any] = {}
for _ in range(30):
    DEEP = {"x": DEEP}
ENDLESS = copy.deepcopy(REPORT)
ENDLESS["phases"][0]["started"] = 1e300


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="no object"),
        pytest.param(wrong(lines=[line(0)]), id="a line without a number"),
        pytest.param(wrong(lines=[line(1), line(1)]), id="a number twice"),
        pytest.param(wrong(lines=[line(1) | {"at": -5}]), id="before all times"),
        pytest.param(wrong(lines=[line(1) | {"at": 1e18}]), id="after all times"),
        pytest.param(wrong(lines=[line(1, "a\0b")]), id="a sign that no database holds"),
        pytest.param(wrong(lines=[line(1, data=DEEP)]), id="nested without end"),
        pytest.param(wrong(lines=[line(1, data={"x": "y" * 30_000})]), id="a line as long as a book"),
        pytest.param(wrong(lines=[line(n) for n in range(1, 1002)]), id="too many lines at once"),
        pytest.param(wrong(libary="films"), id="a misspelt name"),
        pytest.param(wrong(outcome="great"), id="an outcome that there is not"),
        pytest.param(wrong(report=REPORT | {"sections": "none"}), id="a report that is none"),
        pytest.param(wrong(report=ENDLESS), id="a report that no page can show"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_of_it_kept(client, body):
    answer = client.post(PATH, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert client.get("/api/v1/bursts").json()["items"] == []


def test_a_line_that_said_something_else_before_is_refused(client):
    tell(client, line(1))
    answer = tell(client, line(1, "other"))
    assert answer.status_code == 400 and "said something else" in answer.json()["what"]


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "a%00b", "-x", "a" * 101, "a b", "<script>"])
def test_an_id_that_is_none_is_refused(client, name):
    for path in (f"/api/v1/bursts/{name}", f"/api/v1/bursts/{name}/report.html"):
        answer = client.get(path)
        assert answer.status_code in (404, 422) and "passwd" not in answer.text
