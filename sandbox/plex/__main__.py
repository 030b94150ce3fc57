"""Run the server as an installed Plex: `python -m sandbox.plex`. Settings come from the environment.

STANDIN_DATA             Plex's data folder
STANDIN_VERSION          the build it is; with it the generation of triggers and the newest schema it opens
STANDIN_TRIGGERS         old or new: that generation, whatever the version
STANDIN_HOST, _PORT      where the API answers (0.0.0.0, 32400)
STANDIN_CONTROL_PORT     where switches are set (32499; 0: nowhere)
STANDIN_PLEX_TV          base address of plex.tv
STANDIN_PACE             factor on a real server's waits (0.1)
STANDIN_SWITCHES         JSON object of switches to begin with
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from threading import Event, Thread
from types import FrameType

from sandbox.plex import schema
from sandbox.plex.api import Api
from sandbox.plex.control import Control
from sandbox.plex.library import DatabaseRefusedError
from sandbox.plex.pace import Pace
from sandbox.plex.server import MediaServer, Settings
from sandbox.plex.switches import Switches
from sandbox.plex.web import Listener

DATA = "/config/Library/Application Support/Plex Media Server"


TRIGGERS: dict[str, schema.Triggers | None] = {"": None, "old": "old", "new": "new"}


def main() -> int:
    environment = os.environ
    settings = Settings(
        data=Path(environment.get("STANDIN_DATA", DATA)),
        version=environment.get("STANDIN_VERSION", schema.NEW_VERSION),
        plex_tv=environment.get("STANDIN_PLEX_TV", "http://172.30.77.1:8480").rstrip("/"),
        triggers=TRIGGERS[environment.get("STANDIN_TRIGGERS", "")],
        pace=Pace(float(environment.get("STANDIN_PACE", "0.1"))),
    )
    switches = Switches()
    switches.set(json.loads(environment.get("STANDIN_SWITCHES") or "{}"))
    stopped = Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        server = MediaServer(settings, switches)
    except DatabaseRefusedError as refused:
        sys.stderr.write(f"ERROR - The library cannot be opened: {refused}\n")
        return 1
    host = environment.get("STANDIN_HOST", "0.0.0.0")
    listeners = [Listener((host, int(environment.get("STANDIN_PORT", "32400"))), Api(server).answer)]
    control_port = int(environment.get("STANDIN_CONTROL_PORT", "32499"))
    if control_port:
        listeners.append(Listener((host, control_port), Control(server).answer))
    for listener in listeners:
        Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    server.start()
    stopped.wait()
    for listener in listeners:
        listener.shutdown()
        listener.server_close()
    server.stop()
    sys.stdout.flush()
    # Threads stuck in a read of a hung mount must not keep a stopped server alive.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
