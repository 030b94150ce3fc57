"""Plex runs in the pinned version, by systemd, with its mounts."""

import json
import re
import time


def container(host):
    return json.loads(host.check_output("docker inspect plex"))[0]


def identity(host):
    return host.check_output("curl --silent --fail http://127.0.0.1:32400/identity")


def test_the_pinned_version_answers(host):
    assert re.search(r'<MediaContainer[^>]* version="1\.43\.4\.10903-2f8b9b1b5"', identity(host))


def test_systemd_runs_it_and_the_engine_never_starts_it_by_itself(host):
    service = host.service("plex")
    assert service.is_running and service.is_enabled
    assert container(host)["HostConfig"]["RestartPolicy"]["Name"] == "no"


def test_its_unit_requires_the_engine_and_the_mount(host):
    required = host.check_output("systemctl show plex --property Requires --value").split()
    assert {"docker.service", "rclone-media.service"} <= set(required)


def test_its_files_belong_to_its_user(host):
    folder = host.file("/srv/plex/config")
    assert (folder.uid, folder.gid) == (1000, 1000)


def test_it_sees_the_media_through_the_mounts_parent_also_after_the_mount_was_made_anew(host):
    read = "docker exec plex sha256sum '/cloud/media/Movies/One (2001)/One (2001).mkv'"
    before = host.check_output(read)
    host.check_output("systemctl kill --signal=KILL rclone-media")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and host.run(read).stdout.strip() != before:
        time.sleep(0.5)
    assert host.check_output(read) == before


def test_it_cannot_write_to_the_media(host):
    assert host.run("docker exec plex touch /library/media/x").rc != 0


def test_its_containers_count_towards_this_machines_own_cgroup(host):
    own = host.check_output("grep name=systemd /proc/1/cgroup").split(":", 2)[2].removesuffix("/init.scope")
    pid = container(host)["State"]["Pid"]
    assert f"{own}/nested/" in host.check_output("grep name=systemd /proc/%s/cgroup", str(pid))


def test_stopping_the_unit_stops_the_container_cleanly(host):
    host.check_output("systemctl stop plex")
    assert host.check_output("systemctl show plex --property Result --value") == "success"
    assert container(host)["State"]["Running"] is False
    host.check_output("systemctl start plex")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and host.run("curl --silent --fail http://127.0.0.1:32400/identity").rc:
        time.sleep(0.5)
    assert "MediaContainer" in identity(host)
