"""How a burst ends on the controller: what is taken away, what is spared, and that people hear of either."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from medialift.cloud import instances
from medialift.foundation import journal
from medialift.foundation.waiting import wait_until
from medialift.queueing.database import Database
from sandbox.settings import ROOT
from tests.cloud_world import CREDENTIALS, CloudWorld, make_cloud_world
from tests.dashboard_world import over_http

ARCHIVE = {
    "archives": ["s3://medialift/plex/burst/home-20261121T031500Z.tar.zst"],
    **{"bytes": 10, "sha256": "f" * 64, "members": 3, "quarantined": False, "reasons": []},
}
DONE = {"plex_burst_archive": ARCHIVE, "plex_burst_saved": True, "plex_burst_finished": True}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CloudWorld]:
    yield from make_cloud_world(tmp_path)


@pytest.fixture
def heard() -> Iterator[list[dict[str, Any]]]:
    """What a receiver of notices heard; `heard.url` would be its address: see `url_of`."""
    told = _Heard()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    told.url = f"json://127.0.0.1:{server.server_port}/hook"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


class _Heard(list[dict[str, Any]]):
    url = ""

    def titles(self) -> list[str]:
        return [message["title"] for message in self]


@dataclass
class Ending:
    """A burst of which only the end is played."""

    world: CloudWorld
    artifacts: Path
    notify: str
    values: dict[str, Any] = field(default_factory=dict)

    def conclude(
        self, machine: dict[str, Any] | None = None, **localhost: Any
    ) -> subprocess.CompletedProcess[str]:
        """Play `conclude` after a machine left these facts (None: there was never one)."""
        joined = {"name": "machine", "groups": "plex_burst", **(machine or {})}
        return self.play(
            [
                *(
                    [{"name": "The machine", "ansible.builtin.add_host": joined}]
                    if machine is not None
                    else []
                ),
                *([{"name": "Known", "ansible.builtin.set_fact": localhost}] if localhost else []),
                _part("conclude"),
            ]
        )

    def play(self, tasks: list[dict[str, Any]], **values: Any) -> subprocess.CompletedProcess[str]:
        given = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "scaleway_instance_name": "burst",
            "scaleway_instance_api_url": self.world.url,
            "scaleway_instance_poll": "50ms",
            **{f"scaleway_instance_{name}": value for name, value in CREDENTIALS.items()},
            "plex_burst_artifacts": str(self.artifacts),
            "plex_burst_notify_urls": [self.notify],
            **self.values,
            **values,
        }
        book = self.artifacts / "play.json"
        play = {"name": "Play", "hosts": "localhost", "gather_facts": False, "vars": given, "tasks": tasks}
        book.write_text(json.dumps([play]))
        return subprocess.run(
            [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(book)],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "HOME": str(self.artifacts)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def report(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.artifacts / "report.json").read_text())
        return told

    def error(self) -> str:
        return str(json.loads((self.artifacts / "burst.json").read_text())["error"]["what"])

    def phases(self) -> dict[str, str]:
        return {one.name: one.outcome for one in journal.phases(self.artifacts / "journal.jsonl")}


def _part(name: str) -> dict[str, Any]:
    return {"name": "Part", "ansible.builtin.include_role": {"name": "plex_burst", "tasks_from": name}}


@pytest.fixture
def ending(world: CloudWorld, heard: _Heard, tmp_path: Path) -> Ending:
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    return Ending(world, artifacts, heard.url)


@pytest.fixture
def running(world: CloudWorld) -> Callable[[], dict[str, Any]]:
    """running() -> an instance that was made and is ready, as the role tells of it."""

    def make() -> dict[str, Any]:
        cloud = world.client()
        made, _ = instances.present(cloud, world.wanted())
        rates = instances.rates(cloud, made.id, made.zone)
        return {"instance": made.to_dict(), "cost": {**rates.to_dict(), "so_far": 0.0, "seconds": 1.0}}

    return make


def test_a_burst_that_ended_leaves_nothing_that_costs_money(
    world: CloudWorld, ending: Ending, heard: _Heard, running: Callable[[], dict[str, Any]]
) -> None:
    played = ending.conclude(DONE, plex_burst_instance=running())
    assert played.returncode == 0, played.stdout
    assert world.is_empty()
    report = ending.report()
    assert (report["outcome"], report["instance"]["destroyed"]) == ("ok", True)
    assert report["archive"]["sha256"] == ARCHIVE["sha256"]
    assert ending.phases() == {"destroy": "ok"}
    assert heard.titles() == ["Plex burst (home): ended well"]


def test_a_machine_that_was_lost_is_kept_and_everybody_hears_of_it(
    world: CloudWorld, ending: Ending, heard: _Heard, running: Callable[[], dict[str, Any]]
) -> None:
    journal.Journal(ending.artifacts / "journal.jsonl").start("scan")
    played = ending.conclude({}, plex_burst_instance=running())
    assert played.returncode != 0 and "is kept until its expiry" in " ".join(played.stdout.split())
    assert world.inventory()["servers"] == 1
    assert ending.report()["instance"]["destroyed"] is False
    assert ending.phases() == {"scan": "failed", "destroy": "skipped"}
    assert "STILL RUNNING" in heard[0]["message"] and "lost" in heard[0]["message"]


def test_a_machine_lost_after_its_archive_was_safe_is_taken_away_but_the_burst_has_failed(
    world: CloudWorld, ending: Ending, running: Callable[[], dict[str, Any]]
) -> None:
    machine = {name: value for name, value in DONE.items() if name != "plex_burst_finished"}
    assert ending.conclude(machine, plex_burst_instance=running()).returncode != 0
    assert world.is_empty()
    report = ending.report()
    assert (report["outcome"], report["archive"]["members"]) == ("failed", 3)


def test_a_preparation_that_fails_spares_the_instance_of_an_earlier_run(
    world: CloudWorld, ending: Ending, heard: _Heard, running: Callable[[], dict[str, Any]]
) -> None:
    running()
    played = ending.conclude(plex_burst_failure="The disk of the instance is too small")
    assert played.returncode != 0
    assert world.inventory()["servers"] == 1
    assert ending.report()["instance"]["destroyed"] is False
    assert "STILL RUNNING" in heard[0]["message"]


def test_a_preparation_that_fails_takes_away_what_it_made(
    world: CloudWorld, ending: Ending, running: Callable[[], dict[str, Any]]
) -> None:
    made = running()
    result = {**made, "actions": ["create PLAY2-MICRO in fr-par-1"]}
    ending.conclude(plex_burst_failure="No host", scaleway_instance_result=result, plex_burst_instance=made)
    assert world.is_empty()
    assert ending.report()["instance"]["destroyed"] is True


def test_a_removal_that_fails_hides_neither_how_the_burst_went_nor_what_is_left(
    world: CloudWorld, ending: Ending, heard: _Heard, running: Callable[[], dict[str, Any]]
) -> None:
    made = running()
    ending.values["scaleway_instance_secret_key"] = "wrong"
    played = ending.conclude(DONE, plex_burst_instance=made)
    assert played.returncode != 0
    report = ending.report()
    assert (report["outcome"], report["instance"]["destroyed"]) == ("failed", False)
    assert report["archive"]["sha256"] == ARCHIVE["sha256"]
    assert "teardown.yml" in ending.error()
    assert ending.phases()["destroy"] == "failed"
    assert "STILL RUNNING" in heard[0]["message"]


def test_the_dashboard_hears_of_it_while_it_goes_on_and_how_it_ended(
    ending: Ending, running: Callable[[], dict[str, Any]], database: Database
) -> None:
    journal.Journal(ending.artifacts / "journal.jsonl").start("scan")
    ending.values["plex_burst_post_every"] = "50ms"
    with over_http(database) as dashboard:
        ending.values["plex_burst_dashboard_url"] = str(dashboard.base_url).rstrip("/")

        def told() -> dict[str, Any]:
            return next(iter(dashboard.get("/api/v1/bursts").json()["items"]), {})

        assert ending.play([_part("follow")]).returncode == 0
        assert wait_until(lambda: told().get("phase") == "scan", at_most=30, every=0.05)
        assert ending.conclude(DONE, plex_burst_instance=running()).returncode == 0
        burst = told()
        assert (burst["state"], burst["phase"], burst["library"]) == ("ok", "destroy", "home")
        report = dashboard.get(f"/api/v1/bursts/{burst['id']}/report").json()
    assert report["archive"]["sha256"] == ARCHIVE["sha256"]


def test_a_dashboard_that_is_away_costs_a_burst_nothing_and_is_still_to_be_told(
    ending: Ending, running: Callable[[], dict[str, Any]]
) -> None:
    ending.values["plex_burst_dashboard_url"] = "http://127.0.0.1:9"
    played = ending.conclude(DONE, plex_burst_instance=running())
    assert played.returncode == 0 and "was not told" in " ".join((played.stdout + played.stderr).split())
    (kept,) = (ending.artifacts / "outbox").glob("*.json")
    assert json.loads(kept.read_text())["known"]["outcome"] == "ok"


def test_people_hear_of_a_budget_while_it_is_passed_and_not_once_more_at_the_end(
    world: CloudWorld, ending: Ending, heard: _Heard, running: Callable[[], dict[str, Any]]
) -> None:
    made = running()
    ending.values |= {
        "plex_burst_budget_eur": "0.00001",
        "plex_burst_watch_every": "200ms",
        "plex_burst_cloud_environment": {
            "MEDIALIFT_CLOUD__API_URL": world.url,
            "MEDIALIFT_CLOUD__ACCESS_KEY": CREDENTIALS["access_key"],
            "MEDIALIFT_CLOUD__SECRET_KEY": CREDENTIALS["secret_key"],
            "MEDIALIFT_CLOUD__ORGANIZATION": CREDENTIALS["organization_id"],
            "MEDIALIFT_CLOUD__PROJECT": CREDENTIALS["project_id"],
        },
    }
    known = {"name": "Known", "ansible.builtin.set_fact": {"plex_burst_instance": made}}
    played = ending.play([known, _part("watch")])
    assert played.returncode == 0, played.stdout
    assert CREDENTIALS["secret_key"] not in played.stdout
    assert wait_until(lambda: bool(heard), at_most=30, every=0.1), played.stdout
    assert heard.titles() == ["burst costs more than planned"]
    marker = ending.artifacts / "overspent.json"
    assert wait_until(marker.exists, at_most=5, every=0.05)

    assert ending.conclude(DONE, plex_burst_instance=made).returncode == 0
    assert heard.titles()[1:] == ["Plex burst (home): ended well"]
    assert ending.report()["instance"]["cost_eur"] > 0
