"""A whole run against a server that behaves as Plex does, with real files and a real database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medialift.foundation import jobs
from medialift.foundation.waiting import wait_until
from medialift.plex import scan, sonic
from medialift.plex.server import PlexServer
from sandbox.plex import schema
from tests.mount_world import RealMount, StoreMount
from tests.plex_world import TOKEN, PlexWorld


@pytest.fixture
def plex(tmp_path: Path) -> Iterator[PlexWorld]:
    world = PlexWorld(tmp_path)
    yield world
    world.down()


def by_name(status: jobs.Status) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in status.value["sections"]}


def outcomes(status: jobs.Status) -> dict[str, str]:
    return {phase.name: phase.outcome for phase in status.phases}


def test_a_delta_run_claims_locks_down_scans_analyses_and_compares(plex: PlexWorld) -> None:
    plex.library(movies=5, tracks=4)
    plex.movie(5), plex.movie(6), plex.track(5)
    plex.up()
    status = plex.run()
    assert status.state == "ok", (status.error, plex.log())
    assert status.value["outcome"] == "ok" and not status.value["quarantine"]["flag"]
    rows = by_name(status)
    assert (rows["Movies"]["items_before"], rows["Movies"]["items_after"]) == (5, 7)
    assert (rows["Music"]["items_before"], rows["Music"]["items_after"]) == (4, 5)
    assert [row["newly_deleted"] for row in rows.values()] == [0, 0, 0]
    assert rows["Photos"]["skipped"] and "Immich" in rows["Photos"]["reason"]
    assert status.value["sonic"]["analysed"] == status.value["sonic"]["total"] == 5
    assert status.value["sonic"]["rate"] > 0
    assert list(outcomes(status)) == [
        "ready",
        "claim",
        "lockdown",
        "choose sections",
        "counts before",
        "mount check Movies",
        "scan Movies",
        "analyse Movies",
        "mount check Music",
        "scan Music",
        "analyse Music",
        "music analysis",
        "counts after",
        "compare",
    ]
    assert set(outcomes(status).values()) == {"ok"}
    assert all(read["ok"] and read["at"] > 1e9 for read in status.value["mount_reads"])
    server = plex.server()
    prefs = server.preferences()
    assert prefs["autoEmptyTrash"].value == "false" and prefs["GenerateIntroMarkerBehavior"].value == "never"
    assert server.identity().claimed


def test_an_older_plex_is_run_the_same_way(tmp_path: Path) -> None:
    world = PlexWorld(tmp_path, schema.OLD_VERSION)
    try:
        world.library(movies=3, tracks=2)
        world.movie(3), world.track(3)
        world.up()
        status = world.run()
        assert status.state == "ok", (status.error, world.log())
        assert status.value["plex_version"] == schema.OLD_VERSION
        assert by_name(status)["Movies"]["items_after"] == 4
        assert status.value["sonic"]["analysed"] == 3
    finally:
        world.down()


def test_no_secret_is_in_anything_the_job_leaves(plex: PlexWorld) -> None:
    plex.library()
    plex.up()
    assert plex.run(sections=["Movies"]).state == "ok"
    for file in (plex.folder / "job").iterdir():
        assert "server-token-1234567890" not in file.read_text()
        assert "claim-good12345" not in file.read_text()


def test_only_chosen_sections_are_touched_and_no_music_phase_without_music(plex: PlexWorld) -> None:
    plex.library()
    server = plex.up()
    status = plex.run(sections=["Movies"])
    assert status.state == "ok", status.error
    assert outcomes(status)["music analysis"] == "skipped"
    assert status.value["sonic"] is None
    assert by_name(status)["Music"]["reason"].startswith("not among")
    scanned = {section.name: section.scanned_at for section in server.sections()}
    assert scanned["Movies"] > scanned["Music"]


def test_a_scratch_run_makes_the_sections_and_fills_them(plex: PlexWorld) -> None:
    for number in range(6):
        plex.movie(number), plex.track(number)
    plex.up()
    sections = [
        {"name": "Movies", "type": "movie", "locations": [str(plex.media / "Movies")]},
        {"name": "Music", "type": "music", "locations": str(plex.media / "Music")},
    ]
    status = plex.run(mode="scratch", create_sections=sections)
    assert status.state == "ok", (status.error, plex.log())
    rows = by_name(status)
    assert {name: row["items_after"] for name, row in rows.items()} == {"Movies": 6, "Music": 6}
    assert status.value["sonic"]["analysed"] == 6
    assert status.value["outcome"] == "ok"


def test_files_that_vanish_from_the_scan_put_the_archive_into_quarantine(plex: PlexWorld) -> None:
    plex.library(movies=10)
    plex.up()
    # The mount reads for us and not for the scanner: what a check before the scan cannot foresee.
    plex.switch(degraded_mount={"match": "Film [0-4] ", "error": "EIO"})
    status = plex.run(sections=["Movies"])
    assert status.state == "ok", status.error
    assert status.value["outcome"] == "quarantined"
    assert by_name(status)["Movies"]["newly_deleted"] == 5
    assert "5 of 10" in status.value["quarantine"]["reasons"][0]
    # Nothing was emptied: the next good scan brings all of them back.
    assert scan.count(plex.database, "1").items == 10


def test_one_file_that_went_is_no_reason_for_quarantine(plex: PlexWorld) -> None:
    plex.library(movies=10)
    Path(plex.movie(3)).unlink()
    plex.up()
    status = plex.run(sections=["Movies"])
    assert status.value["outcome"] == "ok"
    assert by_name(status)["Movies"]["newly_deleted"] == 1


def test_an_unknown_section_is_an_error_that_lists_the_valid_ones(plex: PlexWorld) -> None:
    plex.library()
    plex.up()
    status = plex.run(sections=["Movis"])
    assert status.state == "failed"
    assert status.error["subject"] == "Movis" and "Movies, Music, Photos" in status.error["hint"]


def test_an_absent_root_is_an_error_before_any_scan(plex: PlexWorld) -> None:
    plex.library()
    (plex.media / "Music").rename(plex.media / "Musik")
    server = plex.up()
    server.wait_ready(at_most=20, every=0.1)
    before = server.section("2").scanned_at
    status = plex.run(sections=["Music"])
    assert status.state == "failed" and "absent inside the container" in status.error["what"]
    assert str(plex.media / "Music") in status.error["subject"]
    assert plex.server().section("2").scanned_at == before
    assert "scan Music" not in outcomes(status)


def test_an_empty_root_is_refused_before_any_scan(plex: PlexWorld) -> None:
    plex.library()
    plex.up()
    (plex.media / "Movies").rename(plex.folder / "away")
    (plex.media / "Movies").mkdir()
    status = plex.run(sections=["Movies"])
    assert status.error["kind"] == "unsafe" and "empty inside the container" in status.error["what"]
    assert "scan Movies" not in outcomes(status)


def test_a_hung_mount_is_refused_before_any_scan(plex: PlexWorld) -> None:
    plex.library()
    source = plex.media.rename(plex.folder / "source")
    mount = RealMount(plex.folder, source, place=plex.media)
    try:
        mount.up()
        plex.up()
        options = plex.options(mount_type="fuse.rclone", sections=["Movies"], times={"mount": 3})
        assert plex.run_with(options).state == "ok"
        mount.freeze()
        begun = time.monotonic()
        status = plex.run_with(options, job="job2")
        assert (status.state, status.error["kind"]) == ("failed", "unsafe")
        assert "does not read, so nothing is scanned" in status.error["what"]
        assert outcomes(status)["mount check Movies"] == "failed"
        assert "scan Movies" not in outcomes(status)
        assert time.monotonic() - begun < 20
    finally:
        mount.down()


def test_a_store_that_lists_and_does_not_read_is_refused_before_any_scan(plex: PlexWorld) -> None:
    plex.library()
    source = plex.media.rename(plex.folder / "source")
    mount = StoreMount(plex.folder, source, place=plex.media)
    try:
        mount.up()
        plex.up()
        mount.store.mode = "error"
        status = plex.run(mount_type="fuse.rclone", sections=["Movies"])
        assert status.error["kind"] == "unsafe" and "degraded" in status.error["what"]
        assert "scan Movies" not in outcomes(status)
    finally:
        mount.down()


def test_a_scan_that_gets_stuck_is_stalled_and_cancelled(plex: PlexWorld) -> None:
    plex.library(movies=60)
    server = plex.up(scan_stalls_after=20)
    status = plex.run(sections=["Movies"], times={"stall": 1.5})
    assert status.state == "failed"
    assert (
        status.error["what"].startswith("Nothing has moved") and "scan of Movies" in status.error["subject"]
    )
    plex.switch(scan_stalls_after=None)
    deadline = time.monotonic() + 10
    while server.section("1").refreshing and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "Scan of Movies was cancelled" in plex.log()


def test_a_music_analysis_that_gets_stuck_is_stalled_with_its_history(plex: PlexWorld) -> None:
    plex.library(tracks=6)
    plex.up(sonic_stalls_after=2)
    status = plex.run(sections=["Music"], times={"stall": 2})
    assert status.state == "failed"
    assert "has not fallen" in status.error["what"] and "it was 6" in status.error["subject"]
    assert sonic.backlog(plex.database, ["2"]).analysed == 2


def test_without_a_plex_pass_the_music_analysis_says_what_is_missing(plex: PlexWorld) -> None:
    plex.library()
    plex.up(plex_pass=False)
    status = plex.run(sections=["Music"])
    assert status.state == "failed" and "Plex Pass" in status.error["hint"]


def test_an_expired_claim_is_waited_out_until_the_file_holds_a_fresh_one(plex: PlexWorld) -> None:
    plex.library()
    plex.up()
    options = plex.options(sections=["Movies"])
    plex.claim_file("claim-expired1234")
    journal = plex.folder / "job" / "journal.jsonl"

    def fresh_one() -> None:
        wait_until(lambda: journal.exists() and '"claim"' in journal.read_text(), at_most=60, every=0.05)
        threading.Timer(2.0, plex.claim_file).start()

    threading.Thread(target=fresh_one, daemon=True).start()
    status = plex.run_with(options)
    assert status.state == "ok", status.error
    (phase,) = [phase for phase in status.phases if phase.name == "claim"]
    assert phase.outcome == "ok" and phase.seconds >= 1.5
    assert "claim-" not in (plex.folder / "job" / "journal.jsonl").read_text()


def test_an_account_claims_by_itself(plex: PlexWorld) -> None:
    plex.library()
    plex.up()
    secret = plex.folder / "account"
    secret.write_text(TOKEN)
    claim = {"account_token_file": str(secret), "account_url": plex.plex_tv.url}
    status = plex.run(sections=["Movies"], claim=claim)
    assert status.state == "ok", status.error
    assert plex.plex_tv.given == 1


def test_an_unclaimed_server_without_a_source_is_an_error(plex: PlexWorld) -> None:
    plex.library()
    plex.up()
    status = plex.run(claim=None)
    assert status.state == "failed" and "not claimed" in status.error["what"]


def test_a_server_that_stops_answering_fails_the_run(plex: PlexWorld) -> None:
    plex.library(movies=40)
    plex.up(seconds_per_file=0.2)
    threading.Timer(3.0, lambda: plex.process and plex.process.kill()).start()
    status = plex.run(sections=["Movies"], times={"unreadable": 2})
    assert status.state == "failed" and "did not answer" in status.error["what"]
    assert outcomes(status)["scan Movies"] == "failed"


def test_a_wrong_option_is_told_before_plex_is_touched(plex: PlexWorld) -> None:
    status = plex.run(sectoins=["Movies"])
    assert status.state == "failed" and "sectoins" in status.error["subject"]
    assert status.phases == () or list(status.phases) == []


def test_what_plexapi_models_is_asked_through_it(plex: PlexWorld) -> None:
    plex.library()
    server: PlexServer = plex.up(watching=1)
    server.wait_ready(at_most=20, every=0.1)
    assert server.watching() == ["family: Something"]
    assert server.plexapi().library.section("Movies").totalSize == 5
    files = server.check_files(str(server.plexapi().library.section("Movies").all()[0].ratingKey))
    assert files[0].exists and files[0].accessible
