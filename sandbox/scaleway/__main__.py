"""`python -m sandbox.scaleway --host 127.0.0.1 --port 8474 --state DIR`: serve until a signal comes."""

from __future__ import annotations

import argparse
import logging
import signal
import threading
from pathlib import Path

from sandbox.settings import SCALEWAY_PORT, Settings

from .boot import MachineBoot
from .server import StandIn, serve


def main() -> None:
    settings = Settings.load()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", action="append", help="an address to listen on; may be repeated")
    parser.add_argument("--port", type=int, default=SCALEWAY_PORT)
    parser.add_argument("--state", type=Path, default=settings.state / "scaleway")
    parser.add_argument(
        "--delay", type=float, default=1.0, help="seconds that a server takes to change state"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stand_in = StandIn(options.state, MachineBoot(settings), delay=options.delay, settings=settings)
    servers = [serve(stand_in, host, options.port) for host in options.host or ["127.0.0.1"]]
    stop.wait()
    for server in servers:
        server.shutdown()


main()
