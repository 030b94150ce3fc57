"""The worker of posters brings what it is told to, as its user, with no more rights than it needs."""

import re
import time

UNIT = "medialift-posters"
MEDIALIFT = "/opt/medialift/current/bin/medialift --config /etc/medialift/posters.toml"
JELLYFIN = "curl --silent --fail --noproxy '*' http://127.0.0.1:8096"


def comes(wanted, seconds=60):
    """Whether it comes true; asked once a second."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if wanted():
            return True
        time.sleep(1)
    return bool(wanted())


def shown(host, name):
    return host.check_output(f"systemctl show {UNIT} --property {name} --value")


def test_it_runs_and_starts_with_the_machine(host):
    assert comes(lambda: host.service(UNIT).is_running) and host.service(UNIT).is_enabled


def test_what_it_needs_is_found_step_by_step(host):
    told = host.run(f"{MEDIALIFT} posters check")
    assert told.rc == 0, told.stdout + told.stderr


def test_the_pictures_lie_in_the_folder_as_jellyfin_has_them(host):
    files = host.check_output("find /srv/posters/pictures/Primary -name '*.png'").splitlines()
    assert len(files) == 9
    for file in files:
        found = host.file(file)
        assert (found.user, found.group, found.mode) == ("medialift", "medialift", 0o664)
        id = re.search(r"\[(\w{32})\]", file)[1]
        theirs = host.check_output(f"{JELLYFIN}/Items/{id}/Images/Primary | sha256sum").split()[0]
        assert host.check_output(f"sha256sum '{file}'").split()[0] == theirs


def test_a_picture_is_replaced_and_what_was_there_is_kept(host):
    one, other = host.check_output(
        "find /srv/posters/pictures/Primary -name '*.png' | sort | head -2"
    ).splitlines()
    id = re.search(r"\[(\w{32})\]", one)[1]
    before = host.check_output(f"sha256sum '{one}'").split()[0]
    host.check_output(f"install -o medialift -m 644 '{other}' '/srv/posters/upload/Mine [{id}].png'")
    told = host.run(f"{MEDIALIFT} posters upload --wait")
    assert told.rc == 0, told.stdout + told.stderr
    theirs = host.check_output(f"{JELLYFIN}/Items/{id}/Images/Primary | sha256sum").split()[0]
    assert theirs == host.check_output(f"sha256sum '{other}'").split()[0]
    (kept,) = host.check_output("find /srv/posters/kept -type f -name '*.png'").splitlines()
    assert host.check_output(f"sha256sum '{kept}'").split()[0] == before


def test_the_key_is_the_users_alone_and_in_nothing_that_it_says(host):
    key = host.file("/var/lib/medialift-posters/key")
    assert (key.user, key.mode) == ("medialift", 0o600)
    settings = host.file("/etc/medialift/posters.toml")
    assert (settings.user, settings.mode) == ("root", 0o600)
    assert "sandbox-jellyfin-key" not in settings.content_string
    assert not host.run("journalctl --no-pager | grep sandbox-jellyfin-key").stdout


def test_it_runs_with_few_rights(host):
    assert host.check_output(f"ps -o user= -p {shown(host, 'MainPID')}") == "medialift"
    told = host.check_output(f"systemd-analyze security --no-pager {UNIT} | tail -1")
    assert float(re.search(r"(\d+\.\d+)", told)[1]) < 3.0, told


def test_the_dashboard_shows_its_batches(host):
    token = "--header 'Authorization: Bearer mlt_molecule-token-for-reading-00000001'"
    here = "http://127.0.0.1:8790/api/v1/posters/batches"
    told = host.check_output(f"curl --silent --fail --noproxy '*' {token} {here}")
    assert '"skipped":9' in told.replace(" ", "")


def test_a_killed_worker_comes_back(host):
    before = shown(host, "MainPID")
    host.check_output(f"systemctl kill --signal=KILL {UNIT}")
    assert comes(lambda: shown(host, "MainPID") not in ("0", before) and host.service(UNIT).is_running)
