"""A burst is told to the dashboard once, whole, and as soon as that lets itself be told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from medialift.cli.app import app
from medialift.errors import Permanent, Transient
from medialift.foundation import journal
from medialift.foundation.journal import Journal
from medialift.foundation.waiting import wait_until
from medialift.plex.posting import Dashboard, Delivered, Outbox, follow, of_burst, of_import
from medialift.plex.posting.post import Post
from medialift.queueing.database import Database
from tests.dashboard_world import over_http

SHA = "ab" * 32
BURST = {
    "library": "home",
    "mode": "delta",
    "outcome": "ok",
    "journals": ["journal.jsonl"],
    "sections": [{"name": "Movies", "type": "movie", "items_before": 220, "items_after": 224}],
    "instance": {
        **{"id": "i-1", "destroyed": True, "seconds": 3600, "cost_eur": 0.42, "zone": "fr-par-2"},
        "budget_eur": 20,
    },
    "archive": {"bytes": 10, "sha256": SHA, "members": 3},
}


@pytest.fixture
def house(database: Database) -> Iterator[httpx.Client]:
    """A dashboard with its API."""
    with over_http(database) as client:
        yield client


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """What a controller keeps of a burst that has just begun."""
    told = Journal(tmp_path / "journal.jsonl")
    told.start("preflight")
    return tmp_path


def go_on(artifacts: Path, *phases: str) -> None:
    for phase in phases:
        journal.write(
            artifacts / "journal.jsonl", journal.steps(artifacts / "journal.jsonl", phase, "started")
        )


def end(artifacts: Path, outcome: str = "ok") -> Path:
    go_on(artifacts, "destroy")
    journal.write(artifacts / "journal.jsonl", journal.steps(artifacts / "journal.jsonl", "destroy", outcome))
    (artifacts / "burst.json").write_text(json.dumps({**BURST, "outcome": outcome}))
    return artifacts / "burst.json"


def dashboard(url: object) -> Dashboard:
    return Dashboard(str(url).rstrip("/"), SecretStr(""), timeout=60)


def posted(artifacts: Path, *inputs: Path) -> Post:
    found = of_burst(artifacts / "journal.jsonl", library="home", inputs=inputs)
    assert found is not None
    return found


def bursts(house: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = house.get("/api/v1/bursts").json()["items"]
    return found


@contextmanager
def answering(*answers: tuple[int, str]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers, the last one for ever; its address, and what it was sent."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            status, body = answers[min(len(heard), len(answers)) - 1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_burst_that_goes_on_is_known_with_the_phase_that_it_is_at(
    house: httpx.Client, artifacts: Path
) -> None:
    go_on(artifacts, "provision", "scan")
    assert dashboard(house.base_url).tell("home-1", posted(artifacts)) == 5
    (burst,) = bursts(house)
    assert (burst["library"], burst["phase"], burst["state"]) == ("home", "scan", "running")


def test_its_end_comes_with_the_report(house: httpx.Client, artifacts: Path) -> None:
    post = posted(artifacts, end(artifacts))
    dashboard(house.base_url).tell(post.id, post)
    told = house.get(f"/api/v1/bursts/{post.id}").json()
    assert (told["state"], told["zone"], told["cost_eur"], told["budget_eur"]) == ("ok", "fr-par-2", 0.42, 20)
    assert told["sections"][0]["items_after"] == 224
    assert "Movies" in house.get(f"/api/v1/bursts/{post.id}/report.html").text


def test_a_burst_that_is_run_again_goes_on_again_and_ends_as_it_then_ends(
    house: httpx.Client, artifacts: Path
) -> None:
    there = dashboard(house.base_url)
    for outcome, told in (("failed", "failed"), (None, "running"), ("ok", "ok")):
        if outcome is None:
            go_on(artifacts, "preflight")
        else:
            end(artifacts, outcome)
        there.tell("again", posted(artifacts))
        assert bursts(house)[0]["state"] == told


def test_its_id_is_the_library_and_when_it_began(artifacts: Path) -> None:
    (artifacts / "journal.jsonl").write_text('{"at": 1700000000.5, "phase": "preflight", "event": "start"}\n')
    assert posted(artifacts).id == "home-20231114T221320Z"


def test_the_same_post_again_adds_nothing(house: httpx.Client, artifacts: Path) -> None:
    there = dashboard(house.base_url)
    assert (there.tell("one", posted(artifacts)), there.tell("one", posted(artifacts))) == (1, 0)


def test_a_long_journal_goes_in_parts_and_comes_whole(house: httpx.Client, artifacts: Path) -> None:
    told = Journal(artifacts / "journal.jsonl")
    for number in range(1200):
        told.add("preflight", "note", data={"text": f"{number}"})
    assert dashboard(house.base_url).tell("long", posted(artifacts)) == 1201


def test_a_line_with_too_much_in_it_comes_with_its_text_alone(house: httpx.Client, artifacts: Path) -> None:
    Journal(artifacts / "journal.jsonl").add(
        "preflight", "note", data={"text": "why", "all": ["x" * 90] * 900}
    )
    assert dashboard(house.base_url).tell("much", posted(artifacts)) == 2
    line = house.get("/api/v1/bursts/much/journal").json()["items"][1]
    assert line["data"] == {"text": "why"}


def test_a_report_with_very_many_reads_is_thinned_and_not_refused(
    house: httpx.Client, artifacts: Path
) -> None:
    file = end(artifacts)
    reads = [{"at": 1_700_000_000 + number, "seconds": 0.25, "ok": True} for number in range(25_000)]
    file.write_text(json.dumps({**BURST, "mount_reads": reads}))
    post = posted(artifacts, file)
    dashboard(house.base_url).tell(post.id, post)
    kept = house.get(f"/api/v1/bursts/{post.id}/report").json()["reads"]
    assert 5_000 < len(kept) <= 10_000


def test_a_journal_without_a_line_says_nothing(tmp_path: Path) -> None:
    assert of_burst(tmp_path / "journal.jsonl", library="home") is None


def test_a_dashboard_that_is_away_is_told_later(artifacts: Path, house: httpx.Client) -> None:
    box = Outbox(artifacts / "outbox")
    post = posted(artifacts, end(artifacts))
    box.put(post)
    (gone,) = box.deliver(dashboard("http://127.0.0.1:9"))
    assert not gone.ok and isinstance(gone.error, Transient)
    (taken,) = box.deliver(dashboard(house.base_url))
    assert taken.ok and taken.burst == post.id
    assert box.waiting() == [] and bursts(house)[0]["id"] == post.id


def test_what_was_put_later_neither_loses_nor_repeats_what_was_put_before(
    artifacts: Path, house: httpx.Client
) -> None:
    box = Outbox(artifacts / "outbox")
    go_on(artifacts, "provision")
    box.put(posted(artifacts))
    box.put(posted(artifacts, end(artifacts)))
    box.put(posted(artifacts))  # as of a follower that looked once more, without a report
    (taken,) = box.deliver(dashboard(house.base_url))
    assert taken.added == 6
    assert bursts(house)[0]["state"] == "ok"


def test_what_is_kept_is_its_owner_s_alone(artifacts: Path) -> None:
    box = Outbox(artifacts / "outbox")
    box.put(posted(artifacts))
    (kept,) = box.waiting()
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502, 503])
def test_what_may_pass_is_tried_again(artifacts: Path, status: int) -> None:
    box = Outbox(artifacts / "outbox")
    box.put(posted(artifacts))
    with answering((status, "{}"), (200, '{"added": 1}')) as (url, _):
        (first,) = box.deliver(dashboard(url))
        assert isinstance(first.error, Transient) and str(status) in str(first.error)
        (second,) = box.deliver(dashboard(url))
    assert second.ok


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_will_never_be_taken_is_set_aside_and_stops_nothing(artifacts: Path, status: int) -> None:
    box = Outbox(artifacts / "outbox")
    for name in ("a-1", "b-2"):
        box.put(Post(name, "controller", posted(artifacts).lines))
    refusal = json.dumps({"detail": "A line of this journal is known and said something else."})
    with answering((status, refusal), (200, '{"added": 1}')) as (url, _):
        refused, taken = box.deliver(dashboard(url))
    assert refused.refused and "said something else" in str(refused.error) and taken.ok
    assert [file.name for file in (artifacts / "outbox/refused").iterdir()] == ["a-1-controller.json"]
    assert box.waiting() == []


def test_one_that_is_away_is_asked_once_and_not_for_each_burst(artifacts: Path) -> None:
    box = Outbox(artifacts / "outbox")
    for name in ("a-1", "b-2", "c-3"):
        box.put(Post(name, "controller", posted(artifacts).lines))
    with answering((503, "")) as (url, heard):
        assert len(box.deliver(dashboard(url))) == 1
    assert len(heard) == 1 and len(box.waiting()) == 3


def test_a_proxy_s_page_for_logging_in_is_not_taken_for_the_dashboard(artifacts: Path) -> None:
    box = Outbox(artifacts / "outbox")
    box.put(posted(artifacts))
    with answering((200, "<html>Log in</html>")) as (url, _):
        (one,) = box.deliver(dashboard(url))
    assert not one.ok and "not the dashboard" in str(one.error)


def test_a_post_that_was_torn_is_set_aside_and_the_others_go(artifacts: Path, house: httpx.Client) -> None:
    box = Outbox(artifacts / "outbox")
    box.put(posted(artifacts))
    (artifacts / "outbox/a-torn-controller.json").write_text('{"id": "a-torn", "lin')
    torn, whole = box.deliver(dashboard(house.base_url))
    assert torn.refused and whole.ok


class AtHome:
    """Home's journal, which goes on from import to import."""

    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal.jsonl"

    def imports(self, outcome: str = "ok") -> None:
        for state in ("started", outcome):
            journal.write(self.journal, journal.steps(self.journal, "import", state))

    def post(self, archive: str = "") -> Post:
        found = of_import(self.journal, library="home", archive=archive)
        assert found is not None
        return found


