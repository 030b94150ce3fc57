"""The commands that look at a server and set it up: sections, settings, claim."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from medialift.cli import session
from medialift.cli.session import BadInput, plain, user_input
from medialift.foundation.units import format_size, parse_duration
from medialift.plex import claim as claiming
from medialift.plex import installation, preferences
from medialift.plex.statistics import statistics


def sections(
    context: typer.Context,
    library: Annotated[Path | None, typer.Option(help="A library database, instead of this host's.")] = None,
) -> None:
    """Every section with its counts, read from the database: the server may be stopped."""
    run = session.of(context)
    found = statistics(library or installation.database(run.settings))
    run.face.result(
        [held.to_dict() for held in found],
        lambda: run.face.table(
            [
                "section",
                "type",
                "items #",
                "with files #",
                "in trash #",
                "sonic #",
                "files #",
                "size #",
                "folders",
            ],
            [
                (
                    section.name,
                    section.type,
                    section.items,
                    section.leaves,
                    section.deleted,
                    f"{section.sonic}/{section.sonic_total}" if section.sonic_total else "",
                    held.parts,
                    format_size(held.bytes),
                    ", ".join(section.locations),
                )
                for held in found
                for section in [held.facts]
            ],
        ),
    )


def apply_settings(
    context: typer.Context,
    profile: Annotated[str, typer.Option(help=f"One of {', '.join(preferences.PROFILES)}.")] = "none",
    value: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Only show what would change.")] = False,
) -> None:
    """Set preferences of the server and read every one back; an unknown name is an error."""
    run = session.of(context)
    if profile not in preferences.PROFILES:
        raise BadInput("There is no such profile", profile, f"There are: {', '.join(preferences.PROFILES)}")
    wanted = {**preferences.PROFILES[profile], **dict(_pair(item) for item in value or ())}
    server = installation.server(run.settings)
    changes = preferences.plan(server, wanted) if dry_run else preferences.apply(server, wanted)

    def show() -> None:
        for change in changes:
            run.face.line(f"{change.id}: {change.before} → {change.after}")
        run.face.line(f"{len(changes)} of {len(wanted)} {'would change' if dry_run else 'changed'}")

    run.face.result({"dry_run": dry_run, "changes": plain(changes), "checked": len(wanted)}, show)


def claim(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Option(help="A file that holds the claim token, or will soon.")
    ] = None,
    at_most: Annotated[str, typer.Option(help="How long to wait for a token that works.")] = "15min",
) -> None:
    """Claim an unclaimed server. An expired token is asked for again.

    The token comes from --file, or from MEDIALIFT_CLAIM_TOKEN, or is got with an account's token from
    MEDIALIFT_ACCOUNT_TOKEN. There is no option for either: other users see the options of a process.
    """
    run = session.of(context)
    with user_input():
        seconds = parse_duration(at_most)
        source = claiming.ClaimSource(
            value=os.environ.get("MEDIALIFT_CLAIM_TOKEN", ""),
            file=file,
            account_token=os.environ.get("MEDIALIFT_ACCOUNT_TOKEN", ""),
            account_url=run.settings.plex.account_url,
        )
    with run.face.counting("waiting for a claim token that works"):
        changed = claiming.claim(
            installation.server(run.settings), source, at_most=seconds, tell=run.face.note
        )
    run.face.result(
        {"changed": changed},
        lambda: run.face.line("The server is claimed" if changed else "The server was claimed already"),
    )


def _pair(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not name or not equals:
        raise BadInput("This is not NAME=VALUE", item, "Write it such as autoEmptyTrash=0")
    return name, value
