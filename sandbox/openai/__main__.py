"""`python -m sandbox.openai --host 127.0.0.1 --port 8490`: serve until a signal comes."""

from __future__ import annotations

import argparse
import signal
from threading import Event

from sandbox.openai.server import StandIn, serve
from sandbox.settings import MODEL_PORT


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.openai", description=__doc__)
    parser.add_argument("--host", action="append", help="an address to listen on; may be repeated")
    parser.add_argument("--port", type=int, default=MODEL_PORT)
    parser.add_argument("--usual", default="sensible", help="the script that answers when none is told")
    options = parser.parse_args()
    stand_in = StandIn()
    stand_in.play(usual=options.usual)
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
