"""The stand-in for a test or a benchmark: a process of its own, its addresses, and its switches."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
_START_AT_MOST = 30.0


class Steer:
    """The switches, faults and counters of a running stand-in; see switches.py for what they mean."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, method: str, path: str = "", body: Any = None) -> Any:
        """One request to /control.

        Raises:
            ValueError: it does not know what was asked for.
            OSError: it does not answer.
        """
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self._url}/control{path}", content, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from error

    def set(self, **switches: Any) -> None:
        self.ask("PATCH", body=switches)

    def fault(self, kind: str, match: str = "", **more: Any) -> None:
        """Switch a fault on; `match` is a regular expression on "METHOD path" or "TASK name file"."""
        self.ask("POST", "/faults", {"kind": kind, "match": match, **more})

    def lift(self) -> None:
        """Lift all faults."""
        self.ask("DELETE", "/faults")

    def expire_tokens(self) -> None:
        self.ask("POST", "/expire-tokens")

    def cut_sockets(self) -> int:
        """Cut all open WebSockets; how many there were."""
        return int(self.ask("POST", "/cut-sockets")["cut"])

    def requests(self) -> dict[str, int]:
        """How often each "METHOD route" and "TASK name" was asked for."""
        return dict(self.ask("GET")["requests"])

    def most_in_flight(self) -> int:
        return int(self.ask("GET")["most_in_flight"])


class Standin:
    """A stand-in: it may be stopped, killed, frozen, and started again at the same addresses."""

    user = "admin"
    password = "admin"

    def __init__(self, folder: Path, database: str = "", **switches: Any) -> None:
        self.data = folder
        self.port, self.ws_port, self._control = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.ws_port}/ws"
        self.switches = Steer(f"http://127.0.0.1:{self._control}")
        self._usual = switches
        self._database = database
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, with what is in its folder.

        Raises:
            RuntimeError: it did not begin to listen.
        """
        listening, tell = os.pipe()
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MBS2_")}
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sandbox.mybookshelf", "--data", str(self.data)),
                *("--port", str(self.port), "--ws-port", str(self.ws_port)),
                *("--control-port", str(self._control), "--ready-fd", str(tell)),
                *("--switches", json.dumps(self._usual)),
            ],
            cwd=ROOT,
            env=environment | ({"MBS2_DB_URI": self._database} if self._database else {}),
            pass_fds=[tell],
            stdout=subprocess.DEVNULL,
        )
        os.close(tell)
        closed, _, _ = select.select([listening], [], [], _START_AT_MOST)
        os.close(listening)
        if not closed or self.process.poll() is not None:
            self.kill()
            raise RuntimeError(f"the stand-in did not start: {self.process}")

    def stop(self) -> None:
        """End it in order; what it has is kept."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It holds its ports and answers nothing, until `thaw`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def facts(self) -> dict[str, int]:
        """What is in it: see facts.py for the names."""
        return dict(self.switches.ask("GET", "/facts"))

    def books(self) -> list[dict[str, Any]]:
        """All books with authors and sources."""
        return list(self.switches.ask("GET", "/books"))

    def seed(self, books: int) -> None:
        """Have so many books more, each with a source of known content: see seeding.py."""
        self.switches.ask("POST", "/seed", {"books": books})

    def empty(self) -> None:
        """As fresh, with the switches it was started with."""
        self.switches.ask("POST", "/empty")

    def _end(self, number: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(number)
        if number != signal.SIGKILL:
            self.process.send_signal(signal.SIGCONT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


@contextmanager
def running(folder: Path, database: str = "", **switches: Any) -> Iterator[Standin]:
    """A stand-in that ends with the block.

    Args:
        folder: its DATA; it may be there from before.
        database: a PostgreSQL conninfo; without, everything is in the folder.
        switches: see switches.py.
    """
    standin = Standin(folder, database, **switches)
    try:
        yield standin
    finally:
        standin.stop()
