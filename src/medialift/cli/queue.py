"""`medialift queue`: the ledger and the queue of this installation, whatever is brought through them."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from medialift.books import metrics as books_metrics
from medialift.books import status as books_status
from medialift.cli import session
from medialift.cli.session import BadInput, Session
from medialift.foundation import atomic
from medialift.foundation.signals import stoppable
from medialift.foundation.units import format_duration, format_size
from medialift.healing import metrics as healing_metrics
from medialift.queueing import control, events, items, ledger, metrics, workers
from medialift.queueing.crew import AWAY
from medialift.queueing.database import Database
from medialift.queueing.items import ALL, Which
from medialift.queueing.schema import ITEM_STATES
from medialift.queueing.supervisor import Supervisor

_FIGURES_SECONDS = 60.0
_log = logging.getLogger(__name__)

app = typer.Typer(no_args_is_help=True, help="The ledger of what there is to do, and who does it.")

Queue = Annotated[str, typer.Argument(help="As `queue status` names it: books:calibre.")]
Keys = Annotated[list[str] | None, typer.Argument(help="Items, by their keys.")]
Kind = Annotated[str | None, typer.Option(help="All that failed by this kind of error.")]
Every = Annotated[bool, typer.Option("--all", help="All of them.")]
Why = Annotated[str, typer.Option(help="What is to be remembered about it.")]


@app.command()
def migrate(context: typer.Context) -> None:
    """Make the tables, or bring them to this version. All or nothing; again does no harm."""
    run = session.of(context)
    with Database.open(run.settings.database) as database:
        changed = database.migrate()
    run.face.result(
        {"changed": changed},
        lambda: run.face.line("the tables are new" if changed else "the tables are as they should be"),
    )


@app.command()
def supervise(
    context: typer.Context,
    metrics_file: Annotated[
        Path | None,
        typer.Option(help="Write figures for node_exporter every minute, to a name that ends in .prom."),
    ] = None,
) -> None:
    """Watch until told to end: what the unit medialift-queue-supervisor calls.

    Every 15 seconds it gives back what dead workers held, rings bells that nobody heard, closes stalled jobs
    and keeps the hours of the day. Several of them do no harm.
    """
    run = session.of(context)
    settings = run.serve()
    if metrics_file is not None and metrics_file.suffix != ".prom":
        raise BadInput("node_exporter reads files whose names end in .prom", str(metrics_file), "Name it so")
    stop = Event()
    with Database.open(settings.database) as database:
        supervisor = Supervisor(database, every=settings.workers.sweep, silence=settings.workers.lease)
        writer = Thread(target=_write_figures, args=(database, metrics_file, stop))
        if metrics_file is not None:
            writer.start()
        try:
            stoppable(lambda: supervisor.run(stop), stop)
        finally:
            stop.set()
            if metrics_file is not None:
                writer.join()


@app.command()
def status(
    context: typer.Context,
    figures: Annotated[bool, typer.Option("--metrics", help="As Prometheus reads it, instead.")] = False,
) -> None:
    """Every queue: its items by state, its speed, and what holds it up."""
    run = session.of(context)
    with _ledger(run) as connection:
        if figures:
            sys.stdout.write(metrics.exposition(connection).decode())
            return
        found = [_queue(connection, *queue) for queue in ledger.queues(connection)]
    run.face.result(
        found,
        lambda: run.face.table(
            ["queue", "items", "files left #", "per minute", "rests"],
            [
                (
                    one["queue"],
                    ", ".join(
                        f"{one['items'][state]} {state}" for state in ITEM_STATES if one["items"][state]
                    ),
                    one["items"]["files_left"],
                    f"{one['speed']['files']:.0f} files, {format_size(one['speed']['bytes'])}",
                    one["why"],
                )
                for one in found
            ],
        ),
    )


@app.command("workers")
def list_workers(context: typer.Context) -> None:
    """Every worker: where it is, what it does, when it last gave a sign of life."""
    run = session.of(context)
    with _ledger(run) as connection:
        found = workers.listed(connection)
    shown = (
        "name",
        "host",
        "pipeline",
        "collection",
        "pid",
        "state",
        "phase",
        "paused_why",
        "drain",
        "silence",
    )
    run.face.result(
        [
            {
                **{name: getattr(one, name) for name in shown},
                **{name: getattr(one, name) for name in ("items", "files", "bytes", "slow")},
                "started": one.started.isoformat(),
                "heartbeat": one.heartbeat.isoformat(),
                "last_progress": one.last_progress and one.last_progress.isoformat(),
                "settings": dict(one.settings),
            }
            for one in found
        ],
        lambda: run.face.table(
            ["worker", "queue", "state", "does", "items #", "files #", "size #", "silent for"],
            [
                (
                    one.name,
                    f"{one.pipeline}:{one.collection}",
                    one.state,
                    one.paused_why or one.phase,
                    one.items,
                    one.files,
                    format_size(one.bytes),
                    format_duration(one.silence),
                )
                for one in found
            ],
        ),
    )


@app.command()
def pause(context: typer.Context, queue: Queue, why: Why = "") -> None:
    """Have nothing more begun, on any host. What is in hand is finished."""
    run = session.of(context)
    with _ledger(run) as connection:
        changed = control.pause(connection, *_known(connection, queue), why=why)
    run.face.result(
        {"changed": changed}, lambda: run.face.line("paused" if changed else "it was paused already")
    )


@app.command()
def resume(context: typer.Context, queue: Queue) -> None:
    """Let it go on."""
    run = session.of(context)
    with _ledger(run) as connection:
        changed = control.resume(connection, *_known(connection, queue))
    run.face.result(
        {"changed": changed}, lambda: run.face.line("resumed" if changed else "it was not paused")
    )


@app.command()
def drain(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Name of a worker; without, all.")] = None,
) -> None:
    """Have workers finish what they have in hand, and end. systemd starts its own again."""
    run = session.of(context)
    with _ledger(run) as connection:
        asked = workers.drain(connection, name=name)
    run.face.result({"drained": asked}, lambda: run.face.line(", ".join(asked) or "no such worker runs"))


@app.command()
def retry(
    context: typer.Context, queue: Queue, keys: Keys = None, kind: Kind = None, every: Every = False
) -> None:
    """Make items that failed ready again, with all their attempts."""
    run = session.of(context)
    which = _which(keys, kind, every)
    with _ledger(run) as connection:
        of = _known(connection, queue)
        count = items.retry(connection, *of, which)
        _note(connection, "retry", queue, count, keys, kind)
    run.face.result({"count": count}, lambda: run.face.line(f"{count} items are tried again"))


@app.command()
def cancel(
    context: typer.Context,
    queue: Queue,
    keys: Keys = None,
    kind: Kind = None,
    every: Every = False,
    why: Why = "by hand",
) -> None:
    """Give up items that are not done."""
    run = session.of(context)
    which = _which(keys, kind, every)
    with _ledger(run) as connection:
        of = _known(connection, queue)
        count = items.cancel(connection, *of, which, why=why)
        _note(connection, "cancel", queue, count, keys, kind)
    run.face.result({"count": count}, lambda: run.face.line(f"{count} items are cancelled"))


@app.command("events")
def list_events(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 50,
) -> None:
    """Who changed what by hand, and what the supervisor did."""
    run = session.of(context)
    with _ledger(run) as connection:
        found = events.latest(connection, limit=limit)
    run.face.result(
        [
            {
                "at": one.at.isoformat(),
                "who": one.who,
                "what": one.what,
                "subject": one.subject,
                "before": one.before,
                "after": one.after,
            }
            for one in found
        ],
        lambda: run.face.table(
            ["when", "who", "what", "of", "after"],
            [
                (f"{one.at:%Y-%m-%d %H:%M:%S}", one.who, one.what, one.subject, dict(one.after or {}))
                for one in found
            ],
        ),
    )


def _write_figures(database: Database, path: Path, stop: Event) -> None:
    """Every minute, for a large ledger less often: a look at a million items takes seconds."""
    wait = 0.0
    while not stop.wait(wait):
        began = time.monotonic()
        try:
            with database.engine.connect() as connection:
                standing = [
                    books_status.status(connection, collection)
                    for pipeline, collection in ledger.queues(connection)
                    if pipeline == "books"
                ]
                told = metrics.exposition(connection) + healing_metrics.exposition(connection)
                atomic.write_bytes(path, told + books_metrics.text(standing))
        except (*AWAY, OSError) as error:  # the old file stays, and its age tells
            _log.warning("The figures could not be written: %s", error)
        wait = max(_FIGURES_SECONDS, 30 * (time.monotonic() - began))


@contextmanager
def _ledger(run: Session) -> Iterator[Connection]:
    with Database.open(run.settings.database) as database:
        database.check()
        with database.transaction() as connection:
            yield connection


def _known(connection: Connection, queue: str) -> tuple[str, str]:
    known = [f"{pipeline}:{collection}" for pipeline, collection in ledger.queues(connection)]
    if queue not in known:
        raise BadInput(
            "There is no such queue",
            queue,
            f"There are: {', '.join(known)}" if known else "Nothing was planned yet",
        )
    pipeline, _, collection = queue.partition(":")
    return pipeline, collection


def _which(keys: list[str] | None, kind: str | None, every: bool) -> Which:
    if sum(map(bool, (keys, kind, every))) != 1:
        raise BadInput("Name items, or a kind of error, or --all", "", "Exactly one of them")
    return Which.named(keys) if keys else Which(error_kind=kind) if kind else ALL


def _note(
    connection: Connection, what: str, queue: str, count: int, keys: list[str] | None, kind: str | None
) -> None:
    if count:
        after = {"items": count, "keys": keys, "kind": kind}
        events.record(connection, what=what, subject=queue, after=after)


def _queue(connection: Connection, pipeline: str, collection: str) -> dict[str, Any]:
    wanted = control.read(connection, pipeline, collection)
    speed = workers.speed(connection, pipeline, collection)
    return {
        "queue": f"{pipeline}:{collection}",
        "items": ledger.counts(connection, pipeline, collection).to_dict(),
        "speed": {"items": speed.items, "files": speed.files, "bytes": speed.bytes, "slow": speed.slow},
        "control": wanted.to_dict(),
        "why": wanted.why,
    }
