"""Plex and what home needed are gone; the library, its database and the rollbacks are not."""


def test_plex_is_gone_and_its_database_is_kept(host):
    assert not host.file("/etc/systemd/system/plex.service").exists
    assert host.run("curl --silent http://127.0.0.1:32400/identity").rc != 0
    data = "/srv/plex/config/Library/Application Support/Plex Media Server"
    databases = f"{data}/Plug-in Support/Databases"
    assert host.file(f"{data}/Preferences.xml").exists
    assert host.file(f"{databases}/com.plexapp.plugins.library.db").size > 0


def test_the_users_media_are_kept(host):
    assert host.file("/srv/library/media/Movies").is_directory


def test_the_timer_and_the_keys_are_gone_and_work_files_are_kept(host):
    for path in (
        "/etc/systemd/system/medialift-plex-pull.timer",
        "/etc/systemd/system/medialift-plex-pull.service",
        "/etc/medialift/medialift.toml",
        "/etc/medialift/path_map.json",
        "/etc/medialift/pull",
        "/opt/medialift/pull",
    ):
        assert not host.file(path).exists, path
    assert host.file("/var/lib/medialift/work").is_directory
    assert host.file("/var/lib/medialift/jobs").is_directory


def test_no_unit_of_ours_is_left(host):
    assert (
        host.check_output(
            "systemctl list-units --all --plain --no-legend 'rclone-*' 'medialift-*' plex.service"
        )
        == ""
    )
