"""One process of the stand-in: the app, the backend, or both, each on its port, and control on a third."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from .catalogue import Catalogue
from .control import Control
from .ebooks import Ebooks
from .login import Login
from .server import SECRET, Server, attended
from .sockets import Sockets
from .sources import Sources
from .store import SqliteStore, Store
from .switches import Steering, Switches
from .tasks import Tasks
from .tokens import Tokens
from .uploads import Uploads


@dataclass(frozen=True)
class Wanted:
    """What to serve.

    Args:
        ports: of the app, the backend and the control; None leaves that part out.
        database: a PostgreSQL conninfo; "" keeps everything in a file in `data`.
        make_tables: whether a database without tables is given them; else every request ends in 500.
        delegated: the port of the backend's raw socket, which takes connections and closes them.
    """

    data: Path
    host: str = "127.0.0.1"
    app: int | None = 6006
    backend: int | None = 8080
    control: int | None = 6007
    delegated: int | None = None
    database: str = ""
    make_tables: bool = True
    secret: str = SECRET
    switches: dict[str, object] | None = None


def _store(wanted: Wanted) -> Store:
    if not wanted.database:
        return SqliteStore(wanted.data / "mybookshelf2.db")
    from .postgres import PostgresStore  # a third of a second that tests do not need

    return PostgresStore(wanted.database)


async def serve(wanted: Wanted, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called when all ports listen.

    Raises:
        DatabaseFault: the database cannot be reached.
        OSError: a port is taken.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    wanted.data.mkdir(parents=True, exist_ok=True)
    usual = wanted.switches or {}
    switches = Switches()
    switches.change(usual)
    server = Server(_store(wanted), wanted.data, Steering(switches), Tokens(wanted.secret))
    if wanted.make_tables:
        await server.store.open()
    elif wanted.backend is not None:
        await server.store.rows("select 1")  # without a database the backend gives up at once
    tasks = Tasks(server)
    tasks.start()
    sockets = Sockets(server, tasks)
    runners = []
    if wanted.app is not None:
        parts = (Login(server), Uploads(server), Ebooks(server), Sources(server), Catalogue(server))
        routes = [route for part in parts for route in part.routes()]
        runners.append(await _listen(wanted, wanted.app, routes, attended(server, one_at_a_time=True)))
    if wanted.backend is not None:
        middleware = attended(server, one_at_a_time=False)
        runners.append(await _listen(wanted, wanted.backend, sockets.routes(), middleware))
    if wanted.control is not None:
        control = Control(server, sockets if wanted.backend is not None else None, usual)
        runners.append(await _listen(wanted, wanted.control, control.routes(), None))
    if wanted.delegated is not None:
        await asyncio.start_server(lambda _reader, writer: writer.close(), wanted.host, wanted.delegated)
    ready()
    await stop.wait()
    server.steering.lift()
    sockets.cut_all()
    # A request that is still in hand is cut off with the process.
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*(runner.cleanup() for runner in runners)), 0.5)
    await tasks.stop()
    await server.store.close()


async def _listen(wanted: Wanted, port: int, routes: list[web.RouteDef], middleware: Any) -> web.AppRunner:
    # Uploads count their own size; what is read whole is no more than a body of JSON.
    app = web.Application(middlewares=[middleware] if middleware else [], client_max_size=64 * 1024 * 1024)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, wanted.host, port, reuse_address=True).start()
    return runner
