"""`medialift batch-debug`: the record of jobs' HTTP traffic, switched on for a while, and what it means."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from medialift.cli import session
from medialift.cli.face import Face
from medialift.cli.session import BadInput, Session, user_input
from medialift.diagnostics.traffic import finishing
from medialift.diagnostics.traffic.recorder import by_environment
from medialift.diagnostics.traffic.shelf import Shelf
from medialift.foundation import atomic
from medialift.foundation.units import format_duration, format_size
from medialift.queueing import debug_switch
from medialift.queueing.database import Database

app = typer.Typer(
    no_args_is_help=True,
    help="The record of jobs' HTTP traffic: switched on for a while on all hosts, and what it means.",
)

_DAY = 86_400.0

Job = Annotated[str, typer.Argument(help="The job's id, as `batch-debug status` lists it.")]
OnePipeline = Annotated[
    str, typer.Option("--pipeline", help="Of this pipeline only: books, audiobooks, posters.")
]
Out = Annotated[Path | None, typer.Option("--out", help="Write it to this file instead of standard output.")]


@dataclass(frozen=True)
class _Here:
    connection: Connection
    shelf: Shelf


@app.command()
def enable(
    context: typer.Context,
    minutes: Annotated[
        int, typer.Option(help=f"It goes off by itself then: 1 to {debug_switch.LONGEST_MINUTES}.")
    ] = 30,
    pipeline: OnePipeline = "",
) -> None:
    """Switch it on for a while. Workers on all hosts hear of it within seconds; none is restarted."""
    run = session.of(context)
    with _here(run) as here, user_input():
        found = debug_switch.enable(here.connection, minutes, pipeline=pipeline)
    said = f"on for {_scope(found.pipeline)} until {found.until.astimezone():%H:%M}"
    run.face.result(found.to_dict(), lambda: run.face.line(said))


@app.command()
def disable(context: typer.Context, pipeline: OnePipeline = "") -> None:
    """Switch it off. Jobs that are being recorded are recorded to their end."""
    run = session.of(context)
    with _here(run) as here:
        changed = debug_switch.disable(here.connection, pipeline=pipeline or None)
        left = debug_switch.on(here.connection)

    def show() -> None:
        run.face.line("off" if changed else "it was off already")
        for one in left:
            run.face.line(f"still on for {_scope(one.pipeline)}")

    run.face.result({"changed": changed, "switches": [one.to_dict() for one in left]}, show)


@app.command()
def status(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many of the newest records.")] = 20,
) -> None:
    """Whether it is on, until when, and the jobs that were recorded lately."""
    run = session.of(context)
    with _here(run) as here:
        switches = debug_switch.on(here.connection)
        jobs = here.shelf.latest(limit)
    always = run.settings.diagnostics.batch_debug or by_environment()

    def show() -> None:
        for one in switches:
            left = format_duration(one.seconds_left)
            run.face.line(f"on for {_scope(one.pipeline)}, {left} left (switched on by {one.who})")
        if always:
            run.face.line("on for the workers of this host, by its settings or its environment")
        if not switches and not always:
            run.face.line("off")
        rows = [
            (
                one.job,
                one.label,
                one.state,
                f"{one.started.astimezone():%Y-%m-%d %H:%M}",
                one.requests,
                one.failed,
                format_size(one.size),
                one.worker or one.host,
            )
            for one in jobs
        ]
        if rows:
            run.face.table(["job", "what", "is", "began", "requests #", "failed #", "size #", "worker"], rows)
        else:
            run.face.line("No job was recorded yet")

    told = {
        "enabled": always or bool(switches),
        "always": always,
        "switches": [one.to_dict() for one in switches],
        "jobs": [one.to_dict() for one in jobs],
    }
    run.face.result(told, show)


@app.command()
def summary(context: typer.Context, job: Job) -> None:
    """What a job's requests came to, what their failures have in common, and what to do."""
    run = session.of(context)
    with _here(run) as here, user_input():
        found = here.shelf.summary(job)
    run.face.result(found, lambda: _show(run.face, found))


@app.command()
def log(context: typer.Context, job: Job, out: Out = None) -> None:
    """All that is kept of a job, as JSON: each request with its attempt, times, status, headers and error."""
    run = session.of(context)
    with _here(run) as here, user_input():
        found = here.shelf.full_log(job)
    _give(run, found, out)


@app.command()
def har(context: typer.Context, job: Job, out: Out = None) -> None:
    """A job's requests as an HTTP archive (HAR 1.2), which browsers open."""
    run = session.of(context)
    with _here(run) as here, user_input():
        found = here.shelf.har(job)
    _give(run, found, out)


@app.command()
def cleanup(
    context: typer.Context,
    days: Annotated[float, typer.Option(min=0, max=3650, help="Those of jobs that ended longer ago.")] = 7,
) -> None:
    """Delete old records, in the ledger and on this host."""
    run = session.of(context)
    with _here(run) as here:
        count = finishing.forget(run.settings.diagnostics, here.connection, older_than=days * _DAY)
    run.face.result({"deleted": count}, lambda: run.face.line(f"{count} records were deleted"))


@contextmanager
def _here(run: Session) -> Iterator[_Here]:
    with Database.open(run.settings.database) as database:
        database.check()
        with database.transaction() as connection:
            yield _Here(connection, Shelf(run.settings.diagnostics, connection))


def _give(run: Session, found: Mapping[str, Any], out: Path | None) -> None:
    if out is None:
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return
    try:
        atomic.write_json(out, found, mode=0o600)
    except OSError as error:
        raise BadInput(
            "The file cannot be written", f"{out}: {error.strerror}", "Name another one"
        ) from error
    run.face.result({"file": str(out)}, lambda: run.face.line(f"written to {out}"))


def _show(face: Face, found: Mapping[str, Any]) -> None:
    percent = found["success_rate_percent"]
    rate = "nothing was answered" if percent is None else f"{percent:g} % went well"
    face.line(
        f"{found['job_id']}: {found['total_requests']} requests in "
        f"{format_duration(found['duration_seconds'])}, {rate} ({found['state']})"
    )
    answers = {**found["status_code_breakdown"], **found["error_breakdown"]}
    if answers:
        face.line("answers: " + ", ".join(f"{count} x {what}" for what, count in answers.items()))
    slowest = found["timing"]["slowest_seconds"]
    if slowest is not None:
        face.line(
            f"times: half within {format_duration(found['timing']['median_seconds'])}, "
            f"the slowest {format_duration(slowest)}"
        )
    events = found["session_events"]
    face.line(
        f"sessions: {events['created']} made, {events['reused']} requests on one that was there; "
        f"connections: {events['connections_new']} new, {events['connections_reused']} used again"
    )
    for one in found["failure_patterns"]:
        face.line(f"! {one['what']}: {one['count']} of {one['of']} ({one['percent']:g} %)")
        for example in one["examples"][:2]:
            face.line(f"    {example['what']} {example.get('said') or example.get('error') or ''}".rstrip())
    for number, one in enumerate(found["recommendations"], 1):
        face.line(f"{number}. {one['text']}")
    if not found["recommendations"]:
        face.line("There is nothing to do")


def _scope(pipeline: str) -> str:
    return pipeline or "all pipelines"
