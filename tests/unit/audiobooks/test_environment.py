"""The environment variables of auto-m4b and its forks keep their meaning."""

import json

import pytest
from pydantic_settings import EnvSettingsSource

from medialift import settings
from medialift.audiobooks import environment, help_config
from medialift.errors import Permanent

# The defaults of the fork, as its README has them; CONVERTED and the others are required there.
OLD = {
    "INBOX_FOLDER": "/media/inbox",
    "CONVERTED_FOLDER": "/media/converted",
    "ARCHIVE_FOLDER": "/media/archive",
    "BACKUP_FOLDER": "/media/backup",
    "FAILED_FOLDER": "/media/failed",
    "WORKING_FOLDER": "/tmp/auto-m4b",
    "CPU_CORES": "all",
    "SLEEP_TIME": "10",
    "WAIT_TIME": "5",
    "ON_COMPLETE": "test_do_nothing",
    "OVERWRITE_EXISTING": "N",
    "BACKUP": "Y",
    "MATCH_FILTER": "^Ada",
    "USE_FILENAMES_AS_CHAPTERS": "y",
    "AUDIO_EXTS": ".mp3, m4a,.WMA",
    "FLATTEN_MULTI_DISC_BOOKS": "N",
    "CONVERT_SERIES": "N",
    "MAX_RETRIES": "5",
    "RETRY_TRANSIENT_ERRORS": "N",
    "RETRY_BASE_DELAY": "30",
    "MOVE_FAILED_BOOKS": "N",
    "MAX_CHAPTER_LENGTH": "15,30",
    "AUDIBLE_REGION": "UK",
    "AUDIBLE_TOKEN_FILE": "/run/secrets/audible",
    "DEBUG": "Y",
}


def loaded(variables, monkeypatch):
    """The settings as a command with these variables reads them."""
    given = dict(variables)
    environment.apply(given)
    for name in given:
        monkeypatch.setenv(name, given[name])
    return settings.load().settings


@pytest.fixture(autouse=True)
def no_file(monkeypatch, tmp_path):
    (tmp_path / "none.toml").write_text("")
    monkeypatch.setenv("MEDIALIFT_CONFIG", str(tmp_path / "none.toml"))


def test_every_value_that_cannot_be_read_is_told_at_once_by_its_old_name():
    wrong = {
        "CPU_CORES": "many",
        "SLEEP_TIME": "soon",
        "BACKUP": "perhaps",
        "ON_COMPLETE": "burn",
        "INBOX_FOLDER": "inbox",
        "MAX_RETRIES": "-1",
        "MAX_CHAPTER_LENGTH": "0,30",
    }
    with pytest.raises(Permanent) as told:
        environment.apply(dict(wrong))
    assert "7 variables" in told.value.what
    assert [name for name in wrong if name not in told.value.subject] == []


def test_an_old_installation_keeps_its_variables(monkeypatch):
    read = loaded(OLD, monkeypatch)
    found = read.audiobooks
    folders = (found.inbox, found.converted, found.archive, found.backup_folder, found.failed)
    assert [folder.name for folder in folders] == ["inbox", "converted", "archive", "backup", "failed"]
    assert (found.cores, found.rescan, found.wait, found.on_complete) == (0, 10, 5, "keep")
    assert (found.overwrite, found.backup, found.match, found.filenames_as_chapters) == (
        False,
        True,
        "^Ada",
        True,
    )
    assert found.audio_types == (".mp3", ".m4a", ".wma")
    assert (found.multi_disc, found.series, found.move_failed) == (False, False, False)
    assert (found.max_retries, found.retry_transient, found.retry_base) == (5, False, 30)
    assert (found.wanted_chapter, found.longest_chapter) == (900, 1800)
    assert (found.tagging.region, str(found.tagging.token_file)) == ("uk", "/run/secrets/audible")
    assert read.runtime.log_level == "debug"


def test_a_variable_of_our_own_wins_over_an_old_one(monkeypatch):
    given = {"INBOX_FOLDER": "/old", "MEDIALIFT_AUDIOBOOKS__INBOX": "/new"}
    assert str(loaded(given, monkeypatch).audiobooks.inbox) == "/new"
    assert ("INBOX_FOLDER", "MEDIALIFT_AUDIOBOOKS__INBOX is set too, and wins") in environment.translate(
        given
    ).ignored


def test_an_old_variable_wins_over_the_settings_file(monkeypatch, tmp_path):
    (tmp_path / "none.toml").write_text('[audiobooks]\ninbox = "/file"\nconverted = "/kept"\n')
    found = loaded({"INBOX_FOLDER": "/old"}, monkeypatch).audiobooks
    assert (str(found.inbox), str(found.converted)) == ("/old", "/kept")


def test_the_names_of_the_first_script_count_too(monkeypatch):
    first = {"INPUT_FOLDER": "/in", "OUTPUT_FOLDER": "/out", "MAKE_BACKUP": "N", "SLEEPTIME": "1m"}
    found = loaded(first, monkeypatch).audiobooks
    assert (str(found.inbox), str(found.converted), found.backup, found.rescan) == ("/in", "/out", False, 60)
    both = environment.translate({"INPUT_FOLDER": "/in", "INBOX_FOLDER": "/inbox"})
    assert both.values == {"MEDIALIFT_AUDIOBOOKS__INBOX": "/inbox"}


def test_what_has_no_effect_any_more_is_said_with_the_reason():
    told = dict(environment.translate({"USE_DOCKER": "Y", "PUID": "1000", "API_ENABLED": ""}).ignored)
    assert sorted(told) == ["PUID", "USE_DOCKER"]
    assert all(told.values())


def test_each_old_variable_names_a_setting_that_there_is():
    known = {f"{section}.{name}" for section, name, _ in settings.fields()}
    assert [old.name for old in environment.VARIABLES if old.setting and old.setting not in known] == []


def test_a_value_is_written_as_the_settings_read_it(monkeypatch):
    monkeypatch.setenv(
        "MEDIALIFT_AUDIOBOOKS__AUDIO_TYPES",
        environment.translate(OLD).values["MEDIALIFT_AUDIOBOOKS__AUDIO_TYPES"],
    )
    assert EnvSettingsSource(settings.Settings)()["audiobooks"]["audio_types"] == [".mp3", ".m4a", ".wma"]


def test_the_help_names_every_setting_with_its_old_names():
    rows = {row.name: row for row in help_config.rows()}
    assert rows["audiobooks.inbox"].old == ("INBOX_FOLDER", "INPUT_FOLDER")
    assert rows["audiobooks.inbox"].variable == "MEDIALIFT_AUDIOBOOKS__INBOX"
    assert rows["audiobooks.tagging.region"].default == "us"
    assert rows["audiobooks.destinations.NAME.path"].default == ""
    every = {
        f"{section}.{name}" for section, name, _ in settings.fields() if section.startswith("audiobooks")
    }
    assert every - set(rows) == set()
    assert all(row.documentation for row in rows.values())
    json.dumps([row.to_dict() for row in rows.values()])