@pytest.fixture
def at_home(tmp_path: Path) -> AtHome:
    folder = tmp_path / "home"
    folder.mkdir()
    return AtHome(folder)


def test_an_import_at_home_comes_to_the_burst_that_made_its_archive(
    artifacts: Path, at_home: AtHome, house: httpx.Client
) -> None:
    box = Outbox(artifacts / "outbox")
    burst = posted(artifacts, end(artifacts))
    box.put(burst)
    at_home.imports()
    box.put(at_home.post(SHA))
    assert [one.burst for one in box.deliver(dashboard(house.base_url))] == [burst.id, burst.id]
    told = house.get(f"/api/v1/bursts/{burst.id}").json()
    assert [phase["name"] for phase in told["phases"] if phase["journal"] == "home"] == ["import"]
    assert told["state"] == "ok" and told["has_report"]


def test_an_import_whose_burst_nobody_knows_is_told_by_itself(
    artifacts: Path, at_home: AtHome, house: httpx.Client
) -> None:
    box = Outbox(artifacts / "outbox")
    at_home.imports()
    post = at_home.post("00" * 32)
    box.put(post)
    (taken,) = box.deliver(dashboard(house.base_url))
    assert taken.burst == post.id


def test_only_the_last_import_is_told_and_its_lines_keep_their_numbers(at_home: AtHome) -> None:
    at_home.imports("failed")
    at_home.imports()
    assert list(at_home.post().lines) == [3, 4]


