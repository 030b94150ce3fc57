"""`python -m sandbox.plextv --host H --port P --state FILE` runs the stand-in until SIGTERM.

`--host` may be given more than once; FILE may be a folder, then `plextv.json` in it is used.
"""

from __future__ import annotations

import argparse
import signal
import time
from pathlib import Path
from threading import Event, Thread

from sandbox.plex.web import Listener
from sandbox.plextv.api import Api
from sandbox.plextv.ledger import Ledger


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.plextv")
    parser.add_argument("--host", action="append", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    state = options.state / "plextv.json" if options.state.suffix != ".json" else options.state
    api = Api(Ledger(state, time.time))
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    listeners = [Listener((host, options.port), api.answer, "plex.tv") for host in options.host]
    for listener in listeners:
        Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    stopped.wait()
    for listener in listeners:
        listener.shutdown()
        listener.server_close()


if __name__ == "__main__":
    main()
