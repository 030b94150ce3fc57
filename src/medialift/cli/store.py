"""`medialift store`: is the store in reach, and what lies in it?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from medialift.cli import session
from medialift.cli.session import BadInput, Session
from medialift.cloud import objects
from medialift.foundation.units import format_size

app = typer.Typer(no_args_is_help=True, help="The S3 store: is it in reach, and what lies in it?")


def opened(run: Session) -> tuple[objects.Store, str]:
    """The store of the settings, and its bucket.

    Raises:
        BadInput: the settings name no bucket.
    """
    given = run.settings.store
    if not given.bucket:
        raise BadInput("No store is set up", "", "Set store.bucket, store.access_key and store.secret_key")
    return objects.Store.of(given), given.bucket


@app.command()
def check(
    context: typer.Context,
    read_only: Annotated[bool, typer.Option(help="Do not prove that it can be written.")] = False,
) -> None:
    """Prove that the bucket can be listed and written. Nothing is left in it."""
    run = session.of(context)
    store, bucket = opened(run)
    objects.check(store, bucket, write=not read_only, prefix=run.settings.store.prefix)
    value = {"endpoint": store.endpoint, "bucket": bucket, "writable": None if read_only else True}
    run.face.result(
        value,
        lambda: run.face.line(f"{bucket} at {store.endpoint} can be {'read' if read_only else 'written'}"),
    )


@app.command("list")
def list_objects(
    context: typer.Context,
    prefix: Annotated[
        str | None, typer.Argument(help="Keys that start with it; else those of the settings.")
    ] = None,
) -> None:
    """What lies in the store, in order of key."""
    run = session.of(context)
    store, bucket = opened(run)
    start = f"{run.settings.store.prefix}/" if prefix is None else prefix
    found = list(objects.list_objects(store, bucket, start))
    run.face.result(
        [{"key": one.key, "bytes": one.size, "modified": _when(one.modified)} for one in found],
        lambda: run.face.table(
            ["key", "size #", "written"],
            [(one.key, format_size(one.size), _when(one.modified)) for one in found],
        ),
    )


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