def test_an_import_that_failed_and_the_one_after_it_are_both_told(
    artifacts: Path, at_home: AtHome, house: httpx.Client
) -> None:
    there, burst = dashboard(house.base_url), posted(artifacts, end(artifacts))
    there.tell(burst.id, burst)
    for outcome in ("failed", "ok"):
        at_home.imports(outcome)
        there.tell(burst.id, at_home.post())
    told = house.get(f"/api/v1/bursts/{burst.id}").json()["phases"]
    assert [one["outcome"] for one in told if one["journal"] == "home"] == ["failed", "ok"]


class Followed:
    """A follower in a thread."""

    def __init__(self, artifacts: Path, url: object, at_most: float = 60.0) -> None:
        self.heard: list[Delivered] = []
        self.ended: list[str] = []
        self.stop = Event()
        path = artifacts / "journal.jsonl"

        def work() -> None:
            self.ended.append(
                follow(
                    path,
                    lambda: of_burst(path, library="home"),
                    Outbox(artifacts / "outbox"),
                    dashboard(url),
                    every=0.02,
                    at_most=at_most,
                    heard=self.heard.append,
                    stop=self.stop,
                )
            )

        self.thread = Thread(target=work)
        self.thread.start()

    def ends(self) -> str:
        self.thread.join(30)
        assert not self.thread.is_alive()
        return self.ended[0]


