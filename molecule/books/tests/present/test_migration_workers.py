"""Workers run by systemd, take books from the ledger, and bring each over once."""

import json
import time

WORKER = "medialift-books-worker@{}.service"
TOML = "/etc/medialift/books.toml"
PASSWORD = "molecule-shelf-password"


def books(host, *words):
    command = " ".join(("/opt/medialift/current/bin/medialift --json --config", TOML, "books", *words))
    return json.loads(host.check_output(command))


def wait_until_finished(host, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status = books(host, "status")
        if status["finished"]:
            return status
        time.sleep(1)
    raise AssertionError(status)


def test_its_settings_are_its_users_alone(host):
    settings = host.file(TOML)
    assert (settings.user, settings.mode) == ("medialift", 0o600)
    assert host.file("/etc/medialift").mode == 0o700


def test_they_are_held_together_and_wait_to_be_started(host):
    assert host.run("systemctl is-active medialift-books-workers.target").rc != 0
    for number in (1, 2):
        assert host.service(WORKER.format(number)).is_enabled
    assert not host.service(WORKER.format(3)).is_enabled


def test_their_units_are_hardened_watched_and_limited(host):
    shown = host.check_output("systemctl show %s", WORKER.format(1))
    told = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    assert told["Type"] == "notify"
    assert told["KillMode"] == "mixed"
    assert told["Restart"] == "always"
    # Of one that does not run, systemd tells no such time.
    assert "\nWatchdogSec=60\n" in host.check_output("systemctl cat %s", WORKER.format(1))
    assert told["User"] == "medialift" and told["SupplementaryGroups"] == "readers"
    assert told["NoNewPrivileges"] == "yes" and told["ProtectSystem"] == "strict"
    assert told["MemoryMax"] == str(512 * 1024 * 1024)


def test_they_bring_every_book_over_once(host):
    books(host, "plan")
    host.check_output("systemctl start medialift-books-workers.target")
    for number in (1, 2):
        assert host.service(WORKER.format(number)).is_running
        pid = int(host.check_output("systemctl show %s --property MainPID --value", WORKER.format(number)))
        process = host.process.get(pid=pid)
        assert process.user == "medialift"
        assert "/opt/medialift/releases/" in process.args
    status = wait_until_finished(host)
    names = {worker["name"] for worker in status["workers"]}
    host_name = host.check_output("hostname")
    assert {f"{host_name}@1", f"{host_name}@2"} <= names
    verdict = books(host, "verify")
    assert verdict["adds_up"] is True, verdict["wrong"]
    assert verdict["complete"] is True, verdict["open"]


def test_they_end_cleanly_and_at_once_when_there_is_nothing_to_finish(host):
    began = time.monotonic()
    host.check_output("systemctl stop medialift-books-workers.target")
    for number in (1, 2):
        service = WORKER.format(number)
        assert not host.service(service).is_running
        assert host.check_output("systemctl show %s --property Result --value", service) == "success"
    assert time.monotonic() - began < 30


def test_the_password_is_in_no_log_and_no_command_line(host):
    assert PASSWORD not in host.check_output("ps axww --format args")
    assert host.run("journalctl --no-pager --grep %s", PASSWORD).rc == 1
