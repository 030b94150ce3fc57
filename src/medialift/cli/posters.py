"""`medialift posters`: pictures of Jellyfin into a folder, and back, in batches through the queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from medialift.cli import posters_shown as shown
from medialift.cli import session
from medialift.cli.session import Session, user_input
from medialift.errors import Permanent
from medialift.foundation.signals import stoppable
from medialift.foundation.units import parse_duration
from medialift.foundation.waiting import wait_until
from medialift.posters import checking, operations, working
from medialift.posters.enlisting import Which
from medialift.posters.names import IMAGES
from medialift.posters.selection import KINDS, Selection
from medialift.queueing.database import Database, of_worker

app = typer.Typer(
    no_args_is_help=True,
    help="Posters of Jellyfin: downloaded in bulk, replaced and put back, each kept before it is replaced.",
)
_WATCH_SECONDS = 1.0

Names = list[str] | None
Ids = Annotated[Names, typer.Option("--id", help="Only this item, by its id in Jellyfin; repeatable.")]
Image = Annotated[str, typer.Option(help=f"Kind of picture: {', '.join(IMAGES)}. The settings' without.")]
Connections = Annotated[
    str | None, typer.Option("--session", help="shared or per_request, for this batch alone.")
]
Interval = Annotated[str | None, typer.Option(help="Time between two requests, such as 500ms.")]
Concurrency = Annotated[int | None, typer.Option(min=1, max=64, help="Posters in flight at once.")]
Here = Annotated[bool, typer.Option("--here", help="Work here until all is done, without a service.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the batch is over.")]
Batch = Annotated[int | None, typer.Argument(help="Number of a batch; the newest without.")]


@app.command()
def download(
    context: typer.Context,
    library: Annotated[Names, typer.Option(help="A library, by name or id; repeatable.")] = None,
    search: Annotated[str, typer.Option(help="Only items whose title has this.")] = "",
    id: Ids = None,
    kind: Annotated[
        Names, typer.Option(help=f"Kind of item, repeatable; without: {', '.join(KINDS)}.")
    ] = None,
    image: Image = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace files that were changed here.")] = False,
    connections: Connections = None,
    interval: Interval = None,
    concurrency: Concurrency = None,
    here: Here = False,
    wait: Wait = False,
) -> None:
    """Begin to download the pictures of these items into posters.folder. What is there is skipped."""
    run = session.of(context)
    settings = run.settings
    with user_input():
        options = _options(connections, interval, concurrency)
        selection = Selection.of(libraries=library or (), search=search, ids=id or (), kinds=kind or ())
    done = operations.download(settings, selection, image=image, replace=replace, options=options)
    _go_on(run, done, here=here, wait=wait)


@app.command()
def upload(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Option("--from", help="Folder of pictures named `… [ID].jpg`; else its `upload`.")
    ] = None,
    id: Ids = None,
    image: Image = "",
    connections: Connections = None,
    interval: Interval = None,
    concurrency: Concurrency = None,
    here: Here = False,
    wait: Wait = False,
) -> None:
    """Begin to put a folder's pictures in the place of Jellyfin's. What is replaced is kept first."""
    run = session.of(context)
    settings = run.settings
    with user_input():
        options = _options(connections, interval, concurrency)
    done = operations.upload(settings, folder=folder, ids=id or (), image=image, options=options)
    for name, why in done["left"].items():
        run.face.note(f"{name} is left: {why}")
    _go_on(run, done, here=here, wait=wait)


@app.command()
def restore(
    context: typer.Context,
    batch: Annotated[int | None, typer.Option(help="Put back what this batch replaced.")] = None,
    id: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Put back all that was ever replaced.")] = False,
    last: Annotated[
        bool, typer.Option("--last", help="Of items: the picture that was replaced last, not the first.")
    ] = False,
    image: Image = "",
    connections: Connections = None,
    interval: Interval = None,
    concurrency: Concurrency = None,
    here: Here = False,
    wait: Wait = False,
) -> None:
    """Begin to put back pictures that were replaced; where there was none, none is again."""
    run = session.of(context)
    settings = run.settings
    which: Which = "last" if last else "first"
    with user_input():
        options = _options(connections, interval, concurrency)
        if sum(map(bool, (batch, id, every))) != 1:
            raise Permanent("Name --batch, --id or --all", "", "Just one of them")
    done = operations.restore(
        settings, batch=batch, ids=id or (), every=every, which=which, image=image, options=options
    )
    _go_on(run, done, here=here, wait=wait)


@app.command()
def status(
    context: typer.Context,
    batch: Batch = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, until nothing is left.")] = False,
) -> None:
    """How it stands: all of it, or one batch; counts, speed, time left, workers."""
    run = session.of(context)
    settings = run.settings
    if watch:
        _watched(run, lambda: operations.look(settings, batches_shown=1).finished)
    if batch is not None:
        one = operations.one_batch(settings, batch)
        run.face.result(one, lambda: shown.batch(run.face, one))
        return
    told = operations.look(settings).to_dict()
    run.face.result(told, lambda: shown.status(run.face, told))


@app.command()
def failed(
    context: typer.Context,
    batch: Annotated[int | None, typer.Argument(help="Number of a batch; all of them without.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 1000,
) -> None:
    """Items that failed, each with the reason, and its number for `retry`."""
    run = session.of(context)
    rows = operations.listing(run.settings, batch=batch, limit=limit)
    run.face.result(rows, lambda: shown.items(run.face, rows))


@app.command()
def retry(
    context: typer.Context,
    batch: Batch = None,
    item: Annotated[
        list[int] | None, typer.Option(help="Only this item of it, by the number that `failed` tells.")
    ] = None,
) -> None:
    """Take up again what failed or was cancelled in a batch: one item, or all."""
    run = session.of(context)
    done = operations.retry(run.settings, batch, items=item or ())
    run.face.result(done, lambda: run.face.line(f"{done['count']} are tried again"))


@app.command()
def cancel(context: typer.Context, batch: Batch = None) -> None:
    """Begin nothing more of a batch. What was done stays done; `retry` takes it up again."""
    run = session.of(context)
    done = operations.cancel(run.settings, batch)
    run.face.result(done, lambda: run.face.line(f"{done['count']} are off the list"))


@app.command()
def pause(
    context: typer.Context, why: Annotated[str, typer.Option(help="What is to be remembered about it.")] = ""
) -> None:
    """Hold all workers of posters. What is in flight is finished."""
    run = session.of(context)
    done = operations.pause(run.settings, why=why)
    run.face.result(done, lambda: run.face.line("paused" if done["changed"] else "it was paused already"))


@app.command()
def resume(context: typer.Context) -> None:
    """Let the workers go on, as after the key was corrected."""
    run = session.of(context)
    done = operations.resume(run.settings)
    run.face.result(done, lambda: run.face.line("resumed" if done["changed"] else "it was not paused"))


@app.command()
def libraries(context: typer.Context) -> None:
    """Jellyfin's libraries, with their ids."""
    run = session.of(context)
    rows = operations.libraries(run.settings)
    run.face.result(
        rows,
        lambda: run.face.table(
            ["name", "kind", "id"], [(one["name"], one["kind"] or "mixed", one["id"]) for one in rows]
        ),
    )


