"""/health and /metrics of the service, answered from a thread of its own also while books are converted.

/health: 200 when all that is needed is there, else 503, with `Health.to_dict`. /health/live: 200 as long as
the service itself goes on. /metrics: Prometheus' text format.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread

from aiohttp import web

from medialift.audiobooks.health import Health
from medialift.errors import Permanent
from medialift.queueing.crew import AWAY, gone

_log = logging.getLogger(__name__)
_START_SECONDS, _STOP_SECONDS = 10.0, 5.0


class Answering:
    """A small server; `start` and `stop` it from anywhere.

    Args:
        look: how it is; it may take seconds.
        metrics: the figures; raises what SQLAlchemy does when the database is away.
    """

    def __init__(
        self,
        host: str,
        port: int,
        look: Callable[[], Health],
        live: Callable[[], bool],
        metrics: Callable[[], bytes],
    ) -> None:
        self._host, self._port = host, port
        self._look, self._live, self._metrics = look, live, metrics
        self._loop = asyncio.new_event_loop()
        self._began: Future[int] = Future()
        self._thread = Thread(target=self._run, name="health", daemon=True)

    def start(self) -> int:
        """Listen; the port.

        Raises:
            Permanent: the port is taken, or is not ours to take.
        """
        self._thread.start()
        try:
            return self._began.result(_START_SECONDS)
        except OSError as error:
            raise Permanent(
                "The port of /health cannot be used",
                f"{self._host}:{self._port}: {error.strerror or error}",
                "Change audiobooks.health_port; 0 serves none",
            ) from error

    def stop(self) -> None:
        """Answer nobody any more."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/health/live", self._alive)
        app.router.add_get("/metrics", self._figures)
        runner = web.AppRunner(app, access_log=None)
        try:
            self._loop.run_until_complete(self._listen(runner))
            self._loop.run_forever()
        except Exception as error:
            if self._began.done():
                _log.exception("/health is not served any more")
            else:
                self._began.set_exception(error)
        finally:
            self._loop.run_until_complete(runner.cleanup())
            self._loop.close()

    async def _listen(self, runner: web.AppRunner) -> None:
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._port)
        await site.start()
        self._began.set_result(int(runner.addresses[0][1]))

    async def _health(self, _request: web.Request) -> web.Response:
        found = await asyncio.to_thread(self._look)
        return web.json_response(found.to_dict(), status=200 if found.ready else 503)

    async def _alive(self, _request: web.Request) -> web.Response:
        live = self._live()
        return web.json_response({"live": live}, status=200 if live else 503)

    async def _figures(self, _request: web.Request) -> web.Response:
        try:
            told = await asyncio.to_thread(self._metrics)
        except AWAY as error:
            return web.Response(text=f"{gone(error)}\n", status=503)
        return web.Response(body=told, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
