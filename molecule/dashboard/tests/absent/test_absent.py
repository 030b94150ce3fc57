"""Everything that was brought is gone; who could log in is the ledger's to remember."""


def test_the_services_are_gone_with_their_settings_and_the_key(host):
    for path in (
        "/etc/systemd/system/medialift-dashboard.service",
        "/etc/medialift/dashboard.toml",
        "/etc/systemd/system/medialift-posters.service",
        "/etc/medialift/posters.toml",
        "/var/lib/medialift-posters",
        "/opt/medialift/current",
    ):
        assert not host.file(path).exists, path
    assert host.run("pgrep -f '[m]edialift (dashboard|posters)'").rc == 1
    assert not host.socket("tcp://127.0.0.1:8790").is_listening


def test_what_was_recorded_and_who_may_log_in_stays(host):
    assert host.file("/var/lib/medialift-diagnostics").is_directory
    people = host.run("runuser -u postgres -- psql -At -d medialift -c 'select name from person'")
    assert people.stdout.strip() == "ada"


def test_every_picture_stays(host):
    assert host.run("find /srv/posters/pictures -name '*.png' | wc -l").stdout.strip() == "9"
    kept = host.run("find /srv/posters/kept -type f -name '*.png' | wc -l")
    assert kept.stdout.strip() == "1"
