"""`python -m sandbox.audible --host 127.0.0.1 --port 8495`: serve until a signal comes."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from threading import Event

from sandbox.audible.editions import load
from sandbox.audible.server import StandIn, serve
from sandbox.settings import AUDIBLE_PORT


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.audible", description=__doc__)
    parser.add_argument("--host", action="append", help="an address to listen on; may be repeated")
    parser.add_argument("--port", type=int, default=AUDIBLE_PORT)
    parser.add_argument("--books", type=Path, help="JSON list of more books that it has")
    options = parser.parse_args()
    stand_in = StandIn()
    if options.books:
        stand_in.add(*load(options.books.read_text()))
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    servers = [serve(stand_in, host, options.port) for host in options.host or ["127.0.0.1"]]
    stop.wait()
    stand_in.lifted.set()
    for server in servers:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
