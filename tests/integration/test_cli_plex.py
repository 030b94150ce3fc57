"""The commands that need a living Plex and a real store, as a person calls them."""

import json
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medialift.cli.app import app
from tests.plex_world import TIMES, PlexWorld

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path, store_of_test, monkeypatch):
    """A home with a running Plex, a store, and a settings file that knows both."""
    for name in list(os.environ):
        if name.startswith("MEDIALIFT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    world = PlexWorld(tmp_path)
    world.library(movies=3, tracks=2)
    world.up()
    file = tmp_path / "medialift.toml"
    file.write_text(
        f"""
[plex]
url = "{world.url}"
data = "{world.data}"
container = ""
sqlite = ["{sys.executable}", "-m", "sandbox.plex.shell"]
workspace = "{tmp_path}/work"
account_url = "{world.plex_tv.url}"
[store]
endpoint = "{store_of_test.store.endpoint}"
bucket = "{store_of_test.bucket}"
access_key = "{store_of_test.store.access_key}"
secret_key = "{store_of_test.store.secret_key}"
[jobs]
folder = "{tmp_path}/jobs"
[runtime]
free_space = "1 MB"
"""
    )
    file.chmod(0o600)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "times.json").write_text(json.dumps({"times": TIMES}))
    yield Home(world, file, tmp_path / "times.json")
    world.down()


class Home:
    def __init__(self, plex: PlexWorld, file: Path, times: Path) -> None:
        self.plex, self.file, self.times = plex, file, times
        self.roots = f"{plex.media}={plex.media}"

    def __call__(self, *arguments: str, code: int = 0):
        result = CliRunner().invoke(app, ["--config", str(self.file), *arguments])
        assert result.exit_code == code, f"{result.exit_code}: {result.output}\n{result.exception!r}"
        return result

    def json(self, *arguments: str, code: int = 0):
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def claimed(self) -> None:
        self("plex", "claim", "--file", str(self.plex.claim_file()), "--at-most", "30s")


def wait_ready(home: Home) -> None:
    home.plex.server().wait_ready(at_most=30, every=0.1)


def test_a_claim_a_scan_and_the_settings_that_guard_them(home):
    wait_ready(home)
    assert home.json("plex", "claim", "--file", str(home.plex.claim_file()))["changed"] is True
    assert home.json("plex", "claim", "--file", str(home.plex.claim_file()))["changed"] is False
    home.plex.movie(3)
    scan = ["plex", "scan", "--section", "Movies", "--root", home.roots, "--any-filesystem"]
    result = home(*scan, "--arguments", str(home.times))
    assert "scan Movies: started" in result.stderr
    assert "The job ended: ok" in result.stdout
    assert home.json("plex", "sections")[0]["leaves"] == 4
    preferences = home.plex.server().preferences()
    assert preferences["autoEmptyTrash"].value in ("0", "false")
    # At home a scan is no reason to change anything else.
    assert (
        preferences["GenerateIntroMarkerBehavior"].value == preferences["GenerateIntroMarkerBehavior"].default
    )


def test_an_unknown_section_fails_and_lists_the_valid_ones(home):
    wait_ready(home)
    home.claimed()
    scan = ["plex", "scan", "--section", "Moovies", "--root", home.roots, "--any-filesystem"]
    result = home(*scan, "--arguments", str(home.times), code=1)
    assert "Movies, Music, Photos" in result.stdout


def test_a_setting_is_read_back_and_an_unknown_one_is_an_error(home):
    wait_ready(home)
    assert (
        home.json("plex", "settings", "--profile", "home", "--dry-run")["changes"][0]["id"]
        == "autoEmptyTrash"
    )
    assert len(home.json("plex", "settings", "--profile", "home")["changes"]) == 1
    assert home.json("plex", "settings", "--profile", "home")["changes"] == []
    assert "NoSuchSetting" in home("plex", "settings", "--set", "NoSuchSetting=1", code=1).stderr


def test_a_library_goes_to_the_store_and_what_is_there_can_be_listed(home):
    wait_ready(home)
    told = home.json("plex", "export", "--mode", "online", "--kind", "reference")
    assert told["state"] == "ok", told
    assert told["value"]["members"] > 0
    keys = [one["key"] for one in home.json("store", "list")]
    assert [key.split("/")[:2] for key in keys] == [["plex", "reference"]] * 2
    assert home.json("store", "check")["writable"] is True


def test_an_export_that_is_only_looked_at_writes_nothing(home):
    wait_ready(home)
    told = home.json("plex", "export", "--dry-run")
    assert told["files"] >= 2
    assert home.json("store", "list") == []


def test_an_import_of_nothing_says_that_there_is_no_archive(home):
    wait_ready(home)
    assert "no usable burst archive" in home("plex", "import", "--dry-run", code=1).stderr
    assert "no usable burst archive" in home("plex", "import", code=1).stdout


def test_a_rollback_without_an_import_changes_nothing(home):
    wait_ready(home)
    assert home.json("plex", "rollback")["value"]["changed"] is False


def test_the_doctor_finds_what_is_well_and_warns_of_what_is_not(home):
    wait_ready(home)
    findings = {one["check"]: one for one in home.json("doctor", code=1)["findings"]}
    assert findings["store"]["status"] == "ok"
    assert findings["Plex"]["status"] == "ok"
    assert findings["Plex SQLite"]["status"] == "ok"
    assert findings["claim"]["status"] == "warn"
    assert findings["trash"]["status"] == "warn"
    home("plex", "settings", "--profile", "home")
    assert {one["check"]: one for one in home.json("doctor", code=1)["findings"]}["trash"]["status"] == "ok"


def test_wrong_credentials_of_the_store_are_told_as_such(home, monkeypatch):
    monkeypatch.setenv("MEDIALIFT_STORE__SECRET_KEY", "")
    assert "credentials" in home("store", "check", code=1).stderr


def test_a_bucket_that_does_not_exist_is_told_as_such(home, monkeypatch):
    monkeypatch.setenv("MEDIALIFT_STORE__BUCKET", "no-such-bucket")
    assert "no such bucket" in home("store", "check", code=1).stderr
