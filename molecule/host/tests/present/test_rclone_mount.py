"""The bucket can be read through the mount, by nobody written, and it comes back by itself."""

import time

MOVIE = "/mnt/cloud/media/Movies/One (2001)/One (2001).mkv"


def test_the_unit_runs_and_starts_with_the_machine(host):
    service = host.service("rclone-media")
    assert service.is_running and service.is_enabled


def test_real_bytes_can_be_read_by_any_user(host):
    assert host.check_output("sudo -u nobody cat %s | sha256sum", MOVIE) == host.check_output(
        "python3 -c \"print('one' * 100000, end='')\" | sha256sum"
    )


def test_nothing_can_be_written(host):
    assert "Read-only file system" in host.run("touch /mnt/cloud/media/x").stderr


def test_the_kernel_names_the_mount_as_ours(host):
    (line,) = [
        line
        for line in host.check_output("cat /proc/self/mountinfo").splitlines()
        if " /mnt/cloud/media " in line
    ]
    assert line.split(" - ")[1].startswith("fuse.rclone medialift-media ro,")


def test_the_keys_are_in_no_command_line_and_in_a_file_of_roots_alone(host):
    file = host.file("/etc/rclone/media.conf")
    assert file.mode == 0o600 and file.contains("sandbox-secret-key-01")
    assert "sandbox-secret-key-01" not in host.check_output("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "sandbox-secret-key-01" not in host.check_output("journalctl --no-pager")


def test_only_rclones_program_is_kept_of_its_package(host):
    assert host.check_output("find /opt/rclone/1.75.2 -type f") == "/opt/rclone/1.75.2/rclone"
    assert "rclone v1.75.2" in host.check_output("/opt/rclone/bin/rclone version")


def test_its_remote_control_listens_on_a_socket_in_roots_own_folder(host):
    assert host.file("/run/rclone-media").mode == 0o700
    answer = host.run("curl --silent --unix-socket /run/rclone-media/rc.sock -X POST http://x/rc/noop")
    assert answer.rc == 0 and answer.stdout.strip() == "{}"


def test_a_killed_rclone_comes_back_and_reads_again(host):
    before = host.check_output("systemctl show rclone-media --property MainPID --value")
    host.check_output("systemctl kill --signal=KILL rclone-media")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if host.run("timeout -s KILL 5 head -c 3 %s", MOVIE).stdout == "one":
            break
        time.sleep(0.5)
    assert host.run("timeout -s KILL 5 head -c 3 %s", MOVIE).stdout == "one"
    assert host.check_output("systemctl show rclone-media --property MainPID --value") != before


def test_places_that_were_refused_are_as_they_were(host):
    assert host.file("/mnt/full/media/kept").is_directory
    assert not host.file("/etc/systemd/system/rclone-full.service").exists
    assert host.check_output("findmnt -no SOURCE /mnt/foreign/media") == "theirs"
