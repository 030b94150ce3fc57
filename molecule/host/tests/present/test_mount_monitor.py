"""The mount is watched over: its state is told, a frozen rclone is replaced, the monitor stops at once."""

import json
import time

UNIT = "medialift-mount-monitor@media"
MEDIALIFT = "/opt/medialift/current/bin/medialift"
FOLDER = "/var/lib/medialift/mounts/media"
MOVIE = "/mnt/cloud/media/Movies/One (2001)/One (2001).mkv"


def told(host):
    """What the monitor published last."""
    return json.loads(host.run(f"{MEDIALIFT} --json mounts state media").stdout)["media"]


def history(host, event):
    lines = json.loads(host.check_output(f"{MEDIALIFT} --json mounts history media --limit 5000"))
    return [line for line in lines if line["event"] == event]


def comes(wanted, seconds=120):
    """Whether it comes true; asked once a second."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if wanted():
            return True
        time.sleep(1)
    return bool(wanted())


def shown(host, unit, name):
    return host.check_output(f"systemctl show {unit} --property {name} --value")


def test_the_unit_runs_and_starts_with_the_machine(host):
    service = host.service(UNIT)
    assert service.is_running and service.is_enabled


def test_the_mount_is_found_healthy(host):
    assert comes(lambda: told(host)["state"] == "healthy")
    assert told(host)["running"] is True
    assert host.run(f"{MEDIALIFT} mounts state media").rc == 0


def test_its_figures_are_served_to_the_host_alone_and_written_to_a_file(host):
    page = host.check_output("curl --silent --fail --noproxy '*' http://127.0.0.1:9816/metrics")
    assert 'medialift_mount_state{mount="media",state="healthy"}' in page
    assert host.socket("tcp://127.0.0.1:9816").is_listening
    assert not host.socket("tcp://0.0.0.0:9816").is_listening
    assert (
        'medialift_mount_reads_total{mount="media",result="ok"}'
        in host.file(f"{FOLDER}/metrics.prom").content_string
    )


def test_the_keys_are_in_nothing_that_it_writes(host):
    assert host.run(f"grep -r sandbox-secret-key-01 {FOLDER}").rc == 1


def test_the_folder_beneath_the_mount_is_closed(host):
    # Seen from a mount namespace of its own, in which the mount is taken away.
    beneath = host.check_output(
        "unshare --mount sh -c 'umount -l /mnt/cloud/media; stat -c %a /mnt/cloud/media'"
    )
    assert beneath == "0"


def test_a_killed_rclone_is_found_healthy_again(host):
    before = shown(host, "rclone-media", "MainPID")
    host.check_output("systemctl kill --signal=KILL rclone-media")
    assert comes(lambda: shown(host, "rclone-media", "MainPID") not in ("0", before), 60)
    since = time.time()
    assert comes(lambda: told(host)["state"] == "healthy" and told(host)["at"] > since)


def test_a_frozen_rclone_that_systemd_takes_for_running_is_replaced(host):
    before = shown(host, "rclone-media", "MainPID")
    recoveries = told(host)["recoveries"]
    host.check_output("systemctl kill --signal=STOP rclone-media")
    assert comes(lambda: told(host)["recoveries"] > recoveries, 240), told(host)
    assert shown(host, "rclone-media", "MainPID") not in ("0", before)
    assert host.run("timeout -s KILL 10 head -c 3 %s", MOVIE).stdout == "one"
    steps = [line["step"] for line in history(host, "step")]
    assert steps[-4:] == ["detach", "start", "probe", "resume"] and "terminate" in steps
    assert history(host, "recovery")[-1]["outcome"] == "ok"


def test_it_stops_at_once_while_its_probe_is_stuck(host):
    assert comes(lambda: told(host)["state"] == "healthy")
    host.check_output("systemctl kill --signal=STOP rclone-media")
    try:
        assert comes(lambda: host.run("pgrep -f [-]-reader-of=/mnt/cloud/media").rc == 0, 60)
        host.check_output(f"systemctl stop {UNIT}")
        # After TimeoutStopSec systemd would have killed it, and said "timeout".
        assert shown(host, UNIT, "Result") == "success"
        assert told(host)["running"] is False
    finally:
        host.check_output("systemctl kill --signal=CONT rclone-media")
        host.check_output(f"systemctl start {UNIT}")
    since = time.time()
    assert comes(lambda: told(host)["state"] == "healthy" and told(host)["at"] > since)


def test_a_stop_of_the_mount_leaves_nothing_mounted_and_is_no_failure(host):
    host.check_output(f"systemctl stop {UNIT}")
    try:
        host.check_output("systemctl stop rclone-media")
        assert shown(host, "rclone-media", "Result") == "success"
        assert " /mnt/cloud/media " not in host.check_output("cat /proc/self/mountinfo")
    finally:
        host.check_output("systemctl start rclone-media")
        host.check_output(f"systemctl start {UNIT}")
    assert host.check_output("head -c 3 %s", MOVIE) == "one"
