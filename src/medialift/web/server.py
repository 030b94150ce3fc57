"""The dashboard as a service: listens, answers, and ends without cutting anybody off."""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from fastapi import FastAPI

from medialift.errors import Permanent
from medialift.foundation.waiting import wait_until
from medialift.queueing.database import Database
from medialift.queueing.readiness import notify
from medialift.settings import Settings
from medialift.web import app, totals
from medialift.web.access import opening
from medialift.web.live import Live

_log = logging.getLogger(__name__)
_GRACE_SECONDS = 10
_START_SECONDS = 30.0
_ALIVE_SECONDS = 15


def run(settings: Settings) -> None:
    """Serve until told to end (SIGTERM, SIGINT). To be called in the main thread.

    Raises:
        Permanent: the port is taken, or is not ours to take; or nobody can log in, and it would be reached
            from other hosts.
    """
    with Database.open(settings.database, name="medialift dashboard") as database:
        database.migrate()
        known = _check(settings, database)
        with _listening(settings) as listening:
            _log.info("The dashboard is at %s", _address(settings, listening))
            if not known:
                _log.warning(
                    "Nobody is set up yet: whoever is on this host may do everything, and nobody else "
                    "anything. Add a person with `medialift dashboard person add NAME --scope admin`"
                )
            application = app.create(settings, database)
            # Counting a large ledger takes seconds: who comes first need not wait for it.
            Thread(
                target=totals.warm, args=(application.state.context,), name="counting", daemon=True
            ).start()
            _server(application, alive=_alive).run([listening])


@contextmanager
def serving(settings: Settings, database: Database) -> Iterator[str]:
    """A dashboard in a thread of this process; its address."""
    _check(settings, database)
    with _listening(settings) as listening:
        server = _server(app.create(settings, database))
        thread = Thread(target=server.run, args=([listening],), name="dashboard", daemon=True)
        thread.start()
        try:
            if not wait_until(lambda: server.started, at_most=_START_SECONDS, every=0.01):
                raise Permanent("The dashboard does not start", str(listening.getsockname()))
            yield _address(settings, listening)
        finally:
            server.should_exit = True
            thread.join(_GRACE_SECONDS * 2)


def _check(settings: Settings, database: Database) -> bool:
    """Refuse what is unsafe; whether it was said who may use it."""
    with database.engine.connect() as connection:
        opening.check(connection, settings.dashboard)
        return opening.settled(connection)


def _address(settings: Settings, listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}{settings.dashboard.base_path}"


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    host, port = settings.dashboard.host, settings.dashboard.port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        raise Permanent(
            "The dashboard cannot listen there",
            f"{host}:{port}: {error.strerror or error}",
            "Change dashboard.host or dashboard.port",
        ) from error
    with listening:
        yield listening


class _Server(uvicorn.Server):
    """One whose listeners are told to go before it waits for everybody to have been answered."""

    def __init__(self, config: uvicorn.Config, application: FastAPI) -> None:
        super().__init__(config)
        self._live: Live = application.state.live

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._live.close()
        await super().shutdown(sockets)


async def _alive() -> None:
    """Tell systemd that it answers: for the first time when it begins to."""
    notify("READY=1\nWATCHDOG=1")


def _server(application: FastAPI, alive: Callable[[], Awaitable[None]] | None = None) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            # Whom to believe is decided by settings of ours.
            proxy_headers=False,
            forwarded_allow_ips="",
            timeout_graceful_shutdown=_GRACE_SECONDS,
            lifespan="on",
            callback_notify=alive,
            timeout_notify=_ALIVE_SECONDS,
        ),
        application,
    )
