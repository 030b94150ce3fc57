"""After absent: nothing of the burst is on the machine; what it stands on is."""

from __future__ import annotations


def test_plex_and_its_working_copy_are_gone(host):
    assert not host.file("/etc/systemd/system/plex.service").exists
    assert not host.file("/srv/medialift-burst/config").exists
    assert host.run("docker ps --all --quiet --filter name=plex").stdout == ""


def test_the_jobs_of_the_burst_are_gone(host):
    assert host.run("ls /var/lib/medialift/jobs").stdout == ""


def test_the_mount_and_the_runtime_stay(host):
    assert host.service("rclone-media").is_running
    assert host.file("/opt/medialift/current/bin/medialift").exists
