"""`validate`: all that is wrong with a set-up is told at once, each with its fix."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from medialift.audiobooks import validate
from medialift.errors import Transient
from medialift.settings import AudiobooksSettings, Settings, TaggingSettings
from sandbox.bookservers import BookServer, as_json, served
from sandbox.ports import free_port

FOLDERS = ("inbox", "converted", "archive", "backup_folder", "failed", "work")


def usable(tmp_path: Path, **more: object) -> AudiobooksSettings:
    """A set-up without a fault, and what is given over it."""
    folders = {name: tmp_path / name for name in FOLDERS}
    for folder in (*folders.values(), tmp_path / "cache", tmp_path / "library"):
        folder.mkdir(exist_ok=True)
    given = {
        **folders,
        "tagging": TaggingSettings(cache=tmp_path / "cache"),
        "health_port": 0,
        "free_space": 0,
        **more,
    }
    return AudiobooksSettings.model_validate(given)


def faults(audiobooks: AudiobooksSettings, **more: object) -> dict[str, str]:
    """{where: what} of the faults."""
    found = validate.check(Settings(audiobooks=audiobooks, **more), ledger=False)
    assert all(fault.fix for fault in found)
    return {fault.where: fault.what for fault in found if fault.kind == "fault"}


def library(tmp_path: Path, **more: object) -> dict[str, dict[str, object]]:
    return {"main": {"path": str(tmp_path / "library"), **more}}


def test_all_faults_are_told_at_once(tmp_path):
    token = tmp_path / "token"
    token.write_text("secret\n")
    token.chmod(0o644)
    wrong = usable(
        tmp_path,
        inbox=tmp_path / "none",
        archive=tmp_path / "converted" / "archive",
        match="(",
        naming="{titel}",
        audio_types=["mp3"],
        sample_rate=44_000,
        bitrate=3,
        longest_chapter=600,
        plugins=["no_such_plugin", "/none/plugin.py"],
        rclone="no-such-rclone",
        destinations={
            "one": {"path": "cloud:books", "transfer": "rclone"},
            "two": {"path": "books"},
            "three": {"path": str(tmp_path / "nowhere"), "naming": "{author}"},
            "four": {
                "path": str(tmp_path / "library"),
                "rescan": "audiobookshelf",
                "rescan_token_file": str(token),
            },
        },
    )
    (tmp_path / "converted" / "archive").mkdir()
    told = faults(wrong)
    expected = {
        "audiobooks.inbox": "there is no folder",
        "audiobooks.archive": "lies within audiobooks.converted",
        "audiobooks.match": "no regular expression",
        "audiobooks.naming": "no {titel}",
        "audiobooks.audio_types": "starts with a dot",
        "audiobooks.sample_rate": "44000",
        "audiobooks.bitrate": "3 kbit/s",
        "audiobooks.wanted_chapter": "longer than longest_chapter",
        "audiobooks.destinations.one.transfer": "no program no-such-rclone",
        "audiobooks.destinations.two.path": "no absolute path",
        "audiobooks.destinations.three.path": "there is no folder",
        "audiobooks.destinations.three.naming": "last part",
        "audiobooks.destinations.four.rescan_url": "is missing",
        "audiobooks.destinations.four.rescan_library": "is missing",
        "audiobooks.destinations.four.rescan_token_file": "mode 0644",
        "audiobooks.plugins": "/none/plugin.py",
    }
    assert set(told) == set(expected)
    assert [(where, told[where]) for where, part in expected.items() if part not in told[where]] == []
    with pytest.raises(validate.WrongSetUpError) as error:
        validate.require(Settings(audiobooks=wrong), ledger=False)
    assert all(where in error.value.subject for where in told)
    assert "secret" not in str(error.value)


def test_a_set_up_without_a_fault_is_right(tmp_path):
    wanted = usable(tmp_path, destinations=library(tmp_path, transfer="hardlink"))
    assert validate.check(Settings(audiobooks=wanted), ledger=False) == []


@pytest.mark.parametrize("outer", ["converted", "inbox"])
def test_a_library_within_our_folders_or_around_them_is_refused(tmp_path, outer):
    (tmp_path / outer / "library").mkdir(parents=True)
    wanted = usable(tmp_path, destinations={"main": {"path": str(tmp_path / outer / "library")}})
    assert "lies within" in faults(wanted)["audiobooks.destinations.main.path"]
    around = usable(tmp_path, destinations={"main": {"path": str(tmp_path)}})
    assert "lies within audiobooks.destinations.main" in faults(around)["audiobooks.inbox"]


def test_a_link_does_not_hide_that_two_folders_are_one(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "inbox")
    assert (
        "it is the folder of" in faults(usable(tmp_path, converted=tmp_path / "link"))["audiobooks.converted"]
    )


def test_two_destinations_may_share_a_library(tmp_path):
    one = {"path": str(tmp_path / "library")}
    assert faults(usable(tmp_path, destinations={"plex": one, "shelf": one})) == {}


def test_a_folder_that_is_not_used_is_not_missed(tmp_path):
    unused = {"archive": tmp_path / "no", "backup_folder": tmp_path / "no", "failed": tmp_path / "no"}
    wanted = usable(tmp_path, **unused, on_complete="keep", backup=False, move_failed=False)
    assert faults(wanted) == {}


def test_a_folder_on_a_file_system_that_is_read_only_is_told(tmp_path):
    told = faults(usable(tmp_path, converted=Path("/proc/self")))
    assert "/proc/self" in told["audiobooks.converted"]


def test_a_rule_that_ffmpeg_cannot_follow_is_told(tmp_path):
    told = faults(usable(tmp_path, encoder="libfdk_aac"))
    assert "no encoder libfdk_aac" in told["audiobooks.encoder"]


def test_a_token_of_audible_that_others_can_read_is_told(tmp_path):
    token = tmp_path / "audible"
    token.write_text("secret-of-audible")
    token.chmod(0o644)
    tagging = TaggingSettings(cache=tmp_path / "cache", token_file=token)
    told = faults(usable(tmp_path, tagging=tagging))["audiobooks.tagging.token_file"]
    assert "0644" in told and "secret-of-audible" not in told


def test_beets_that_is_not_there_is_told(tmp_path):
    tagging = TaggingSettings(cache=tmp_path / "cache", tagger="beets", beet="no-such-beet")
    assert "no-such-beet" in faults(usable(tmp_path, tagging=tagging))["audiobooks.tagging.beet"]


def test_a_plug_in_that_would_be_left_out_is_a_warning_when_it_is_looked_at(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError('no')")
    wanted = Settings(audiobooks=usable(tmp_path, plugins=[str(broken)]))
    assert validate.check(wanted, ledger=False) == []
    [warning] = validate.check(wanted, ledger=False, plugins=True)
    assert (warning.kind, "broken is left out" in warning.what) == ("warning", True)


def test_an_event_that_there_is_not_is_told(tmp_path):
    told = faults(usable(tmp_path), notify={"events_of": {"mailto": ["audiobook_dun"]}})
    assert "audiobook_dun" in told["notify.events_of.mailto"]


def test_a_remote_that_is_not_configured_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("RCLONE_CONFIG", "/dev/null")
    rclone = str(Path(sys.executable).with_name("rclone"))
    cloud = {"main": {"path": "cloud:books", "transfer": "rclone"}}
    told = faults(usable(tmp_path, rclone=rclone, destinations=cloud))
    assert "cloud" in told["audiobooks.destinations.main.path"]


def test_a_host_that_is_away_is_a_warning_only(tmp_path, monkeypatch):
    monkeypatch.setenv("RSYNC_RSH", "false")
    wanted = usable(tmp_path, destinations={"main": {"path": "host:/srv/books", "transfer": "rsync"}})
    [warning] = validate.require(Settings(audiobooks=wanted), ledger=False)
    assert (warning.where, warning.kind) == ("audiobooks.destinations.main.path", "warning")


def test_a_database_that_is_away_is_told(tmp_path):
    port = free_port()
    database = {"url": f"postgresql://127.0.0.1:{port}/medialift"}
    wanted = Settings(audiobooks=usable(tmp_path), database=database)
    assert [fault.where for fault in validate.check(wanted)] == ["database"]
    with pytest.raises(Transient):
        validate.require(wanted)


def test_a_mount_that_is_away_may_come_back(tmp_path):
    with pytest.raises(Transient, match="there is no folder"):
        validate.require(Settings(audiobooks=usable(tmp_path, inbox=tmp_path / "away")), ledger=False)


def test_a_port_is_taken_by_others_and_not_by_ourselves(tmp_path):
    assert faults(usable(tmp_path, health_port=free_port())) == {}
    ours = BookServer(lambda _request: as_json({"live": True, "ready": True, "checks": []}))
    with served(ours) as url:
        assert faults(usable(tmp_path, health_port=int(url.rpartition(":")[2]))) == {}
    others = BookServer(lambda _request: as_json({"hello": "world"}))
    with served(others) as url:
        assert (
            "cannot be listened at"
            in faults(usable(tmp_path, health_port=int(url.rpartition(":")[2]))).popitem()[1]
        )
