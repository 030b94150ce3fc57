"""The modules about Plex, run as Ansible runs them, against a server that behaves as Plex does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.plex.builder import LibraryBuilder
from tests.plex_world import TIMES, TOKEN, PlexWorld

Module = Callable[..., dict[str, Any]]


@pytest.fixture
def plex(tmp_path: Path) -> Iterator[PlexWorld]:
    world = PlexWorld(tmp_path)
    yield world
    world.down()


def scan_options(plex: PlexWorld, **more: Any) -> dict[str, Any]:
    run = plex.options()
    return {
        "name": "burst-1",
        "jobs_folder": str(plex.folder / "jobs"),
        "supervisor": "process",
        "url": plex.url,
        "preferences": str(plex.preferences),
        "database": run["database"],
        "roots": run["roots"],
        "mount_type": "",
        "times": TIMES,
        "claim_file": run["claim"]["file"],
        "timeout": 60,
        "poll": 0.1,
        **more,
    }


def test_sections_are_counted_without_a_server(run_module: Module, tmp_path: Path) -> None:
    with LibraryBuilder(tmp_path / "library.db") as library:
        movies = library.add_section("Movies", "movie", "/m")
        library.add_movie(movies, "/m/a.mkv", "A")
        library.add_section("Music", "artist", "/s")
    told = run_module("plex_section_info", {"database": str(tmp_path / "library.db")})
    assert [(one["name"], one["items"]) for one in told["sections"]] == [("Movies", 1), ("Music", 0)]
    assert told["schema"]["triggers"] == "new" and len(told["watch_state"]["digest"]) == 64
    assert not told["changed"]


def test_an_unknown_section_lists_the_valid_ones(run_module: Module, tmp_path: Path) -> None:
    with LibraryBuilder(tmp_path / "library.db") as library:
        library.add_section("Movies", "movie", "/m")
    told = run_module("plex_section_info", {"database": str(tmp_path / "library.db"), "sections": ["Movis"]})
    assert told["failed"] and "Valid are: Movies" in told["msg"]


def test_a_library_that_is_not_there_yet_is_predicted_in_check_mode(
    run_module: Module, tmp_path: Path
) -> None:
    options = {"database": str(tmp_path / "library.db")}
    assert run_module("plex_section_info", options, check=True)["predicted"]
    assert run_module("plex_section_info", options)["failed"]


def test_settings_are_predicted_set_and_then_unchanged(run_module: Module, plex: PlexWorld) -> None:
    plex.up()
    options = {"url": plex.url, "profile": "home", "settings": {"ButlerStartHour": 3}}
    # A server that still starts up is waited for, in check mode it is predicted.
    assert run_module("plex_settings", options, check=True)["changed"]
    predicted = None
    done = run_module("plex_settings", options, diff=True)
    assert done["changed"], done
    assert done["diff"]["before"] == {"autoEmptyTrash": "true", "ButlerStartHour": "2"}
    assert done["diff"]["after"] == {"autoEmptyTrash": "0", "ButlerStartHour": "3"}
    assert not run_module("plex_settings", options)["changed"]
    predicted = run_module("plex_settings", {**options, "settings": {"ButlerStartHour": 4}}, check=True)
    assert predicted["changed"] and not run_module("plex_settings", options)["changed"]


def test_an_unknown_setting_fails_and_sets_nothing(run_module: Module, plex: PlexWorld) -> None:
    plex.up()
    options = {"url": plex.url, "settings": {"autoEmptyTrash": False, "AutoScan": False}}
    told = run_module("plex_settings", options)
    assert told["failed"] and "AutoScan" in told["msg"]
    assert plex.server().preferences()["autoEmptyTrash"].value == "true"


def test_the_lockdown_holds_on_the_server(run_module: Module, plex: PlexWorld) -> None:
    plex.up()
    options = {"url": plex.url, "profile": "lockdown", "sonic": True}
    assert run_module("plex_settings", options)["changed"]
    prefs = plex.server().preferences()
    assert prefs["MusicAnalysisBehavior"].value == "scheduled"
    assert prefs["GenerateBIFBehavior"].value == "never" and prefs["autoEmptyTrash"].value == "false"


def test_a_claim_by_the_account_happens_once(run_module: Module, plex: PlexWorld) -> None:
    plex.up()
    options = {
        "url": plex.url,
        "preferences": str(plex.preferences),
        "account_token": TOKEN,
        "account_url": plex.plex_tv.url,
        "timeout": 20,
    }
    predicted = run_module("plex_claim", options, check=True)
    assert predicted["changed"] and plex.plex_tv.given == 0
    assert run_module("plex_claim", options)["changed"]
    again = run_module("plex_claim", options)
    assert not again["changed"] and again["claimed"] and plex.plex_tv.given == 1


def test_an_expired_claim_token_fails_and_is_not_shown(run_module: Module, plex: PlexWorld) -> None:
    plex.up()
    options = {"url": plex.url, "claim_token": "claim-expired9876", "timeout": 20}
    told = run_module("plex_claim", options)
    assert told["failed"] and "four minutes" in told["hint"]
    assert "expired9876" not in json.dumps(told)


def test_a_token_is_got_on_the_controller(run_module: Module, tmp_path: Path) -> None:
    (tmp_path / "claim").write_text("claim-abcdef123456\n")
    options = {"state": "token", "claim_file": str(tmp_path / "claim"), "timeout": 1}
    assert run_module("plex_claim", options)["token"] == "claim-abcdef123456"
    (tmp_path / "claim").unlink()
    assert run_module("plex_claim", options)["failed"]
    given = run_module("plex_claim", {"state": "token", "claim_token": "claim-abcdef123456"})
    assert given["token"] == "claim-abcdef123456"


def test_a_scan_is_predicted_started_attached_to_and_read(run_module: Module, plex: PlexWorld) -> None:
    plex.library(movies=3, tracks=2)
    plex.up()
    start = scan_options(plex)
    finish = {**start, "state": "finished"}
    assert run_module("plex_scan", start, check=True)["changed"]
    assert not (plex.folder / "jobs").exists()
    first = run_module("plex_scan", start, diff=True)
    assert first["changed"] and first["diff"] == {"before": {"job": "absent"}, "after": {"job": "running"}}
    assert not run_module("plex_scan", start)["changed"]  # it attaches
    ended = run_module("plex_scan", finish)
    assert ended["finished"] and not ended["changed"], ended
    assert ended["result"]["outcome"] == "ok"
    assert any(line.startswith("scan Movies") for line in ended["lines"])
    again = run_module("plex_scan", start)
    assert not again["changed"] and again["result"] == ended["result"]
    assert run_module("plex_scan", {**start, "sections": ["Music"]})["failed"]


def test_a_scan_takes_its_store_and_its_word_as_texts_of_a_survey(
    run_module: Module, plex: PlexWorld
) -> None:
    start = scan_options(plex, accept_deletions="true", config=str(plex.folder / "medialift.toml"))
    unnamed = run_module("plex_scan", {**start, "store": [{"prefix": "all"}]})
    assert unnamed["failed"] and "bucket" in unnamed["msg"]
    roots = {"/a": "/mnt/a", "/b": "/mnt/b"}
    unclear = run_module("plex_scan", {**start, "roots": roots, "store": [{"bucket": "media"}]}, check=True)
    assert unclear["failed"] and "which root" in unclear["msg"]
    assert run_module("plex_scan", {**start, "store": [{"bucket": "media"}]}, check=True)["changed"]


def test_a_failed_scan_tells_why_and_a_new_start_runs_it_again(run_module: Module, plex: PlexWorld) -> None:
    plex.library()
    plex.up()
    start = scan_options(plex, sections=["Movis"])
    assert run_module("plex_scan", start)["changed"]
    told = run_module("plex_scan", {**start, "state": "finished"})
    assert told["failed"] and told["finished"]
    assert "There is no such section: Movis" in told["msg"] and "Movies" in told["hint"]
    right = {**start, "sections": ["Movies"]}
    assert run_module("plex_scan", right)["changed"]
    assert run_module("plex_scan", {**right, "state": "finished"})["result"]["outcome"] == "ok"


def test_a_scan_is_cancelled(run_module: Module, plex: PlexWorld) -> None:
    plex.library(movies=40)
    plex.up(seconds_per_file=0.5)
    start = scan_options(plex)
    run_module("plex_scan", start)
    waited = run_module("plex_scan", {**start, "state": "finished", "timeout": 3})
    assert not waited["finished"] and not waited.get("failed")
    cancel = {**start, "state": "cancelled"}
    assert run_module("plex_scan", cancel, check=True)["changed"]
    assert run_module("plex_scan", cancel)["changed"]
    assert not run_module("plex_scan", cancel)["changed"]
    told = run_module("plex_scan", {**start, "state": "finished"})
    assert told["failed"] and "stopped" in told["msg"]


def test_secrets_lie_in_files_of_their_own_and_go_at_the_end(run_module: Module, plex: PlexWorld) -> None:
    plex.library()
    plex.up()
    start = scan_options(plex, sections=["Movies"], account_token=TOKEN, account_url=plex.plex_tv.url)
    del start["claim_file"]
    run_module("plex_scan", start)
    job = plex.folder / "jobs" / "burst-1"
    secret = job / "account-token"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert run_module("plex_scan", {**start, "state": "finished"})["finished"]
    assert not secret.exists()
    assert all(TOKEN not in file.read_text() for file in job.iterdir())


def test_a_wrong_option_is_told_before_anything_is_written(run_module: Module, plex: PlexWorld) -> None:
    for wrong, named in (({"times": {"pol": 1}}, "pol"), ({"create_sections": [{"name": "x"}]}, "type")):
        told = run_module("plex_scan", {**scan_options(plex), **wrong}, check=True)
        assert told["failed"] and named in told["msg"]
    assert not (plex.folder / "jobs").exists()


def test_waiting_for_a_job_that_is_not_there_is_an_error(run_module: Module, tmp_path: Path) -> None:
    options = {"name": "none", "state": "finished", "jobs_folder": str(tmp_path)}
    assert "no such job" in run_module("plex_scan", options)["msg"]
    assert run_module("plex_scan", options, check=True)["job_state"] == "absent"


def test_a_mount_is_checked(run_module: Module, tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(bytes(1000))
    fine = run_module("mount_health", {"mountpoint": str(tmp_path), "filesystem": ""})
    assert fine["state"] == "healthy" and not fine["changed"]
    told = run_module("mount_health", {"mountpoint": str(tmp_path)})
    assert told["failed"] and "is absent: nothing is mounted there" in told["msg"]
    assert run_module("mount_health", {"mountpoint": str(tmp_path)}, check=True)["predicted"]
    (tmp_path / "a.mkv").unlink()
    empty = {"mountpoint": str(tmp_path), "filesystem": ""}
    assert run_module("mount_health", empty)["failed"]
    assert run_module("mount_health", {**empty, "allow_empty": True})["state"] == "empty"


def test_a_playbook_keeps_its_journal_phase_by_phase(run_module: Module, tmp_path: Path) -> None:
    path = tmp_path / "artifacts" / "journal.jsonl"

    def journal(phase: str, state: str, **more: Any) -> dict[str, Any]:
        return run_module("run_journal", {"path": str(path), "phase": phase, "state": state}, **more)

    assert journal("preflight", "started", check=True)["changed"] and not path.exists()
    assert journal("preflight", "started")["changed"]
    assert not journal("preflight", "started")["changed"]
    time.sleep(0.01)
    journal("provision", "started")
    assert journal("provision", "failed")["changed"]
    assert not journal("provision", "failed")["changed"]
    told = journal("import", "skipped")
    assert [(phase["name"], phase["outcome"]) for phase in told["phases"]] == [
        ("preflight", "ok"),
        ("provision", "failed"),
        ("import", "skipped"),
    ]
    assert told["phases"][0]["seconds"] > 0
