"""Many processes on one ledger: each item is claimed by one of them, and a bell is heard at once."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from medialift.foundation.waiting import wait_until
from medialift.queueing import doorbell
from medialift.queueing.claims import claim, finish
from medialift.queueing.database import Database
from medialift.queueing.readiness import notify
from tests.queue_scene import ROOT, Scene
from tests.queue_worker import make_table
from tests.queue_world import Books

ITEMS = 4000


def claim_all(url: str, name: str, ready: Any, results: Any) -> None:
    with Database(url) as database:
        database.check()
        ready.wait()
        taken = []
        while True:
            with database.engine.begin() as connection:
                leases = claim(
                    connection, pipeline="books", collection="calibre", owner=name, limit=50, ttl=60
                )
                for lease in leases:
                    assert finish(connection, lease, "done")
            if not leases:
                break
            taken += [lease.key for lease in leases]
        results.put(taken)


def test_four_processes_that_claim_at_once_never_get_the_same_item(ledger_url: str) -> None:
    with Database(ledger_url) as database:
        Books(database).add_many(ITEMS)
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(4), context.Queue()
    processes = [
        context.Process(target=claim_all, args=(ledger_url, f"w{number}", ready, results))
        for number in range(4)
    ]
    for process in processes:
        process.start()
    taken = [key for _ in processes for key in results.get(timeout=60)]
    for process in processes:
        process.join()
    assert len(taken) == len(set(taken)) == ITEMS


@pytest.fixture
def idle(ledger_url: str, tmp_path: Path):
    """A worker that has nothing to do and looks by itself only once a minute."""
    made = Scene(ledger_url, tmp_path, 0)
    made.start("one", seconds_per_item=0.01, poll=60)
    yield made
    made.close()


def test_a_bell_is_heard_at_once_by_a_worker_that_waits(idle: Scene) -> None:
    idle.wait(lambda: "Starting worker" in idle.log("one"))
    time.sleep(0.5)  # its first look by itself is over
    began = time.monotonic()
    with idle.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into item (pipeline, collection, key) values ('books', 'calibre', '1')"
        )
        assert doorbell.ring(connection, "books", "calibre") == 1
    idle.wait_for(1, at_most=30)
    assert time.monotonic() - began < 20  # by itself it looks once a minute


def test_a_worker_that_is_bounded_ends_by_itself_and_finishes_what_a_dead_one_left(
    ledger_url: str, tmp_path: Path
) -> None:
    scene = Scene(ledger_url, tmp_path, 30)
    try:
        scene.start("dead", seconds_per_item=60)
        scene.wait(lambda: "began" in scene.said("dead"))
        scene.workers["dead"].kill()
        scene.workers["dead"].wait()
        # No supervisor is there: the bounded worker brings its own.
        last = scene.start("last", seconds_per_item=0.01, sweep=0.5, until_done=True)
        assert last.wait(60) == 0, scene.told()
        assert scene.said("last").splitlines()[-1] == "ended done 30"
        assert scene.all_is_done_once()
    finally:
        scene.close()


def test_systemd_is_told_that_a_worker_is_ready_lives_and_stops(ledger_url: str, tmp_path: Path) -> None:
    make_table(ledger_url)
    with Database(ledger_url) as database:
        Books(database).add_many(20)
    address = f"\0medialift-test-{os.getpid()}-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(20)
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.queue_worker", ledger_url, "one", "--until-done"),
                *(f"--log={tmp_path / 'log'}", "--seconds-per-item=0.2"),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "NOTIFY_SOCKET": address.replace("\0", "@")},
        )
        assert worker.wait(60) == 0
        systemd.setblocking(False)
        told: list[str] = []
        while wait_until(lambda: hears(systemd, told), at_most=0.2, every=0.05):
            pass
    assert "READY=1" in told and told[-1] == "STOPPING=1"
    assert any(one.startswith("WATCHDOG=1\nSTATUS=") for one in told)


def hears(socket_: socket.socket, told: list[str]) -> bool:
    try:
        told.append(socket_.recv(4096).decode())
    except BlockingIOError:
        return False
    return True


def test_without_systemd_nobody_is_told() -> None:
    assert notify("READY=1", {}) is False
    assert notify("READY=1", {"NOTIFY_SOCKET": "/nobody/listens"}) is False
