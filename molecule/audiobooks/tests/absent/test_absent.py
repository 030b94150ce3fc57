"""Everything that was brought is gone, and every book is still there."""


def test_the_service_is_gone_with_its_settings_and_its_secrets(host):
    for path in (
        "/etc/systemd/system/medialift-audiobooks.service",
        "/etc/medialift/audiobooks.toml",
        "/var/lib/medialift-audiobooks",
        "/opt/rclone",
        "/opt/medialift/current",
    ):
        assert not host.file(path).exists, path
    assert host.run("pgrep -f '[m]edialift audiobooks'").rc == 1


def test_the_books_and_their_sources_stay(host):
    assert host.run("find /srv/media/audiobooks -name '*.m4b' | wc -l").stdout.strip() == "1"
    assert host.run("find /srv/audiobooks/archive -name '*.mp3' | wc -l").stdout.strip() == "4"
