"""Everything that was brought is gone; who could log in is the ledger's to remember."""


def test_the_service_is_gone_with_its_settings(host):
    for path in (
        "/etc/systemd/system/medialift-dashboard.service",
        "/etc/medialift/dashboard.toml",
        "/opt/medialift/current",
    ):
        assert not host.file(path).exists, path
    assert host.run("pgrep -f '[m]edialift dashboard'").rc == 1
    assert not host.socket("tcp://127.0.0.1:8790").is_listening


def test_what_was_recorded_and_who_may_log_in_stays(host):
    assert host.file("/var/lib/medialift-diagnostics").is_directory
    people = host.run("runuser -u postgres -- psql -At -d medialift -c 'select name from person'")
    assert people.stdout.strip() == "ada"
