"""The command that tells a dashboard of a burst."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from medialift.cli import session
from medialift.cli.session import Session, user_input
from medialift.errors import Transient
from medialift.foundation.signals import stoppable
from medialift.foundation.units import parse_duration
from medialift.plex.posting import Dashboard, Delivered, Outbox, Post, follow, of_burst, of_import


def post_journal(
    context: typer.Context,
    journal: Annotated[Path, typer.Argument(help="The journal of the run.")],
    inputs: Annotated[
        list[Path] | None,
        typer.Option("--inputs", help="What the run left for its report, once it is over; repeatable."),
    ] = None,
    library: Annotated[str, typer.Option(help="Name of the library; empty: that of the settings.")] = "",
    mode: Annotated[str, typer.Option(help="delta or scratch.")] = "",
    budget_eur: Annotated[float, typer.Option(help="What it may cost; 0: there is no limit.", min=0.0)] = 0.0,
    home: Annotated[bool, typer.Option("--home", help="Home's journal: its last import is told.")] = False,
    archive: Annotated[
        str, typer.Option(help="With --home: sha256 of the archive, by which its burst is found.")
    ] = "",
    outbox: Annotated[
        Path | None, typer.Option(help="Folder of what is still to be told; outbox beside the journal.")
    ] = None,
    follow_it: Annotated[
        bool, typer.Option("--follow", help="Go on until the run has ended and all of it is told.")
    ] = False,
    every: Annotated[str, typer.Option(help="With --follow: time between two looks.")] = "30s",
    at_most: Annotated[str, typer.Option(help="With --follow: leave after this long.")] = "8d",
) -> None:
    """Tell the dashboard of the settings (dashboard.url) of a burst, and of all that it was not told of yet.

    What it does not take now is kept, and told with the next post: exit code 75.
    """
    run = session.of(context)
    with user_input():
        dashboard = Dashboard.of(run.settings.dashboard)
        between, longest = parse_duration(every), parse_duration(at_most)
    box = Outbox(outbox or journal.parent / "outbox")
    of = library or run.settings.plex.library

    def post() -> Post | None:
        if home:
            return of_import(journal, library=of, archive=archive)
        known = {"mode": mode or None, "budget_eur": budget_eur or None}
        return of_burst(journal, library=of, inputs=inputs or (), known=known)

    with closing(dashboard):
        if follow_it:
            stop = Event()
            ended = stoppable(
                lambda: follow(
                    journal, post, box, dashboard,
                    every=between, at_most=longest, heard=lambda one: _note(run, one), stop=stop,
                ),
                stop,
            )  # fmt: skip
            run.face.result({"ended": ended}, lambda: run.face.line(ended))
            return
        with user_input():
            found = post()
        if found is not None:
            box.put(found)
        delivered = box.deliver(dashboard)
    _show(run, delivered)


def _show(run: Session, delivered: list[Delivered]) -> None:
    def show() -> None:
        for one in delivered:
            run.face.line(
                f"{one.burst}: told, {one.added} new lines" if one.ok else f"{one.burst}: {one.error}"
            )
        if not delivered:
            run.face.line("There is nothing to tell")

    run.face.result([one.to_dict() for one in delivered], show)
    if any(one.refused for one in delivered):
        raise typer.Exit(session.FAILED)
    if any(isinstance(one.error, Transient) for one in delivered):
        raise typer.Exit(session.TRANSIENT)


def _note(run: Session, one: Delivered) -> None:
    run.face.note(f"{one.burst}: told, {one.added} new lines" if one.ok else f"{one.burst}: {one.error}")
