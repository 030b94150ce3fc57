"""The stand-in answers unmodified python-plexapi as Plex does: identity, access, settings, claim, butler."""

from __future__ import annotations

import sqlite3
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
import requests
from plexapi.exceptions import BadRequest, NotFound, Unauthorized
from plexapi.server import PlexServer

from sandbox.plex import schema
from sandbox.plextv import ACCOUNT_TOKEN
from tests.integration.plex_standin import PlexTv, Standin, until


def test_identity_answers_long_before_writes_are_taken(tmp_path: Path) -> None:
    server = Standin(tmp_path, pace=0.1, ready=False)
    try:
        until(lambda: server.answers("/identity"))
        early = server.request("PUT", "/:/prefs?autoEmptyTrash=0")
        assert early.status_code == 503
        assert "still starting up" in early.text
        assert server.request("GET", "/library/sections").status_code == 503
        until(lambda: server.answers("/library/sections"))
        late = server.request("PUT", "/:/prefs?autoEmptyTrash=0")
        assert late.status_code == 400
        assert "still starting up" in late.text
        until(lambda: server.request("PUT", "/:/prefs?autoEmptyTrash=0").ok)
    finally:
        server.close()


def test_plexapi_reads_what_the_server_is(standin: Standin) -> None:
    plex = standin.plex()
    assert plex.version == schema.NEW_VERSION
    assert plex.identity().machineIdentifier == plex.machineIdentifier
    assert len(plex.machineIdentifier) == 40
    assert plex.identity().claimed is False
    assert plex.library.sections() == []
    assert plex.sessions() == []
    assert plex.currentBackgroundProcess() == []


def test_an_unclaimed_server_answers_an_address_but_not_an_unknown_name(standin: Standin) -> None:
    assert standin.request("GET", "/").status_code == 200
    refused = standin.request("GET", "/", headers={"Host": "plex:32400"})
    assert refused.status_code == 401
    assert refused.headers["Content-Type"] == "text/html"
    assert "<html>" in refused.text


def test_a_claimed_server_wants_its_token_even_from_localhost(claimed: Standin) -> None:
    assert claimed.plex().myPlexSubscription is True
    with pytest.raises(Unauthorized):
        PlexServer(claimed.url)
    with pytest.raises(Unauthorized):
        PlexServer(claimed.url, "wrong")
    assert requests.get(f"{claimed.url}/identity", timeout=5).ok


def test_an_allowed_network_needs_no_token(claimed: Standin) -> None:
    claimed.request("PUT", "/:/prefs", params={"allowedNetworks": "nonsense,127.0.0.0/8"})
    assert PlexServer(claimed.url).identity().claimed is True


def test_a_revoked_token_is_refused(claimed: Standin) -> None:
    claimed.switch(token_revoked=True)
    with pytest.raises(Unauthorized):
        claimed.plex()
    claimed.switch(token_revoked=False)
    assert claimed.plex().identity().claimed is True


def test_a_claim_token_is_good_once_and_not_for_ever(standin: Standin, plex_tv: PlexTv) -> None:
    standin.environment["STANDIN_PLEX_TV"] = plex_tv.url
    standin.stop()
    standin.start()
    expired = plex_tv.token(ACCOUNT_TOKEN)
    plex_tv.steer(expire=True)
    assert standin.request("POST", "/myplex/claim", params={"token": expired}).status_code == 400
    good = plex_tv.token(ACCOUNT_TOKEN)
    assert standin.request("POST", "/myplex/claim", params={"token": good}).status_code == 200
    other = Standin(standin.data.parents[3] / "other", plex_tv=plex_tv.url)
    try:
        assert other.request("POST", "/myplex/claim", params={"token": good}).status_code == 400
    finally:
        other.close()


def test_plex_tv_refuses_a_wrong_account_token(plex_tv: PlexTv) -> None:
    with pytest.raises(requests.HTTPError, match="401"):
        plex_tv.token("wrong")


def test_a_claim_survives_a_restart_and_no_secret_is_logged(claimed: Standin) -> None:
    machine = claimed.plex().machineIdentifier
    token = claimed.token
    assert claimed.stop() == 0
    claimed.start()
    assert claimed.plex().machineIdentifier == machine
    assert claimed.plex().identity().claimed is True
    assert token not in (claimed.data / "Logs" / "Plex Media Server.log").read_text()


def test_settings_start_with_the_dangerous_default_and_can_be_changed(standin: Standin) -> None:
    plex = standin.plex()
    assert plex.settings.get("autoEmptyTrash").value is True
    plex.settings.get("autoEmptyTrash").set(False)
    plex.settings.get("MusicAnalysisBehavior").set("never")
    plex.settings.save()
    again = standin.plex().settings
    assert again.get("autoEmptyTrash").value is False
    assert again.get("MusicAnalysisBehavior").value == "never"
    standin.stop()
    standin.start()
    assert standin.plex().settings.get("autoEmptyTrash").value is False


def test_an_unknown_setting_is_answered_200_and_forgotten(standin: Standin) -> None:
    assert standin.request("PUT", "/:/prefs", params={"AutoScan": "0"}).status_code == 200
    with pytest.raises(NotFound):
        standin.plex().settings.get("AutoScan")


