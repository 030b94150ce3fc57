"""Everything that was brought is gone, and what is the user's is still there."""

import json


def test_the_engine_is_gone_and_its_data_are_kept(host):
    assert not host.exists("dockerd")
    assert host.run("ls /var/lib/docker/image").rc == 0


def test_the_users_settings_are_as_they_were(host):
    settings = json.loads(host.file("/etc/docker/daemon.json").content_string)
    assert settings == {"max-concurrent-downloads": 2, "log-opts": {"max-size": "1m"}}
    assert not host.file("/etc/docker/medialift.json").exists


def test_the_runtime_is_gone_and_its_jobs_are_kept(host):
    for path in ("/opt/medialift/current", "/opt/medialift/releases", "/etc/medialift/medialift.toml"):
        assert not host.file(path).exists
    assert not host.file("/etc/systemd/system/medialift-job@.service").exists
    assert host.file("/var/lib/medialift/jobs").is_directory


def test_the_mount_is_gone_with_its_keys_and_its_program(host):
    assert " /mnt/cloud/media " not in host.check_output("cat /proc/self/mountinfo")
    for path in (
        "/mnt/cloud/media",
        "/etc/rclone",
        "/opt/rclone",
        "/etc/systemd/system/rclone-media.service",
        "/etc/systemd/system/medialift-mount-monitor@.service",
        "/var/lib/medialift/mounts/media",
    ):
        assert not host.file(path).exists
    assert host.run("pgrep rclone").rc == 1
    assert host.run("pgrep -f '[m]ounts monitor'").rc == 1
