"""The host's Docker engine: found running, or started by systemctl, or in a session of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from medialift.errors import Permanent
from medialift.foundation.waiting import wait_until

from .docker import docker
from .settings import Settings

_PID_FILE = Path("/var/run/docker.pid")


def answers() -> bool:
    """Whether an engine answers."""
    if shutil.which("docker") is None:
        raise Permanent("Docker is not installed", "docker", "Run sandbox/setup")
    asked = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, timeout=30, check=False
    )
    return asked.returncode == 0


def start(settings: Settings) -> bool:
    """Have an engine; returns whether it had to be started. What was started is remembered for `stop`.

    Raises:
        Permanent: it did not answer within a minute; the end of its log is in the message.
    """
    if answers():
        return False
    settings.state.mkdir(parents=True, exist_ok=True)
    if Path("/run/systemd/system").is_dir():
        by_systemd = subprocess.run(
            ["systemctl", "start", "docker.service"], capture_output=True, text=True, timeout=120, check=False
        )
        _remember(settings, {"by": "systemd"})
        tail = by_systemd.stderr[-1500:].strip()
    else:
        _forget_dead_engine()
        log = settings.state / "dockerd.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
            )
        _remember(settings, {"by": "session", "pid": process.pid, "began": _began(process.pid)})
        tail = f"see {log}"
    if not wait_until(answers, at_most=60, every=0.2):
        raise Permanent(f"The Docker engine did not answer within 60 s ({tail})", "dockerd")
    return True


def stop(settings: Settings) -> bool:
    """Stop the engine if the sandbox started it and nothing runs in it; returns whether it was stopped."""
    record = _record(settings)
    if not record.is_file() or (answers() and docker("ps", "--quiet").strip()):
        return False
    engine = json.loads(record.read_text(encoding="utf-8"))
    if engine["by"] == "systemd":
        subprocess.run(["systemctl", "stop", "docker.service", "docker.socket"], check=True, timeout=120)
    elif _began(engine["pid"]) == engine["began"]:  # the same process still, not one that got its number
        os.kill(engine["pid"], signal.SIGTERM)
        wait_until(lambda: _began(engine["pid"]) != engine["began"], at_most=30, every=0.1)
    record.unlink()
    return True


def _record(settings: Settings) -> Path:
    return settings.state / "engine.json"


def _remember(settings: Settings, engine: dict[str, Any]) -> None:
    _record(settings).write_text(json.dumps(engine), encoding="utf-8")


def _began(pid: int) -> int | None:
    """When the process began, in clock ticks since boot; None when there is none, or it is a zombie."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _forget_dead_engine() -> None:
    """Remove a killed engine's pid file: where its number is in use again, dockerd would refuse to start."""
    if not _PID_FILE.is_file():
        return
    try:
        name = Path(f"/proc/{int(_PID_FILE.read_text())}/comm").read_text().strip()
    except (OSError, ValueError):  # nobody has that number, or the file was cut short
        name = ""
    if name != "dockerd":
        _PID_FILE.unlink(missing_ok=True)