def test_the_butlers_row_is_there_while_nothing_happens(standin: Standin) -> None:
    activities = standin.plex().activities
    assert [(row.type, row.progress) for row in activities] == [("butler", 100)]


def test_butler_tasks_answer_200_then_202_and_404_for_unknown_ones(standin: Standin) -> None:
    plex = standin.plex()
    assert "MusicAnalysis" in [task.name for task in plex.butlerTasks()]
    assert standin.request("POST", "/butler/OptimizeDatabase").status_code == 200
    assert standin.request("POST", "/butler/OptimizeDatabase").status_code == 202
    assert standin.request("POST", "/butler/Nonsense").status_code == 404
    assert standin.request("DELETE", "/butler/OptimizeDatabase").status_code == 200
    until(lambda: standin.request("DELETE", "/butler/OptimizeDatabase").status_code == 404)
    with pytest.raises(BadRequest):
        plex.runButlerTask("Nonsense")


def test_a_backup_task_leaves_a_dated_copy(standin: Standin) -> None:
    standin.plex().runButlerTask("BackupDatabase")
    until(lambda: list(standin.database.parent.glob(f"{schema.LIBRARY}-????-??-??")))


def test_the_downloaded_databases_are_whole(standin: Standin, tmp_path: Path) -> None:
    packed = zipfile.ZipFile(BytesIO(standin.request("GET", "/diagnostics/databases").content))
    assert sorted(packed.namelist()) == [schema.BLOBS, schema.LIBRARY]
    packed.extractall(tmp_path / "unpacked")
    con = schema.connect_as_plex(tmp_path / "unpacked" / schema.LIBRARY)
    assert con.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    con.close()


def test_somebody_watching_shows_as_a_session(standin: Standin) -> None:
    standin.switch(watching=1)
    sessions = standin.plex().sessions()
    assert [session.title for session in sessions] == ["Something"]
    assert sessions[0].players[0].state == "playing"


def test_a_running_server_keeps_its_last_writes_in_the_wal_until_a_clean_stop(standin: Standin) -> None:
    standin.add_section("Movies", "movie", "Movies")
    wal = standin.database.with_name(standin.database.name + "-wal")
    assert wal.stat().st_size > 0
    raw = standin.data / "raw.db"
    raw.write_bytes(standin.database.read_bytes())
    copied = sqlite3.connect(f"file:{raw}?immutable=1", uri=True)
    assert copied.execute("SELECT count(*) FROM library_sections").fetchone() == (0,)
    started = time.monotonic()
    assert standin.stop() == 0
    assert time.monotonic() - started < 15
    assert not wal.exists()
    assert standin.query("SELECT name FROM library_sections") == [("Movies",)]


def test_a_killed_server_leaves_its_wal_and_loses_nothing(standin: Standin) -> None:
    standin.add_section("Movies", "movie", "Movies")
    assert standin.process is not None
    standin.process.kill()
    standin.process.wait(10)
    assert standin.database.with_name(standin.database.name + "-wal").stat().st_size > 0
    standin.start()
    assert [section.title for section in standin.plex().library.sections()] == ["Movies"]


def test_a_newer_build_upgrades_the_library_and_the_older_one_then_refuses_it(tmp_path: Path) -> None:
    server = Standin(tmp_path, version=schema.OLD_VERSION)
    before = server.query("SELECT max(version) FROM schema_migrations")
    server.stop()
    server.environment["STANDIN_VERSION"] = schema.NEW_VERSION
    server.start()
    assert server.query("SELECT max(version) FROM schema_migrations") > before
    server.stop()
    server.environment["STANDIN_VERSION"] = schema.OLD_VERSION
    server.start(ready=False)
    assert server.process is not None
    _, errors = server.process.communicate(timeout=10)
    assert server.process.returncode == 1
    assert b"this build knows" in errors
    server.close()


def test_a_malformed_library_is_answered_500_and_does_not_start_again(standin: Standin) -> None:
    standin.add_section("Movies", "movie", "Movies")
    standin.switch(malformed_database=True)
    broken = standin.request("GET", "/library/sections")
    assert broken.status_code == 500
    assert "malformed" in broken.text
    standin.stop()
    standin.start(ready=False)
    assert standin.process is not None
    _, errors = standin.process.communicate(timeout=10)
    assert standin.process.returncode == 1
    assert b"cannot be opened" in errors


def test_a_burst_of_5xx_ends_after_so_many_answers(standin: Standin) -> None:
    standin.switch(http_errors={"match": "^GET /library", "status": 502, "times": 2})
    statuses = [standin.request("GET", "/library/sections").status_code for _ in range(3)]
    assert statuses == [502, 502, 200]
    assert standin.request("GET", "/identity").status_code == 200


def test_a_hanging_request_is_accepted_and_never_answered(standin: Standin) -> None:
    standin.switch(hang={"match": "/activities"})
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{standin.url}/activities", timeout=0.5)
    standin.switch(hang=None)
    assert standin.request("GET", "/activities").ok


def test_an_unknown_switch_is_an_error(standin: Standin) -> None:
    reply = requests.put(f"http://127.0.0.1:{standin.control}/switches", data='{"typo": 1}', timeout=5)
    assert reply.status_code == 400
    assert "typo" in reply.json()["error"]
