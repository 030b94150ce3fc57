"""The doctor finds what a host lacks, and one check that breaks never hides the others."""

from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from medialift import settings
from medialift.doctor import Host, examine, machine, media, rounds
from medialift.errors import Permanent
from medialift.foundation.process import Completed
from medialift.foundation.waiting import SystemClock
from tests.mount_world import RealMount


class Programs:
    """A runner that knows what some programs answer; any other is missing."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers

    def __call__(self, argv):
        for start, answer in self.answers.items():
            if " ".join(argv).startswith(start):
                return Completed(tuple(argv), 0, answer)
        raise Permanent("A program is missing", argv[0])


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Make a host from TOML, program answers and a root folder."""
    for name in ("MEDIALIFT_CONFIG",):
        monkeypatch.delenv(name, raising=False)

    def make(text: str = "", programs: dict[str, str] | None = None, **more) -> Host:
        file = tmp_path / "medialift.toml"
        file.write_text(text)
        file.chmod(0o600)
        return Host(settings.load(file), run=Programs(programs or {}), root=tmp_path, **more)

    return make


def only(found):
    [finding] = found
    return finding


@pytest.fixture
def told_time():
    """A store that tells the time, as far off as `server.skew` says."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response_only(403)
            self.send_header("Date", formatdate(SystemClock().now() + server.skew, usegmt=True))
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.skew = 0.0
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("skew", "status"), [(0, "ok"), (-120, "warn"), (3600, "fail")])
def test_a_clock_that_the_store_would_refuse_is_found(host, told_time, skew, status):
    told_time.skew = skew
    keys = 'access_key = "a"\nsecret_key = "b"\nbucket = "archives"'
    here = host(f'[store]\nendpoint = "http://127.0.0.1:{told_time.server_port}"\n{keys}')
    clock = next(iter(media.store(here)))
    assert (clock.check, clock.status) == ("clock", status)
    assert bool(clock.advice) == (status != "ok")


def test_a_store_that_is_not_there_fails_with_what_to_do(host):
    keys = 'access_key = "a"\nsecret_key = "b"\nbucket = "archives"'
    *_, store = media.store(host(f'[store]\nendpoint = "http://127.0.0.1:9"\n{keys}'))
    assert store.status == "fail"
    assert store.advice


def test_docker_is_asked_for_its_engine_not_for_its_client(host):
    assert only(machine.docker(host(programs={"docker version": "20.10.24"}))).status == "ok"
    absent = only(machine.docker(host()))
    assert (absent.status, "role 'docker'" in absent.advice) == ("fail", True)
    assert only(machine.docker(host('[plex]\ncontainer = ""'))).status == "skipped"


def test_fuse_needs_its_device_and_its_program(host, tmp_path):
    mounts = '[mounts]\npoints = ["/mnt/cloud/media"]'
    assert only(machine.fuse(host())).status == "skipped"
    assert "modprobe fuse" in only(machine.fuse(host(mounts))).advice
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/fuse").touch()
    assert "fuse3" in only(machine.fuse(host(mounts))).advice
    assert only(machine.fuse(host(mounts, {"fusermount3": "fusermount3 version: 3.14.0"}))).status == "ok"


def test_rclone_is_the_pinned_one_not_any_on_the_path(host, tmp_path):
    mounts = '[mounts]\npoints = ["/mnt/cloud/media"]'
    assert only(machine.rclone(host(mounts, {"rclone version": "rclone v1.60"}))).status == "fail"
    pinned = {f"{tmp_path}/opt/rclone/bin/rclone version": "rclone v1.75.2\n- os/version: debian 12"}
    assert only(machine.rclone(host(mounts, pinned))).detail == "rclone v1.75.2"


def test_units_that_systemd_does_not_know_name_the_role_to_apply(host):
    answers = {
        "systemctl show --property=LoadState --value plex.service": "loaded",
        "systemctl show --property=LoadState --value medialift-job@doctor.service": "not-found",
    }
    plex, jobs = machine.units(host(programs=answers))
    assert (plex.status, jobs.status) == ("ok", "fail")
    assert "runtime" in jobs.advice


def test_a_mount_that_is_absent_fails(host):
    findings = list(machine.mounts(host('[mounts]\npoints = ["/nonexistent/mount"]')))
    assert [finding.status for finding in findings] == ["fail"]
    assert "absent" in findings[0].detail


def test_a_file_that_does_not_read_on_a_mount_that_does_is_a_warning(host, tmp_path):
    mount = RealMount(tmp_path)
    files = mount.fill(*[f"Films/{n}.mkv" for n in range(9)])
    mount.up()
    try:
        assert len(list((mount.place / "Films").iterdir())) == 9  # rclone remembers this list
        (mount.source / "Films/4.mkv").unlink()
        read, bad, _ = machine.mounts(host(f'[mounts]\npoints = ["{mount.place}"]\nsamples = 9'))
    finally:
        mount.down()
    assert (read.status, bad.status) == ("ok", "warn")
    assert files[4] in bad.detail


def test_a_settings_file_open_to_others_fails(host):
    here = host("")
    assert only(machine.settings_file(here)).status == "ok"
    Path(here.loaded.file).chmod(0o644)
    assert "chmod 600" in only(machine.settings_file(here)).advice


def test_a_check_that_breaks_is_a_finding_and_the_next_one_is_made(host, monkeypatch):
    def broken(_host):
        raise ZeroDivisionError("a defect")
        yield

    monkeypatch.setattr(rounds, "CHECKS", (broken, machine.settings_file))
    first, second = examine(host(""))
    assert (first.status, "ZeroDivisionError" in first.detail) == ("fail", True)
    assert second.check == "settings file"
