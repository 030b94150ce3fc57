"""`make demo-dashboard`: it looks at every page and ends, or shows them until it is told to end."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
from rich.console import Console

from medialift.foundation.waiting import wait_until
from medialift.queueing.database import Database
from medialift.web.server import serving
from sandbox import demo_dashboard
from sandbox.demo_dashboard import NAME, PASSWORD, REPO, Demo
from tests.dashboard_world import settings_of


def _command(folder: Path, *more: str) -> list[str]:
    program = [sys.executable, "-m", "sandbox.demo_dashboard"]
    return [*program, "--artifacts", str(folder), "--port", "0", "--books", "60", *more]


def test_every_page_is_looked_at_and_then_it_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        _command(tmp_path / "demo", "--once"),
        cwd=REPO,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    assert "outcome: as it must be" in done.stdout


def test_it_serves_while_books_go_on_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    log = tmp_path / "said"
    with log.open("w") as said:
        process = subprocess.Popen(
            _command(tmp_path / "demo"), cwd=REPO, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    try:
        assert wait_until(lambda: "Ctrl-C ends it" in log.read_text(), at_most=120, every=0.1), (
            log.read_text()
        )
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+", log.read_text())
        with httpx.Client(base_url=address, follow_redirects=True, timeout=30) as client:
            client.post("/login", data={"name": NAME, "password": PASSWORD}).raise_for_status()
            assert client.get("/queue").raise_for_status().url.path == "/queue"
            before = _books_done(client)
            assert wait_until(lambda: _books_done(client) > before, at_most=90, every=0.2), log.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in log.read_text()


def _books_done(client: httpx.Client) -> int:
    """As the API tells."""
    queues = client.get("/api/v1/status").raise_for_status().json()["queues"]
    return sum(one["items"]["done"] for one in queues if one["pipeline"] == "books")


def test_a_dashboard_that_lets_nobody_in_is_told(tmp_path: Path, database: Database) -> None:
    demo = Demo(Console(quiet=True), tmp_path, 60, 0)
    with serving(settings_of(), database) as demo.address:
        demo_dashboard._look(demo)
    assert demo.wrong == ["nobody can log in: 401"]
