"""A book that was dropped into the inbox is in both libraries, whole, tagged, and its reader's."""

import json
import time

import pytest

UNIT = "medialift-audiobooks"
MEDIALIFT = "/opt/medialift/current/bin/medialift --config /etc/medialift/audiobooks.toml"
NEAR, FAR, INBOX = "/srv/media/audiobooks", "/srv/far/audiobooks", "/srv/audiobooks/inbox"


def comes(wanted, seconds=120):
    """Whether it comes true; asked once a second."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if wanted():
            return True
        time.sleep(1)
    return bool(wanted())


def books(host, library):
    return host.run(f"find {library} -name '*.m4b'").stdout.splitlines()


@pytest.fixture(scope="module")
def book(host):
    """The book in the near library; what the service says is in the message when it does not come."""
    assert comes(lambda: books(host, NEAR) and books(host, FAR)), host.run(
        f"journalctl --unit {UNIT} --no-pager --lines 60; {MEDIALIFT} audiobooks status"
    ).stdout
    (near,) = books(host, NEAR)
    return near


def test_it_runs_and_starts_with_the_machine(host):
    assert host.service(UNIT).is_running and host.service(UNIT).is_enabled


def test_it_is_well_and_says_so_to_this_host_alone(host):
    page = host.check_output("curl --silent --fail --noproxy '*' http://127.0.0.1:8788/health")
    assert json.loads(page)["ok"] is True
    assert not host.socket("tcp://0.0.0.0:8788").is_listening


def test_the_book_lies_where_its_name_says(book):
    assert book == f"{NEAR}/Ada Harbour/The Lighthouse Ledger/The Lighthouse Ledger.m4b"


def test_both_discs_are_in_it_in_their_order(host, book):
    told = host.check_output(f"ffprobe -v error -print_format json -show_chapters -show_format '{book}'")
    probed = json.loads(told)
    assert len(probed["chapters"]) == 4
    tags = {name.lower(): value for name, value in probed["format"]["tags"].items()}
    assert (tags["title"], tags["album_artist"]) == ("The Lighthouse Ledger", "Ada Harbour")


def test_it_is_the_medium_s_group_s_and_has_the_modes_of_the_umask(host, book):
    file = host.file(book)
    assert (file.user, file.group, file.mode) == ("medialift", "media", 0o664)
    assert host.file(book.rpartition("/")[0]).mode & 0o777 == 0o775


def test_the_hard_link_is_one_and_the_far_one_the_same(host, book):
    assert int(host.check_output(f"stat -c %h '{book}'")) == 2
    (far,) = books(host, FAR)
    sums = host.check_output(f"sha256sum '{book}' '{far}' | cut -d' ' -f1 | uniq | wc -l")
    assert sums == "1"


@pytest.mark.usefixtures("book")
def test_the_sources_that_root_put_there_are_archived_and_the_inbox_is_empty(host):
    assert comes(lambda: host.run(f"find {INBOX} -name '*.mp3'").stdout == "", 30)
    assert host.run("find /srv/audiobooks/archive -name '*.mp3' | wc -l").stdout.strip() == "4"
    assert host.run("find /srv/audiobooks/backup -name '*.mp3' | wc -l").stdout.strip() == "4"


def test_secrets_are_the_users_alone_and_in_nothing_that_it_says(host):
    for path in ("secrets/shelf", "rclone.conf"):
        file = host.file(f"/var/lib/medialift-audiobooks/{path}")
        assert (file.user, file.mode) == ("medialift", 0o600)
    assert host.file("/etc/medialift/audiobooks.toml").mode == 0o600
    assert not host.run("journalctl --no-pager | grep -E 'molecule-(shelf-token|rclone-secret)'").stdout


def test_a_killed_service_comes_back(host):
    def pid():
        return host.check_output(f"systemctl show {UNIT} --property MainPID --value")

    before = pid()
    host.check_output(f"systemctl kill --signal=KILL {UNIT}")
    assert comes(lambda: pid() not in ("0", before) and host.service(UNIT).is_running, 60)


def test_beets_that_nobody_wants_is_gone(host):
    assert not host.file("/opt/medialift-beets").exists
