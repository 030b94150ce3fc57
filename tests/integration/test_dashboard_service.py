"""The dashboard as systemd sees it: it says when it answers, and ends when it is told to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.ports import free_port


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket on which systemd hears of a service."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        yield listening


def serve(url: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    settings = folder / "dashboard.toml"
    settings.write_text(f'[database]\nurl = "{url}"\n[dashboard]\nport = {free_port()}\n')
    settings.chmod(0o600)
    return subprocess.Popen(
        [sys.executable, "-m", "medialift", "--config", str(settings), "dashboard", "serve"],
        env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify"), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_it_is_ready_when_it_answers_and_ends_well_when_told_to(
    ledger_url: str, tmp_path: Path, supervisor: socket.socket
) -> None:
    process = serve(ledger_url, tmp_path)
    try:
        assert supervisor.recv(1000).decode().splitlines() == ["READY=1", "WATCHDOG=1"]
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode in (0, -signal.SIGTERM), said
    assert "The dashboard is at http://127.0.0.1:" in said and "Nobody is set up yet" in said


def test_one_that_others_could_reach_while_nobody_can_log_in_never_says_that_it_is_ready(
    ledger_url: str, tmp_path: Path, supervisor: socket.socket
) -> None:
    process = serve(ledger_url, tmp_path, MEDIALIFT_DASHBOARD__HOST="0.0.0.0")
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0 and "Nobody can log in yet" in said
    supervisor.setblocking(False)
    with pytest.raises(BlockingIOError):
        supervisor.recv(1000)
