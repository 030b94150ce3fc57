"""Chapter 6: a burst that fails on its machine brings out what it can, gives it back, and harms nothing."""

import json

import pytest

from tests import burst_world
from tests.burst_world import counts, home_plex, play, succeed

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("sandbox")]


@pytest.fixture(scope="module")
def failed(delta, tmp_path_factory):
    """A burst whose path map leads to a folder that the bucket does not have."""
    artifacts = tmp_path_factory.mktemp("failure")
    before = burst_world.archives()
    ended = play(
        "plex_burst",
        artifacts=artifacts,
        variables={"plex_burst_path_map": {"/library/media": "/cloud/media/nowhere"}},
    )
    return artifacts, ended, sorted(set(burst_world.archives()) - set(before))


def test_it_says_which_root_is_absent(failed):
    artifacts, ended, _ = failed
    assert ended.code != 0
    assert "/cloud/media/nowhere/Movies" in ended.folded
    assert json.loads((artifacts / "report.json").read_text())["outcome"] == "failed"
    assert "/cloud/media/nowhere/Movies" in (artifacts / "report.html").read_text()


def test_the_machine_is_given_back(failed):
    artifacts, _, _ = failed
    assert burst_world.nothing_is_rented(), burst_world.cloud()
    assert json.loads((artifacts / "report.json").read_text())["instance"]["destroyed"] is True


def test_the_library_is_in_quarantine_and_the_logs_are_in_the_store(failed):
    _, _, made = failed
    kinds = sorted({key.split("/")[1] for key in made})
    assert kinds == ["logs", "quarantine"], made
    assert [key for key in made if key.startswith("plex/quarantine/") and key.endswith(".tar.zst")]


def test_the_logs_lie_beside_the_report_too_and_tell_what_happened(failed, tmp_path):
    artifacts, _, made = failed
    found = burst_world.logs(artifacts, tmp_path / "logs")
    [key] = [key for key in made if key.startswith("plex/logs/")]
    assert (artifacts / "logs" / key.rsplit("/")[-1]).is_file()
    assert key in (artifacts / "report.html").read_text()
    journals = [text for name, text in found.members.items() if name.endswith("/journal.jsonl")]
    assert any("/cloud/media/nowhere/Movies" in text for text in journals)
    assert any(name.endswith("/Logs/Plex Media Server.log") for name in found.members)
    for name in ("journal/plex.service.log", "journal/rclone-_.log", "journal/medialift-_.log"):
        assert found.members[name].strip(), name
    assert json.loads(found.members["host/settings.json"])["settings"]["store.bucket"]["value"] == "medialift"
    # The controller's own part of the story is with them.
    told = (artifacts / "logs/journal.jsonl").read_text()
    assert "/cloud/media/nowhere/Movies" in told and '"destroy"' in told


def test_home_takes_nothing_that_is_in_quarantine(failed, tmp_path):
    _, _, made = failed
    before = counts(home_plex())
    archive = next(key for key in made if key.startswith("plex/quarantine/") and key.endswith(".tar.zst"))
    refused = play("plex_import", artifacts=tmp_path, variables={"plex_import_archive": archive})
    assert refused.code != 0
    assert "quarantine" in refused.folded
    newest = succeed("plex_import", artifacts=tmp_path)
    assert newest.of_task("Import the archive") == "ok", newest.output
    assert counts(home_plex()) == before


def test_no_secret_was_written(failed):
    assert burst_world.leaked(failed[0]) == []