@app.command()
def check(
    context: typer.Context,
    id: Annotated[str | None, typer.Argument(help="An item: whether it and its picture are well.")] = None,
    image: Image = "",
) -> None:
    """Ask Jellyfin step by step, and look at the folder. Exit code 1 when something is wrong."""
    run = session.of(context)
    settings = run.settings.posters
    if id is None:
        told = checking.connection(settings)
    else:
        with user_input():
            told = checking.item(settings, id, image)
    run.face.result(told, lambda: shown.steps(run.face, told))
    if not told["ok"]:
        raise typer.Exit(session.FAILED)


@app.command()
def worker(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="Name of this worker, instead of workers.name.")] = "",
) -> None:
    """Be a worker until told to end: what the unit medialift-posters calls. SIGTERM drains."""
    run = session.of(context)
    settings = run.serve()
    name = name or working.name_here(settings)
    with Database.open(settings.database, name=of_worker(name)) as database:
        ended = working.work(settings, database, name)
    run.face.result(ended.to_dict(), lambda: run.face.note(f"{ended.why}: {ended.totals.items} pictures"))


def _options(connections: str | None, interval: str | None, concurrency: int | None) -> dict[str, Any]:
    return {
        "session": connections,
        "interval": None if interval is None else parse_duration(interval),
        "concurrency": concurrency,
    }


def _go_on(run: Session, done: dict[str, Any], *, here: bool, wait: bool) -> None:
    """Tell of a batch that was begun, or work or wait until it is over. Exit code 1 if something failed."""
    settings, number = run.settings, done["batch"]["id"]
    if here:
        with run.face.watching("Posters") as told:
            operations.run(settings, watch=lambda now: told(*shown.position(now)))
    elif wait:
        _watched(run, lambda: bool(operations.one_batch(settings, number)["finished"]))
    after = {**done, "batch": operations.one_batch(settings, number)}
    run.face.result(after, lambda: shown.batch(run.face, after["batch"]))
    if (here or wait) and after["batch"]["states"].get("failed"):
        raise typer.Exit(session.FAILED)
    if (here or wait) and not after["batch"]["finished"]:
        raise typer.Exit(session.TRANSIENT)


def _watched(run: Session, over: Callable[[], bool]) -> None:
    """Show how it goes until it is over, somebody pauses it, or Ctrl-C."""
    stop = Event()

    def look() -> bool:
        now = operations.look(run.settings, batches_shown=1)
        told(*shown.position(now))
        return over() or now.control.paused

    with run.face.watching("Posters") as told:
        stoppable(lambda: wait_until(look, at_most=1e9, every=_WATCH_SECONDS, stop=stop), stop)
