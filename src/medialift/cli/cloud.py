"""`medialift cloud`: what runs in the account, what it costs, and what should be gone."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from threading import Event as Stop
from typing import Annotated

import typer

from medialift import notify
from medialift.cli import session
from medialift.cli.session import BadInput, user_input
from medialift.cloud import budget, instance, reaper
from medialift.cloud.belongings import servers
from medialift.cloud.scaleway import ZONES, Account, Scaleway
from medialift.foundation.units import format_duration, parse_duration
from medialift.notify import Event, Notice

app = typer.Typer(
    no_args_is_help=True, help="Instances in the cloud: what runs, what it costs, what is overdue."
)


@app.command("list")
def list_instances(context: typer.Context) -> None:
    """Every instance that medialift made in this project, in all zones, and what it costs."""
    run = session.of(context)
    cloud = _cloud(run)
    rows = []
    for server in servers(cloud, ZONES):
        rates, seconds = instance.rates_of(cloud, server), instance.seconds_since(cloud, server.created)
        rows.append(
            {
                **instance.Instance.of(server).to_dict(),
                "seconds": round(seconds),
                "cost_per_hour_eur": rates.hourly,
                "cost_so_far_eur": rates.so_far(seconds),
            }
        )
    run.face.result(
        rows,
        lambda: run.face.table(
            ["name", "id", "zone", "type", "state", "address", "expires", "up", "EUR/h #", "EUR #"],
            [
                (
                    row["name"],
                    row["id"],
                    row["zone"],
                    row["commercial_type"],
                    row["state"],
                    row["address"],
                    row["expires"] or "never",
                    format_duration(row["seconds"]),
                    f"{row['cost_per_hour_eur']:.4f}",
                    f"{row['cost_so_far_eur']:.4f}",
                )
                for row in rows
            ],
        ),
    )


@app.command()
def reap(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option(help="Only show what is past its time.")] = False,
) -> None:
    """Take away every instance whose time is over, with its volumes and addresses."""
    run = session.of(context)
    cloud = _cloud(run)
    overdue = reaper.overdue(cloud)
    if overdue and not dry_run:
        with run.face.counting(f"taking away {len(overdue)} overdue"):
            reaper.reap(cloud)
    done = "would be taken away" if dry_run else "taken away"

    def show() -> None:
        for late in overdue:
            run.face.line(
                f"{late.name}, expired {late.expired:%Y-%m-%d %H:%M}: {done}: {', '.join(late.parts)}"
            )
        if not overdue:
            run.face.line("Nothing is past its time")

    run.face.result({"dry_run": dry_run, "overdue": [late.to_dict() for late in overdue]}, show)


@app.command()
def watch(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the instance, as `cloud list` shows it.")],
    budget_eur: Annotated[float, typer.Option(help="What it may cost; more is told.", min=0.0)],
    every: Annotated[str, typer.Option(help="Time between two looks.")] = "60s",
    at_most: Annotated[
        str, typer.Option(help="Leave after this long; nothing happens to the instance.")
    ] = "7d",
    marker: Annotated[
        Path | None, typer.Option(help="File that keeps whom people were told of: nothing is told twice.")
    ] = None,
) -> None:
    """Tell people as soon as an instance has cost more than planned, while it runs.

    It ends when they were told, when the instance is gone, or when its time is over. The instance is left
    alone.
    """
    run = session.of(context)
    told = run.settings.notify
    if not told.urls:
        raise BadInput("There is nobody to tell", "", "Set notify.urls in the settings")
    with user_input():
        between, longest = parse_duration(every), parse_duration(at_most)

    def tell(now: budget.Spending) -> bool:
        run.face.note(f"{now.cost_eur:.4f} EUR is more than {budget_eur:.2f} EUR")
        notice = Notice(
            Event.OVERSPENT,
            f"{name} costs more than planned",
            f"It has cost {now.cost_eur:.2f} EUR where {budget_eur:.2f} EUR were planned, and goes on at "
            f"{now.hourly_eur:.4f} EUR an hour. It has run for {format_duration(now.seconds)}; its work is "
            "left alone. teardown.yml takes it away.",
        )
        deliveries = notify.tell([notice], told)
        for one in deliveries:
            if not one.ok:
                run.face.note(f"{one.destination} did not take it: {one.error}")
        # Nobody wants to hear of it: then it is told.
        return any(one.ok for one in deliveries) or not deliveries

    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    seen = budget.watch(
        _cloud(run), name, budget_eur, tell, every=between, at_most=longest, marker=marker, stop=stop
    )
    cost = f", {seen.last.cost_eur:.4f} EUR" if seen.last else ""
    run.face.result(seen.to_dict(), lambda: run.face.line(f"{name}: {seen.ended}{cost}"))


def _cloud(run: session.Session) -> Scaleway:
    """The account of the settings; what they leave empty comes from Scaleway's own variables."""
    given = run.settings.cloud
    return Scaleway(
        Account(
            access_key=given.access_key.get_secret_value() or os.environ.get("SCW_ACCESS_KEY", ""),
            secret_key=given.secret_key.get_secret_value() or os.environ.get("SCW_SECRET_KEY", ""),
            organization_id=given.organization or os.environ.get("SCW_DEFAULT_ORGANIZATION_ID", ""),
            project_id=given.project or os.environ.get("SCW_DEFAULT_PROJECT_ID", ""),
            api_url=given.api_url,
        )
    )
