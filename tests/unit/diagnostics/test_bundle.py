"""A support bundle holds what somebody who helps would ask for, and never waits for what hangs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from medialift import settings
from medialift.diagnostics import bundle, known
from medialift.diagnostics.host import Here
from medialift.diagnostics.part import Limits
from medialift.errors import Permanent, Transient
from medialift.foundation.process import Completed
from tests.logs_world import Opened
from tests.mount_world import RealMount

ANSWERS = {
    "systemctl list-units": "plex.service loaded active running",
    "systemctl --version": "systemd 252 (252.1)\n+PAM",
    "docker version": "20.10.24",
    "/opt/rclone/bin/rclone version": "rclone v1.75.2\n- os/version: debian 12",
    "df -hT /": "Filesystem Type Size\n/dev/vda1 ext4 50G",
    "ps ": "PID PPID STAT\n12 1 D",
}


def answering(argv, _timeout=None):
    """The programs of a host; any other is missing, `journalctl` hangs."""
    said = " ".join(argv)
    if "doctor" in argv:
        return Completed(tuple(argv), 1, '{"ok": false, "findings": []}')
    if argv[0] == "journalctl":
        raise Transient("A program did not end within 60 s and was killed", "journalctl")
    for start, answer in ANSWERS.items():
        if said.startswith(start):
            return Completed(tuple(argv), 0, answer)
    raise Permanent("A program is missing", argv[0])


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[RealMount]:
    there = RealMount(tmp_path)
    there.fill("Movies/a.mkv")
    there.up()
    yield there
    there.down()


class Machine:
    """A host with a Plex, a job, a monitored mount and settings of its own."""

    def __init__(self, folder: Path, mount: RealMount) -> None:
        self.file, self.folder, self.mount = folder / "medialift.toml", folder, mount
        self.state, self.plex = folder / "state", folder / "Plex Media Server"
        self.file.write_text(
            f'[plex]\ndata = "{self.plex}"\nurl = "http://127.0.0.1:9"\n'
            f'[jobs]\nfolder = "{self.state}/jobs"\n[store]\nsecret_key = "very-secret-key"\n'
            f'[mounts]\npoints = ["{mount.place}"]\ndeadline = 2\n'
        )
        self.write("Plex Media Server/Logs/Plex Media Server.log", "GET /?X-Plex-Token=abcdefgh12345\n")
        self.write("Plex Media Server/Preferences.xml", '<Preferences PlexOnlineToken="of-the-server"/>')
        self.write("state/jobs/plex-run-1/journal.jsonl", '{"phase": "scan"}\n')
        self.write("state/jobs/plex-run-1/result.json", '{"value": {"mount_reads": [{"ok": true}]}}')
        self.write("state/jobs/plex-run-1/job.json", '{"arguments": {"note": "very-secret-key"}}')
        self.write("state/jobs/plex-run-1/account-token", "never collected\n")
        self.write("state/mounts/media/history.jsonl", '{"state": "healthy"}\n')
        self.write("state/mounts/media/state.json", '{"failures": 0}')

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def bundle(self, **limits: float) -> Opened:
        made = bundle.make(
            Here(settings.load(self.file), run=answering),
            self.file,
            name="support",
            folder=self.folder / "out",
            limits=Limits(**{"seconds": 60.0, "silence": 1.0, **limits}),  # type: ignore[arg-type]
            runner=answering,
            also=[f"{self.folder}/extra/*.txt"],
        )
        return Opened(Path(made.path), self.folder / "unpacked")


@pytest.fixture
def machine(tmp_path: Path, mount: RealMount, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in ("MEDIALIFT_CONFIG",):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(known, "RCLONE_SETTINGS", f"{tmp_path}/*.conf")
    return Machine(tmp_path, mount)


def test_it_holds_what_somebody_who_helps_would_ask_for(machine):
    machine.write("extra/note.txt", "seen of-the-server\n")
    found = machine.bundle()
    assert "rclone: rclone v1.75.2" in found.members["host/versions.txt"]
    assert "Plex: it does not answer" in found.members["host/versions.txt"]
    assert "plex.service loaded" in found.members["host/units.txt"]
    assert "/dev/vda1" in found.members["host/disk.txt"]
    assert "12 1 D" in found.members["host/processes.txt"]
    assert str(machine.mount.place) in found.members["host/mounts.txt"]
    assert json.loads(found.members["host/doctor.json"])["findings"] == []
    told = json.loads(found.members["host/settings.json"])["settings"]
    assert told["plex.data"] == {"value": str(machine.plex), "from": str(machine.file)}
    assert told["store.secret_key"]["value"] == "(set, not shown)"
    [probe] = [text for name, text in found.members.items() if name.startswith("host/probe")]
    assert json.loads(probe)["state"] == "healthy"
    assert found.of_file(machine.state / "mounts/media/history.jsonl") == '{"state": "healthy"}\n'
    assert "failures" in found.of_file(machine.state / "mounts/media/state.json")
    assert "mount_reads" in found.of_file(machine.state / "jobs/plex-run-1/result.json")
    assert "GET /" in found.of_file(machine.plex / "Logs/Plex Media Server.log")
    assert found.of_file(machine.folder / "extra/note.txt") == "seen *****\n"


def test_no_secret_is_in_it(machine):
    found = machine.bundle()
    for secret in ("very-secret-key", "abcdefgh12345", "of-the-server", "never collected"):
        assert secret not in found.text


def test_what_could_not_be_collected_is_told_in_its_place(machine):
    missing = machine.bundle().missing()
    assert set(missing) == {
        f"journal/{name}.log" for name in ("plex.service", "docker.service", "rclone-_", "medialift-_")
    }
    assert all("journalctl" in why for why in missing.values())


@pytest.mark.parametrize("fault", ["freeze", "kill"])
def test_a_mount_that_hangs_or_is_dead_is_told_and_costs_nothing_else(machine, fault):
    getattr(machine.mount, fault)()
    machine.file.write_text(
        machine.file.read_text().replace(f'data = "{machine.plex}"', f'data = "{machine.mount.place}/Plex"')
    )
    found = machine.bundle()
    [probe] = [text for name, text in found.members.items() if name.startswith("host/probe")]
    assert json.loads(probe)["state"] in ("hung", "stale", "degraded")
    assert any("Logs" in name or "mounted" in name for name in found.missing())
    assert found.of_file(machine.state / "mounts/media/history.jsonl")
    assert "very-secret-key" not in found.text
