"""The doorbell: jobs of Procrastinate that only say that there is work. What work, the ledger knows.

A bell that rings twice, or once too often, does no harm: whoever comes and finds nothing to claim goes away.
One that is lost is rung again by the supervisor. So neither Procrastinate's locks nor its retries are used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

import psycopg
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.types import JSONDict
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from medialift.queueing.database import Database

TASK = "medialift.work"
TICK = "medialift.tick"
TICK_QUEUE = "medialift"
JOB_SIZE = 200
"""Items that one ring stands for."""
WINDOW = 8
"""Rings that wait at once, at most: the queue stays small however many items there are."""

# PostgreSQL cuts the name of a channel at 63 bytes, and Procrastinate puts its own words before the queue's.
_LONGEST_QUEUE = 63 - len("procrastinate_queue_v1#")
_POOL_SECONDS, _RECONNECT_SECONDS = 10.0, 60.0

# Never opened: it writes its jobs with the connection, and so in the transaction, of whoever rings.
_bell = App(connector=SyncPsycopgConnector())


def queue_of(pipeline: str, collection: str) -> str:
    """The queue that the workers of one pipeline and collection listen to, and no others."""
    name = f"{pipeline}:{collection}"
    if len(name.encode()) <= _LONGEST_QUEUE:
        return name
    return (
        f"{pipeline.encode()[:16].decode(errors='ignore')}:{hashlib.sha256(name.encode()).hexdigest()[:20]}"
    )


def app_of(database: Database, work: Callable[[], Awaitable[None]] | None = None) -> App:
    """Procrastinate's app on the ledger's database; open it before it is used.

    Args:
        work: what to do when the bell rings; without it, the app can only be looked into.
    """
    app = App(
        connector=PsycopgConnector(
            conninfo=database.conninfo,
            min_size=1,
            max_size=4,
            timeout=_POOL_SECONDS,
            reconnect_timeout=_RECONNECT_SECONDS,
        )
    )

    @app.task(name=TASK)
    async def answer(pipeline: str, collection: str) -> None:  # noqa: ARG001 - whose bell it is, for people
        if work is not None:
            await work()

    # An app without periodic tasks stops supervising its own heartbeat: measured, procrastinate 3.10.
    @app.periodic(cron="0 * * * *")
    @app.task(name=TICK, queue=TICK_QUEUE)
    async def tick(timestamp: int) -> None:  # noqa: ARG001 - the signature is Procrastinate's
        return None

    return app


_ALONE = text("select pg_try_advisory_xact_lock(hashtextextended('ring:' || :queue, 0))")
_MISSING = text(
    """
select least(ceil(count(*) / cast(:size as numeric)), :window) - (
         select count(*) from procrastinate_jobs where queue_name = :queue and status = 'todo')
  from (select from item
         where pipeline = :pipeline and collection = :collection and state = 'ready' and not_before <= now()
           and not exists (select from control c where c.pipeline = :pipeline and c.collection = :collection
                              and (c.paused or c.closed))
         limit :size * :window) ready
"""
)


def ring(
    connection: Connection,
    pipeline: str,
    collection: str,
    *,
    window: int = WINDOW,
    job_size: int = JOB_SIZE,
) -> int:
    """Let as many jobs wait as there are `job_size` items ready, at most `window`; how many were added.

    It is part of the caller's transaction: make it the last of it. Does nothing while another rings.
    """
    queue = queue_of(pipeline, collection)
    if not connection.execute(_ALONE, {"queue": queue}).scalar_one():
        return 0
    given = {"pipeline": pipeline, "collection": collection, "queue": queue}
    missing = int(connection.execute(_MISSING, {**given, "size": job_size, "window": window}).scalar_one())
    if missing > 0:
        job: JSONDict = {"pipeline": pipeline, "collection": collection}
        driver = connection.connection.driver_connection
        try:
            _bell.configure_task(TASK, queue=queue, connection=driver).batch_defer(*([job] * missing))
        except ConnectorException as error:
            # A database that went away looks the same to the caller whichever statement it was.
            if isinstance(error.__cause__, psycopg.OperationalError):
                raise OperationalError("ring", None, error.__cause__) from error
            raise
    return max(0, missing)
