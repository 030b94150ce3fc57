"""`medialift notify`: do the notifications arrive?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import medialift.plex.report as reports
from medialift.cli import session
from medialift.cli.session import BadInput, user_input
from medialift.cloud.budget import told_of
from medialift.notify import Delivery, Event, Notice, send, tell

app = typer.Typer(
    no_args_is_help=True, help="Notifications: whom are people told through, and does it arrive?"
)


@app.command()
def test(context: typer.Context) -> None:
    """Send a test to every destination. Exit code 1 when one did not take it."""
    run = session.of(context)
    urls = run.settings.notify.urls
    if not urls:
        raise BadInput("There is nobody to tell", "", "Set notify.urls in the settings")
    notice = Notice(Event.ENDED, "medialift: a test", "If you can read this, notifications arrive.")
    deliveries = send([notice], urls)
    _show(run, deliveries)
    if not all(delivery.ok for delivery in deliveries):
        raise typer.Exit(session.FAILED)


@app.command()
def report(
    context: typer.Context,
    inputs: Annotated[list[Path], typer.Argument(help="What the run left for its report; later files add.")],
    marker: Annotated[
        Path | None, typer.Option(help="File of `cloud watch`: what it told is not told again.")
    ] = None,
) -> None:
    """Tell how a run ended, and whether it cost more than planned. A dead destination fails nothing."""
    run = session.of(context)
    with user_input():
        told = reports.build(reports.load_inputs(inputs))
    notices = reports.notices(told, told_of=told_of(marker))
    _show(run, tell(notices, run.settings.notify))


def _show(run: session.Session, deliveries: list[Delivery]) -> None:
    def show() -> None:
        for delivery in deliveries:
            ending = "taken" if delivery.ok else f"NOT taken: {delivery.error}"
            run.face.line(f"{delivery.destination} ({delivery.event}): {ending}")
        if not deliveries:
            run.face.line("Nobody was told: no destination, or the event is not wanted")

    run.face.result([delivery.to_dict() for delivery in deliveries], show)
