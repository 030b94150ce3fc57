"""`python -m sandbox.mybookshelf --data DIR`: serve until a signal comes.

`--only app` and `--only backend` serve half of it, as the real server's two containers do; the halves then
share the folder and the PostgreSQL that MBS2_DB_URI names. What the containers run is in container.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from pathlib import Path

from .server import SECRET
from .serving import Wanted, serve
from .store import DatabaseFault


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.mybookshelf", description=__doc__)
    environment = os.environ
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6006, help="of the app")
    parser.add_argument("--ws-port", type=int, default=int(environment.get("MBS2_WS_PORT") or 8080))
    parser.add_argument("--control-port", type=int, default=6007, help="of /control")
    parser.add_argument("--delegated-port", type=int, default=None)
    parser.add_argument("--data", type=Path, default=Path(environment.get("MBS2_DATA_DIR") or "data"))
    parser.add_argument("--only", choices=("app", "backend"))
    parser.add_argument("--switches", type=json.loads, default={}, help="JSON, see switches.py")
    parser.add_argument("--ready-fd", type=int, default=None, help="closed when all ports listen")
    parser.add_argument("--verbose", action="store_true", help="log why a request ended in 500")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING)
    wanted = Wanted(
        data=options.data,
        host=options.host,
        app=options.port if options.only != "backend" else None,
        backend=options.ws_port if options.only != "app" else None,
        control=options.control_port,
        delegated=options.delegated_port,
        database=environment.get("MBS2_DB_URI", ""),
        secret=environment.get("MBS2_SECRET_KEY") or SECRET,
        switches=options.switches,
    )

    def ready() -> None:
        if options.ready_fd is not None:
            os.close(options.ready_fd)

    try:
        asyncio.run(serve(wanted, ready))
    except (DatabaseFault, OSError) as error:
        sys.exit(str(error))


main()
