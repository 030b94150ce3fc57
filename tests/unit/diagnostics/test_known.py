"""The secrets of a host are known by their values, wherever on the host they are kept."""

from __future__ import annotations

import pytest

from medialift import settings
from medialift.diagnostics import known

TOML = """
[store]
access_key = "STOREACCESSKEY"
secret_key = 'store-secret "quoted"'
[plex]
token = "plex-token-value"
[notify]
urls = ["ntfy://one-secret", "mailto://another-secret"]
[runtime]
log_level = "warning"
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    (tmp_path / "medialift.toml").write_text(TOML)
    (tmp_path / "media.conf").write_text(
        "[store]\ntype = s3\naccess_key_id = RCLONEKEY\nsecret_access_key = rclone secret\nregion = fr-par\n"
    )
    (tmp_path / "Preferences.xml").write_text(
        '<Preferences FriendlyName="home" PlexOnlineToken="server-token"/>'
    )
    monkeypatch.setattr(known, "RCLONE_SETTINGS", f"{tmp_path}/*.conf")
    return tmp_path


@pytest.mark.parametrize("valid", [True, False])
def test_they_are_found_in_the_settings_also_in_wrong_ones_in_rclone_s_and_in_plex_s(host, valid):
    file = host / "medialift.toml"
    found = known.secrets(str(file), settings.load(file) if valid else None, str(host / "Preferences.xml"))
    for secret in ("RCLONEKEY", "rclone secret", "STOREACCESSKEY", 'store-secret "quoted"'):
        assert secret in found
    for secret in ("plex-token-value", "ntfy://one-secret", "mailto://another-secret", "server-token"):
        assert secret in found


def test_what_is_no_secret_is_not_taken_for_one(host):
    file = host / "medialift.toml"
    found = known.secrets(str(file), settings.load(file), str(host / "Preferences.xml"))
    assert not {"warning", "home", "s3", "fr-par"} & set(found)


def test_a_host_without_any_of_these_files_has_no_secrets(tmp_path, monkeypatch):
    monkeypatch.setattr(known, "RCLONE_SETTINGS", f"{tmp_path}/*.conf")
    assert known.secrets(str(tmp_path / "none.toml"), None, str(tmp_path / "none.xml")) == []
