"""Run the Plex stand-in as a process on loopback, for tests."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from plexapi.server import PlexServer

from sandbox.plex import schema
from sandbox.ports import free_port, free_ports

ROOT = Path(__file__).resolve().parents[2]


def until(done: Callable[[], Any], at_most: float = 15.0, every: float = 0.01) -> Any:
    """Wait for something true and return it; fail when it does not come."""
    end = time.monotonic() + at_most
    while time.monotonic() < end:
        value = done()
        if value:
            return value
        time.sleep(every)
    raise AssertionError(f"not within {at_most} s")


class PlexTv:
    """The plex.tv stand-in as a process."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sandbox.plextv", "--host", "127.0.0.1"),
                *("--port", str(self.port), "--state", str(folder / "plextv.json")),
            ],
            cwd=ROOT,
        )
        until(self._answers)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/sandbox/state", timeout=1).ok
        except requests.ConnectionError:
            return False

    def token(self, account: str) -> str:
        reply = requests.get(f"{self.url}/api/claim/token.json", headers={"X-Plex-Token": account}, timeout=5)
        reply.raise_for_status()
        return str(reply.json()["token"])

    def steer(self, **wanted: Any) -> dict[str, Any]:
        reply = requests.put(f"{self.url}/sandbox/state", json=wanted, timeout=5)
        reply.raise_for_status()
        return dict(reply.json())

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


class Standin:
    """One server process with its data folder; it can be stopped, killed and started again."""

    def __init__(
        self,
        folder: Path,
        *,
        version: str = schema.NEW_VERSION,
        plex_tv: str = "http://127.0.0.1:9",
        pace: float = 0.02,
        ready: bool = True,
        **environment: str,
    ) -> None:
        self.data = folder / "config" / "Library" / "Application Support" / "Plex Media Server"
        self.media = folder / "media"
        self.pace = pace
        self.environment = {
            "STANDIN_DATA": str(self.data),
            "STANDIN_VERSION": version,
            "STANDIN_PLEX_TV": plex_tv,
            "STANDIN_PACE": str(pace),
            "STANDIN_HOST": "127.0.0.1",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.start(ready=ready)

    def start(self, *, ready: bool = True) -> None:
        self.port, self.control = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        ports = {"STANDIN_PORT": str(self.port), "STANDIN_CONTROL_PORT": str(self.control)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.plex"],
            cwd=ROOT,
            env={**os.environ, **self.environment, **ports},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        if ready:
            until(lambda: self.answers("/identity"))
            until(lambda: self.answers("/library/sections", "PUT") and self.answers("/"))

    def answers(self, path: str, method: str = "GET") -> bool:
        """Whether a request is past "starting up"."""
        try:
            reply = requests.request(method, self.url + path, timeout=5)
        except requests.ConnectionError:
            return False
        return reply.status_code not in (400, 503)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def close(self) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(10)
            assert self.process.stderr is not None
            self.process.stderr.close()

    def switch(self, **wanted: Any) -> dict[str, Any]:
        reply = requests.put(f"http://127.0.0.1:{self.control}/switches", data=json.dumps(wanted), timeout=5)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    @property
    def token(self) -> str:
        text = (self.data / "Preferences.xml").read_text()
        return ET.fromstring(text).get("PlexOnlineToken", "")

    def plex(self) -> PlexServer:
        """An unmodified python-plexapi on it."""
        return PlexServer(self.url, self.token or None)

    def request(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"X-Plex-Token": self.token, **more.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, timeout=10, **more)

    def xml(self, path: str) -> ET.Element:
        reply = self.request("GET", path)
        reply.raise_for_status()
        return ET.fromstring(reply.content)

    def put_file(self, relative: str, content: bytes = b"") -> Path:
        path = self.media / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content or relative.encode() * 50)
        return path

    def add_section(self, name: str, kind: str, folder: str) -> int:
        """Create a section through plexapi, wait for its first scan to be over, and return its key."""
        (self.media / folder).mkdir(parents=True, exist_ok=True)
        plex = self.plex()
        plex.library.add(name, kind, "agent", "Plex Scanner", str(self.media / folder))
        key = int(plex.library.section(name).key)
        self.wait_for_scan(key)
        return key

    def scan(self, key: int, path: str = "") -> None:
        """Scan and wait until the last row is written."""
        before = self.attribute(key, "scannedAt")
        time.sleep(max(0.0, int(before or 0) + 1.0 - time.time()))
        reply = self.request("GET", f"/library/sections/{key}/refresh", params={"path": path} if path else {})
        assert reply.status_code == 200, reply.text
        until(lambda: self.attribute(key, "scannedAt") != before)
        self._settle()

    def wait_for_scan(self, key: int) -> None:
        until(lambda: self.attribute(key, "scannedAt"))
        self._settle()

    def _settle(self) -> None:
        time.sleep(4 * self.pace)
        until(lambda: [row.get("type") for row in self.xml("/activities")] == ["butler"])
        time.sleep(max(0.05, self.pace))

    def attribute(self, key: int, name: str) -> str | None:
        for row in self.xml("/library/sections"):
            if row.get("key") == str(key):
                return row.get(name)
        raise AssertionError(f"no section {key}")

    @property
    def database(self) -> Path:
        return self.data / "Plug-in Support" / "Databases" / schema.LIBRARY

    def query(self, sql: str, *values: Any, blobs: bool = False) -> list[tuple[Any, ...]]:
        """Read the database as a stranger would, with stock SQLite."""
        path = self.database.with_name(schema.BLOBS) if blobs else self.database
        con = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return con.execute(sql, values).fetchall()
        finally:
            con.close()
