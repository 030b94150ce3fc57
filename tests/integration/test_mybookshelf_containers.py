"""What the book server's containers run: app, backend and manage.py as three programs over one PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import psycopg
import pytest

from sandbox.mybookshelf.container import conninfo
from sandbox.mybookshelf.running import Steer
from sandbox.ports import free_ports
from sandbox.settings import ROOT
from tests.mybookshelf_world import Caller, epub


class Containers:
    """The two programs and the third, without the containers."""

    def __init__(self, code: Path, data: Path, url: str) -> None:
        self.code = code
        self.port, self.ws_port, self.delegated, *self.controls = free_ports(5)
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.ws_port}/ws"
        self.data = data
        self.user, self.password = "admin", "admin"
        found = psycopg.conninfo.conninfo_to_dict(url)
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("MBS2_", "PG"))},
            **{"PYTHONPATH": str(ROOT), "MBS2_DATA_DIR": str(data), "MBS2_WS_PORT": str(self.ws_port)},
            **{"MBS2_DB_HOST": str(found["host"]), "MBS2_DB_NAME": str(found["dbname"])},
            **{"MBS2_DB_USER": str(found["user"]), "MBS2_DELEGATED_PORT": str(self.delegated)},
            **{"STANDIN_PORT": str(self.port)},
        }
        port = str(found.get("port", "5432"))
        self.ports = {"MBS2_DB_PORT": port, "PGPORT": port}
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *program: str, **environment: str) -> subprocess.Popen[bytes]:
        control = self.controls[len(self.started) % 2]
        process = subprocess.Popen(
            [sys.executable, *program],
            cwd=self.code,
            env={**self.environment, **self.ports, "STANDIN_CONTROL_PORT": str(control), **environment},
            stderr=subprocess.DEVNULL,
        )
        self.started.append(process)
        return process

    def manage(self, *arguments: str, said: str = "") -> int:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.code,
            env=self.environment | self.ports,
            input=said.encode(),
            stderr=subprocess.DEVNULL,
        ).returncode

    def login(self, user: str, password: str) -> httpx.Response:
        end = time.monotonic() + 10
        while True:
            try:
                said = {"username": user, "password": password}
                return httpx.post(f"{self.url}/login", json=said, verify=False, trust_env=False)
            except httpx.ConnectError:
                assert time.monotonic() < end
                time.sleep(0.05)


@pytest.fixture
def containers(postgres, tmp_path: Path) -> Iterator[Containers]:
    url = postgres.empty()
    shutil.copytree(ROOT / "sandbox/images/mybookshelf/code", tmp_path / "code")
    made = Containers(tmp_path / "code", tmp_path / "data", url)
    yield made
    for process in made.started:
        process.terminate()
        process.wait(10)
    postgres.drop(url)


def test_an_installation_is_made_by_hand_and_then_takes_books(containers, tmp_path: Path):
    # As an installation does it: its own settings before those of the image.
    (containers.code / "settings.py").rename(containers.code / "image_settings.py")
    (containers.code / "settings.py").write_text("from image_settings import *\nMAX_CONTENT_LENGTH = 12345\n")
    containers.start("server.py", "VISIBLE", "NO_DEBUG")
    assert containers.login("admin", "admin").status_code == 500  # no tables yet
    assert containers.manage("create_tables", "-a", "-c") == 0
    assert "access_token" in containers.login("admin", "admin").json()
    assert containers.manage("change_password", "nobody", said="a\na\n") == 1
    assert containers.manage("change_password", "admin", said="a\nb\n") == 1
    assert containers.manage("change_password", "admin", said="new\nnew\n") == 0
    assert containers.login("admin", "admin").json() == {"error": "Invalid Login"}
    assert containers.manage("create_user", "me", "me@here", "--role", "admin", said="mine\nmine\n") == 0
    assert "error" in containers.login("user", "user").json()  # only tests have such a user

    containers.start("engine/backend.py", "--delegated-addr", "0.0.0.0")
    caller = Caller(containers, "me", "mine")
    _until_open(caller)
    caller.migrated(epub())
    assert caller.check(b"x", size=12346).json() == {"error": "file too big"}
    assert Steer(f"http://127.0.0.1:{containers.controls[0]}").ask("GET", "/facts")["sources"] == 1


def test_a_backend_without_its_database_ends_at_once(containers):
    # MBS2_DB_PORT is right and PGPORT is not, and PGPORT is what it looks at.
    process = containers.start("engine/backend.py", PGPORT="1")
    assert process.wait(10) != 0


def test_passwords_with_quotes_reach_the_database_as_they_are():
    settings = SimpleNamespace(DB_HOST="db", DB_NAME="ebooks", DB_USER="me", DB_PASSWORD="it's \\ odd")
    found = psycopg.conninfo.conninfo_to_dict(conninfo(settings, "5433"))
    assert (found["password"], found["port"]) == ("it's \\ odd", "5433")


def _until_open(caller: Caller) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            with caller.socket():
                return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)