@pytest.fixture
def followed(artifacts: Path) -> Iterator[Callable[..., Followed]]:
    made: list[Followed] = []

    def begin(url: object, **given: float) -> Followed:
        made.append(Followed(artifacts, url, **given))
        return made[-1]

    yield begin
    for one in made:
        one.stop.set()
        one.thread.join(30)


def test_a_follower_tells_each_phase_as_it_comes_and_leaves_with_the_end(
    artifacts: Path, house: httpx.Client, followed: Callable[..., Followed]
) -> None:
    one = followed(house.base_url)
    assert wait_until(lambda: bool(bursts(house)), at_most=30, every=0.02)
    go_on(artifacts, "scan")
    assert wait_until(lambda: bursts(house)[0]["phase"] == "scan", at_most=30, every=0.02)
    end(artifacts)
    assert one.ends() == "told"
    assert bursts(house)[0]["phase"] == "destroy"


def test_a_follower_goes_on_trying_after_the_end(artifacts: Path, followed: Callable[..., Followed]) -> None:
    end(artifacts)
    with answering((503, ""), (503, ""), (200, '{"added": 4}')) as (url, _):
        one = followed(url)
        assert one.ends() == "told"
    assert [delivered.ok for delivered in one.heard] == [False, False, True]


def test_a_second_follower_leaves_at_once_and_the_first_ends_when_it_is_told_to(
    artifacts: Path, house: httpx.Client, followed: Callable[..., Followed]
) -> None:
    first = followed(house.base_url)
    assert wait_until(lambda: bool(first.heard), at_most=30, every=0.02)
    assert followed(house.base_url).ends() == "busy"
    first.stop.set()
    assert first.ends() == "time"


def test_a_follower_leaves_when_its_time_is_over(artifacts: Path, followed: Callable[..., Followed]) -> None:
    assert followed("http://127.0.0.1:9", at_most=0.1).ends() == "time"
    assert len(list((artifacts / "outbox").glob("*.json"))) == 1


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """command(url, …) -> the exit code of `medialift --json plex post-journal …` and what it printed."""

    def call(url: object, *words: object, token: str = "") -> tuple[int, Any]:
        monkeypatch.setenv("MEDIALIFT_DASHBOARD__URL", str(url).rstrip("/") if url else "")
        monkeypatch.setenv("MEDIALIFT_DASHBOARD__TOKEN", token)
        done = CliRunner().invoke(app, ["--json", "plex", "post-journal", *map(str, words)])
        return done.exit_code, json.loads(done.stdout or "null")

    return call


def test_the_command_tells_and_says_so(
    artifacts: Path, house: httpx.Client, command: Callable[..., Any]
) -> None:
    file = end(artifacts)
    code, told = command(house.base_url, artifacts / "journal.jsonl", "--inputs", file, "--library", "home")
    assert (code, told[0]["ok"], told[0]["added"]) == (0, True, 4)


def test_the_command_keeps_what_is_not_taken_and_ends_with_75(
    artifacts: Path, command: Callable[..., Any]
) -> None:
    code, told = command("http://127.0.0.1:9", artifacts / "journal.jsonl")
    assert code == 75 and told[0]["error"]["kind"] == "transient"
    assert len(list((artifacts / "outbox").glob("*.json"))) == 1


def test_the_command_without_a_dashboard_is_bad_input(artifacts: Path, command: Callable[..., Any]) -> None:
    code, _ = command("", artifacts / "journal.jsonl")
    assert code == 2


def test_the_command_refuses_a_damaged_journal(
    tmp_path: Path, house: httpx.Client, command: Callable[..., Any]
) -> None:
    (tmp_path / "journal.jsonl").write_text("nonsense\n")
    assert command(house.base_url, tmp_path / "journal.jsonl")[0] == 2


def test_the_token_is_sent_and_shown_nowhere(artifacts: Path, command: Callable[..., Any]) -> None:
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.headers["Authorization"])
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        journal_file = artifacts / "journal.jsonl"
        code, told = command(f"http://127.0.0.1:{server.server_port}", journal_file, token="mlt_secret-word")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert code == 75 and seen == ["Bearer mlt_secret-word"]
    assert "secret-word" not in json.dumps(told)


def test_a_token_in_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    from medialift.settings import DashboardSettings

    (tmp_path / "token").write_text("mlt_x")
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(Permanent, match="Others can read"):
        Dashboard.of(DashboardSettings(url="http://127.0.0.1:9", token_file=tmp_path / "token"))
