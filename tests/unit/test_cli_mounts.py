"""`medialift mounts`, as a person and as systemd call it, on real mounts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from medialift.cli.app import app
from medialift.foundation.waiting import wait_until
from medialift.mounts import mountinfo, published
from medialift.mounts.watch import runner_of
from medialift.mounts.watch_options import Place, WatchOptions
from tests.mount_world import StoreMount

PROGRAM = Path(sys.executable).parent / "medialift"

# systemd as `medialift` meets it: a unit that serves the mount, and one that reads through it. What it is
# asked is written down, and what it starts is the real rclone.
SYSTEMCTL = """#!{python}
import json, os, pathlib, signal, subprocess, sys
home = pathlib.Path({home!r})
verb, unit = sys.argv[1], sys.argv[-1]
pids = json.loads((home / "pids.json").read_text())
def runs(pid):
    try:
        return pathlib.Path(f"/proc/{{pid}}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
pid = pids.get(unit, 0)
pid = pid if runs(pid) else 0
if verb == "show":
    known = "loaded" if unit in pids else "not-found"
    print(f"LoadState={{known}}\\nMainPID={{pid}}\\nActiveState={{'active' if pid else 'inactive'}}")
    sys.exit()
with (home / "asked").open("a") as asked:
    asked.write(f"{{verb}} {{unit}}\\n")
if verb == "stop" and pid:
    os.kill(pid, signal.SIGTERM)
if verb == "start":
    argv = json.loads((home / "argv.json").read_text())[unit]
    nothing = subprocess.DEVNULL
    started = subprocess.Popen(argv, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
    (home / "pids.json").write_text(json.dumps({{**pids, unit: started.pid}}))
"""


class Host:
    """A mount of a web store, monitors of its own, and the stand-in for systemd."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mount = StoreMount(folder)
        self.mount.fill(*(f"Movies/{n}.mkv" for n in range(4)), size=100_000)
        self.mount.up()
        self.place = Place("media", folder / "mounts")
        assert self.mount.rclone is not None
        self.reader = subprocess.Popen(["sleep", "600"])
        self.write(
            pids={"rclone-media.service": self.mount.rclone.pid, "plex.service": self.reader.pid},
            argv={
                "rclone-media.service": self.mount.rclone.args,
                "plex.service": self.reader.args,
            },
        )
        systemctl = folder / "bin/systemctl"
        systemctl.parent.mkdir()
        systemctl.write_text(SYSTEMCTL.format(python=sys.executable, home=str(folder)))
        systemctl.chmod(0o755)

    def write(self, **files: Any) -> None:
        for name, content in files.items():
            (self.folder / f"{name}.json").write_text(json.dumps(content))

    def environment(self) -> dict[str, str]:
        config = self.folder / "medialift.toml"
        config.write_text(f'[mounts]\npoints = ["{self.mount.place}"]\ndeadline = "10s"\n')
        return {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "MEDIALIFT_CONFIG": str(config),
        }

    def __call__(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(PROGRAM), "mounts", *words],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self("--json", *words, code=code).stdout)

    def monitor(self, **options: Any) -> subprocess.Popen[bytes]:
        given = {"mountpoint": str(self.mount.place), "every": 0.2, "grace": 0, "threshold": 2, **options}
        self.place.write_options(WatchOptions.of({"jobs_folder": str(self.folder / "jobs"), **given}))
        return subprocess.Popen(
            [str(PROGRAM), "mounts", "monitor", "media", "--folder", str(self.place.folder)],
            env=self.environment(),
        )

    def pids(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.folder / "pids.json").read_text())
        return found

    def down(self) -> None:
        for pid in {*self.pids().values()} - {self.reader.pid}:
            if self.mount.rclone is None or pid != self.mount.rclone.pid:
                os.kill(pid, signal.SIGKILL)
        if self.reader.poll() is None:
            self.reader.kill()
        self.reader.wait(10)
        self.mount.down()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    made.down()


def test_the_monitor_runs_until_sigterm_and_others_read_what_it_found(host: Host) -> None:
    running = host.monitor()
    try:
        assert wait_until(
            lambda: (told := published.read(host.place.state)) is not None and told.state == "healthy",
            at_most=30,
            every=0.1,
        )
        folder = ("--folder", str(host.place.folder))
        told = host.json("state", *folder)["media"]
        assert told["running"] and told["state"] == "healthy" and told["pid"] == running.pid
        assert "healthy (" in host("history", "media", "--limit", "1", *folder).stdout
    finally:
        running.send_signal(signal.SIGTERM)
    assert running.wait(20) == 0
    assert runner_of(host.place) == 0


def test_a_mount_that_hangs_does_not_hang_who_asks(host: Host) -> None:
    host.mount.freeze()
    told = host.json("probe", str(host.mount.place), "--deadline", "2s", code=1)
    assert told[0]["state"] == "hung"


def test_a_mount_is_recovered_with_its_reader_stopped_meanwhile(host: Host) -> None:
    host.mount.kill()
    before = host.pids()
    told = host.json("recover", str(host.mount.place), "--consumer", "plex.service")
    assert told["verdict"]["state"] == "healthy"
    assert [step["step"] for step in told["steps"]] == [
        *("stop consumers", "terminate", "detach", "start", "probe", "resume")
    ]
    assert (host.folder / "asked").read_text().split("\n")[:-1] == [
        "stop plex.service",
        "stop rclone-media.service",
        "reset-failed rclone-media.service",
        "start rclone-media.service",
        "reset-failed plex.service",
        "start plex.service",
    ]
    assert host.pids()["rclone-media.service"] != before["rclone-media.service"]
    assert mountinfo.at(host.mount.place, mountinfo.mounts()) is not None


def test_a_recovery_that_does_not_help_says_what_it_left_stopped(host: Host) -> None:
    done = host(
        "recover", str(host.mount.place), "--unit", "other.service", "--consumer", "plex.service", code=1
    )
    assert "There is no such service" in done.stderr
    assert "Stopped and not started again: plex.service" in done.stderr
    assert host.mount.rclone is not None and host.mount.rclone.poll() is None


def test_a_monitor_that_nobody_set_up_is_refused_for_good(tmp_path: Path) -> None:
    asked = CliRunner().invoke(app, ["mounts", "monitor", "media", "--folder", str(tmp_path)])
    assert asked.exit_code == 2 and "No monitor of this name" in asked.output
    assert CliRunner().invoke(app, ["mounts", "state", "--folder", str(tmp_path)]).exit_code == 1
