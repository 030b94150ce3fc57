"""The healing runs with little of root's powers, and restarts a worker that hangs."""

import json
import time

SERVICE = "medialift-healing.service"
TOML = "/etc/medialift/healing.toml"
WORKER = "medialift-books-worker@1.service"
KEY = "sk-molecule-model-key"
PASSWORD = "molecule-shelf-password"
SELFTEST = """
import sys
from pathlib import Path
from medialift.healing.code.sandboxed import selftest
sys.exit(selftest(Path(sys.argv[1]), "books").why or 0)
"""


def medialift(host, *words, codes=(0,)):
    done = host.run(" ".join(("/opt/medialift/current/bin/medialift --json --config", TOML, *words)))
    assert done.rc in codes, done.stderr
    return json.loads(done.stdout)


def wait_until(done, seconds=120):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(1)


def shown(host, unit, name):
    return host.check_output("systemctl show %s --property %s --value", unit, name)


def pid_of(host, unit):
    return int(shown(host, unit, "MainPID"))


def test_it_runs_and_starts_with_the_machine(host):
    service = host.service(SERVICE)
    assert service.is_running and service.is_enabled
    process = host.process.get(pid=pid_of(host, SERVICE))
    assert process.user == "root"
    assert "/opt/medialift/releases/" in process.args


def test_of_roots_powers_it_keeps_two_and_writes_where_it_must_only(host):
    assert shown(host, SERVICE, "CapabilityBoundingSet").split() == ["cap_dac_read_search", "cap_sys_ptrace"]
    assert shown(host, SERVICE, "ProtectSystem") == "strict"
    assert shown(host, SERVICE, "ReadWritePaths") == "/run/systemd/system"
    assert shown(host, SERVICE, "NoNewPrivileges") == "yes"


def test_settings_and_key_are_roots_alone(host):
    for name in (TOML, "/etc/medialift/healing-model.key"):
        file = host.file(name)
        assert (file.user, file.mode) == ("root", 0o600), name
    for secret in (KEY, PASSWORD):
        assert secret not in host.check_output("systemctl cat %s", SERVICE)
        assert secret not in host.check_output("ps axww --format args")
        assert host.run("journalctl --no-pager --grep %s", secret).rc == 1


def test_its_settings_can_be_read_as_it_reads_them(host):
    assert medialift(host, "healing", "status", codes=(0, 1))["enabled"] is True


def test_the_self_test_of_a_release_passes_in_the_sandbox_of_systemd(host):
    release = host.check_output("readlink --canonicalize /opt/medialift/current").removesuffix("/venv")
    done = host.run("/opt/medialift/current/bin/python -c %s %s", SELFTEST, release)
    assert done.rc == 0, done.stdout + done.stderr
    assert host.run("journalctl --no-pager --grep 'Started medialift-selftest-'").rc == 0


def test_a_worker_that_hangs_is_restarted_with_the_evidence_kept(host):
    """It is stopped in the middle of its process, as a lock that never comes back would stop it."""
    host.check_output("systemctl start %s", WORKER)
    wait_until(lambda: pid_of(host, WORKER) > 0)
    name = f"{host.check_output('hostname')}@1"
    # Its time counts from when it is there, and its silence needs it to be older than the floor.
    wait_until(
        lambda: any(
            one["name"] == name and (one["uptime"] or 0) > 10
            for one in medialift(host, "healing", "status", codes=(0, 1))["workers"]
        )
    )
    before = pid_of(host, WORKER)
    host.check_output("kill -STOP %s", str(before))
    wait_until(lambda: pid_of(host, WORKER) not in (0, before))
    # Systemd's own watchdog would have taken a minute.
    told = medialift(host, "healing", "history", "--worker", name)
    assert "remedy" in {entry["what"] for entry in told}
    finding = next(entry for entry in told if entry["what"] == "finding")
    assert finding["outcome"] and finding["detail"]
    host.check_output("systemctl stop medialift-books-workers.target %s", WORKER)
