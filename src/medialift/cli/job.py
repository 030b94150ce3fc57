"""`medialift job`: long work on this host, that outlives whoever started it."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, Any

import typer

from medialift.cli import session
from medialift.cli.session import BadInput, user_input
from medialift.foundation import jobs
from medialift.foundation.process import run as run_program
from medialift.foundation.units import format_duration, parse_duration
from medialift.plex.kinds import REGISTRY

app = typer.Typer(no_args_is_help=True, help="Long work on this host, that outlives whoever started it.")

Name = Annotated[str, typer.Argument(help="Name of the job, or its folder.")]


@app.command("list")
def list_jobs(context: typer.Context) -> None:
    """Every job of this host and how it stands."""
    run = session.of(context)
    folder = run.settings.jobs.folder
    found = {path.name: jobs.state(path) for path in sorted(folder.glob("*")) if (path / "job.json").exists()}
    run.face.result(
        {name: status.to_dict() for name, status in found.items()},
        lambda: run.face.table(
            ["job", "kind", "state", "last phase"],
            [
                (name, status.kind, status.state, status.phases[-1].name if status.phases else "")
                for name, status in found.items()
            ],
        ),
    )


@app.command("run")
def run_job(folder: Annotated[Path, typer.Argument(help="The job's folder.")]) -> None:
    """Run a job to its end in this process: what the systemd unit medialift-job@NAME calls."""
    raise typer.Exit(jobs.execute(folder, REGISTRY))


@app.command()
def start(context: typer.Context, name: Name) -> None:
    """Start a job, or one that failed or died again, as its systemd unit."""
    run = session.of(context)
    started = jobs.start(_folder(run, name), run_program)
    run.face.result(
        {"started": started},
        lambda: run.face.line("started" if started else "it runs already, or ended well"),
    )


@app.command()
def cancel(context: typer.Context, name: Name) -> None:
    """Ask a job to stop; it ends at its next wait."""
    run = session.of(context)
    asked = jobs.cancel(_folder(run, name), run_program)
    run.face.result(
        {"asked": asked}, lambda: run.face.line("asked to stop" if asked else "it is not running")
    )


@app.command()
def status(context: typer.Context, name: Name) -> None:
    """How a job stands. Exit code 1 when it failed or died."""
    run = session.of(context)
    conclude(run, jobs.state(_folder(run, name)))


@app.command()
def follow(
    context: typer.Context,
    name: Name,
    at_most: Annotated[str, typer.Option(help="Leave after this long; the job goes on.")] = "7d",
) -> None:
    """Stay with a job until it ends, and show what it says. Ctrl-C leaves; the job goes on."""
    run = session.of(context)
    with user_input():
        seconds = parse_duration(at_most)
    stop = Event()
    signal.signal(signal.SIGINT, lambda _number, _frame: stop.set())
    with run.face.telling() as tell:
        ended = jobs.follow(_folder(run, name), at_most=seconds, tell=tell, stop=stop)
    conclude(run, ended)


def here(run: session.Session, name: str, kind: str, arguments: Mapping[str, Any]) -> jobs.Status:
    """Run a job to its end in this process, telling what its journal says; how it ended."""
    folder = run.settings.jobs.folder / name
    jobs.submit(folder, kind, arguments)
    jobs.request(folder)
    ended = Event()
    with run.face.telling() as tell, run.config_for_jobs():
        teller = Thread(
            target=lambda: jobs.follow(folder, at_most=float("inf"), every=0.5, tell=tell, stop=ended)
        )
        teller.start()
        try:
            jobs.execute(folder, REGISTRY)
        finally:
            # It leaves by itself when the job has ended, having told every line.
            if not jobs.state(folder).ended:
                ended.set()
            teller.join()
    return jobs.state(folder)


def stamped(name: str) -> str:
    """A job's name with the time of day in it, for jobs that are new each time."""
    return f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def _folder(run: session.Session, name: str) -> Path:
    folder = Path(name) if "/" in name else run.settings.jobs.folder / name
    if not (folder / "job.json").exists():
        known = sorted(path.parent.name for path in run.settings.jobs.folder.glob("*/job.json"))
        raise BadInput(
            "There is no such job",
            name,
            f"There are: {', '.join(known)}" if known else "No job was submitted",
        )
    return folder


def conclude(run: session.Session, now: jobs.Status) -> None:
    """Show how a job stands; exit with 1 when it failed or died."""

    def show() -> None:
        for phase in now.phases:
            said = str(phase.data.get("text", ""))
            run.face.line(
                f"{phase.outcome:8} {format_duration(phase.seconds):>12}  {phase.name}"
                + (f"  {said}" if said else "")
            )
        run.face.line(f"The job {'is' if not now.ended else 'ended:'} {now.state}")
        if now.error:
            run.face.line(". ".join(filter(None, (now.error[key] for key in ("what", "subject", "hint")))))

    run.face.result(now.to_dict(), show)
    if now.state in (jobs.FAILED, jobs.DIED):
        raise typer.Exit(session.FAILED)
