"""`medialift healing`: workers that get stuck are noticed and repaired, or stopped and reported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import Annotated, Any

import typer

from medialift.cli import session
from medialift.cli.face import Face
from medialift.cli.session import Session
from medialift.foundation.signals import stoppable
from medialift.foundation.units import format_duration
from medialift.healing import assembly, operations, reverting
from medialift.healing import metrics as figures
from medialift.healing.history import What
from medialift.healing.loop import Loop
from medialift.healing.standing import Here, opened

app = typer.Typer(
    no_args_is_help=True,
    help="The workers of this host: watched, repaired when they are stuck, or stopped and reported.",
)

Names = Annotated[list[str] | None, typer.Argument(help="As `healing status` names them; without, all.")]
OnePipeline = Annotated[str, typer.Option("--pipeline", help="Of this pipeline only.")]
Why = Annotated[str, typer.Option(help="What is to be remembered about it.")]
Check = Annotated[bool, typer.Option(help="Only tell what would be done.")]


@app.command()
def watch(context: typer.Context) -> None:
    """Make rounds until told to end: what the unit medialift-healing runs."""
    run = session.of(context)
    settings = run.serve()
    stop = Event()
    with opened(given=settings) as found:
        here = replace(found, fleet_of=assembly.fleets(stop))
        model = assembly.adviser(settings, here.database, stop)
        loop = Loop(assembly.healer(here, stop=stop, model=model), stop)
        stoppable(loop.run, stop)


@app.command("round")
def one_round(context: typer.Context) -> None:
    """Make one round now, in the foreground. It can take minutes: workers are drained."""
    run = session.of(context)
    stop = Event()
    with opened(given=run.settings) as found:
        here = replace(found, fleet_of=assembly.fleets(stop))
        model = assembly.adviser(run.settings, here.database, stop)
        done = stoppable(assembly.healer(here, stop=stop, model=model).round, stop)
    told = {"idle": done.idle, "workers": done.workers, "stuck": done.stuck, "touched": done.touched}

    def show() -> None:
        run.face.line(done.idle or f"{done.workers} workers, {len(done.stuck)} stuck")
        for name in done.touched:
            run.face.line(f"touched: {name} (healing history --worker {name})")

    run.face.result({**told, "errors": list(done.errors)}, show)
    for error in done.errors:
        run.face.note(error)
    if done.errors:
        raise typer.Exit(session.FAILED)


@app.command()
def status(context: typer.Context, pipeline: OnePipeline = "") -> None:
    """How each worker of this host stands. Exit code 1 when one is stuck or paused."""
    run = session.of(context)
    with _here(run) as here:
        found = operations.info(here, pipeline=pipeline)
    run.face.result(found, lambda: _show(run.face, found))
    if found["stuck"] or found["paused"]:
        raise typer.Exit(session.FAILED)


@app.command()
def history(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 50,
    worker: Annotated[str, typer.Option(help="Of this worker only.")] = "",
    pipeline: OnePipeline = "",
    what: Annotated[
        str,
        typer.Option(help=f"Only these: {', '.join(What)}."),
    ] = "",
    host: Annotated[str, typer.Option(help="Of this host's workers only.")] = "",
    before: Annotated[int | None, typer.Option(help="Older than the entry with this id.")] = None,
    evidence: Annotated[bool, typer.Option(help="With what explains each, and not only a line.")] = False,
) -> None:
    """What was found, decided and done on all hosts, the newest first. With --json, all that explains it."""
    run = session.of(context)
    with _here(run) as here:
        found = operations.told(
            here, limit=limit, worker=worker, pipeline=pipeline, what=what, host=host, before=before
        )

    def show() -> None:
        for one in found["entries"]:
            run.face.line(one["sentence"])
            for name, value in one["detail"].items() if evidence else ():
                run.face.line(f"    {name}: {value}")
        if not found["entries"]:
            run.face.line("Nothing was found yet")

    run.face.result(found["entries"], show)


@app.command()
def release(context: typer.Context, names: Names = None, check: Check = False) -> None:
    """Let paused workers run again, with all their attempts."""
    run = session.of(context)
    with _here(run) as here:
        done = operations.release(here, names or (), check=check)
    said = ", ".join(done["released"]) or "No worker is paused"
    run.face.result(done, lambda: run.face.line(said))


@app.command()
def pause(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(help="As `healing status` names them.")],
    why: Why = "",
    check: Check = False,
) -> None:
    """Drain workers that are not to run until they are released."""
    run = session.of(context)
    with _here(run) as here:
        done = operations.pause(here, names, why=why, check=check)
    run.face.result(done, lambda: _lines(run.face, done["workers"]))


@app.command()
def scale(
    context: typer.Context,
    pipeline: Annotated[str, typer.Argument(help="The pipeline, such as books.")],
    count: Annotated[int, typer.Argument(min=0, help="How many workers this host is to have.")],
    why: Why = "",
    check: Check = False,
) -> None:
    """Have more workers here, or fewer: the highest are drained first."""
    run = session.of(context)
    with _here(run) as here:
        done = operations.scale(here, pipeline, count, why=why, check=check)
    run.face.result(done, lambda: _lines(run.face, done["workers"]))


@app.command()
def revert(context: typer.Context, why: Why = "", check: Check = False) -> None:
    """Take back the edit of the code that is in use, or on trial; its workers are restarted without it."""
    run = session.of(context)
    with _here(run) as here:
        done = reverting.revert(here, why=why, check=check)

    def show() -> None:
        fix = done["fix"]
        if fix is None:
            run.face.line("No edit of the code is in use")
            return
        run.face.line(f"edit {fix['number']} of {fix['module']}: {fix['state']} ({fix['why']})")
        if done["restarted"]:
            run.face.line(f"restarted: {', '.join(done['restarted'])}")

    run.face.result(done, show)


@app.command()
def metrics(context: typer.Context) -> None:
    """The figures of the healing, as Prometheus reads them."""
    run = session.of(context)
    with _here(run) as here, here.transaction() as connection:
        sys.stdout.write(figures.exposition(connection).decode())


@contextmanager
def _here(run: Session) -> Iterator[Here]:
    with opened(given=run.settings) as here:
        yield here


def _show(face: Face, found: dict[str, Any]) -> None:
    if not found["enabled"]:
        face.line("The healing is switched off: healing.enabled")
    elif not found["repair"]:
        face.line("Nothing is repaired, only told: healing.repair")
    last = found["round"]
    face.line(
        f"The last round was {format_duration(last['age'])} ago" + (f": {last['why']}" if last["why"] else "")
        if last
        else "No round was made on this host yet"
    )
    rows = [
        (
            one["name"],
            one["state"],
            one["phase"],
            one["items"],
            one["files"],
            "" if one["idle"] is None else format_duration(one["idle"]),
            one["attempts"],
            one["why"],
        )
        for one in found["workers"]
    ]
    if rows:
        face.table(
            ["worker", "is", "does", "items #", "files #", "progress ago", "attempts #", "why"],
            rows,
        )
    else:
        face.line("There is no worker on this host")
    for size in found["sizes"]:
        if size["target"] is not None:
            face.line(
                f"{size['pipeline']}: {size['running']} of {size['target']} workers run"
                + (f" ({size['why']})" if size["why"] else "")
            )


def _lines(face: Face, workers: list[dict[str, Any]]) -> None:
    for one in workers:
        face.line(one["sentence"])
    if not workers:
        face.line("There is no worker on this host")
