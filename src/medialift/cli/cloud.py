"""`medialift cloud`: what runs in the account, what it costs, and what should be gone."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from medialift.cli import session
from medialift.cloud import instance, reaper
from medialift.cloud.belongings import servers
from medialift.cloud.scaleway import ZONES, Account, Scaleway
from medialift.foundation.units import format_duration

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
