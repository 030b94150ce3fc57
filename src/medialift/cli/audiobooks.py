"""`medialift audiobooks`: what is dropped into the inbox becomes one tagged M4B each, in its libraries."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from medialift.audiobooks import environment, help_config, operations, validate
from medialift.audiobooks import manifest as intake
from medialift.audiobooks.status import Status
from medialift.audiobooks.validating.fault import Fault
from medialift.cli import audiobooks_shown as shown
from medialift.cli import session
from medialift.cli.session import BadInput, Session, user_input
from medialift.errors import Permanent
from medialift.foundation.signals import stoppable
from medialift.foundation.units import parse_duration
from medialift.foundation.waiting import wait_until

app = typer.Typer(
    no_args_is_help=True,
    help="Audiobooks: what is dropped into the inbox becomes one tagged M4B each, and goes to its libraries.",
)
chapters = typer.Typer(no_args_is_help=True, help="The chapters of a finished book: out, in, and cut finer.")
cache = typer.Typer(no_args_is_help=True, help="The kept answers of the catalogues.")
app.add_typer(chapters, name="chapters")
app.add_typer(cache, name="cache")

# These tell what is wrong with the old variables themselves, or do not need them.
_TELL_THEMSELVES = ("validate", "help-config")
_WATCH_SECONDS = 2.0

Name = Annotated[str, typer.Argument(help="The book: its folder in converted, by name or by path.")]
Check = Annotated[bool, typer.Option("--check", help="Only tell what would be done.")]
Book = Annotated[Path, typer.Argument(help="An M4B, or the name of its folder in converted.")]


@app.callback()
def start(context: typer.Context) -> None:
    # The names that auto-m4b's variables had count for these commands, and for no others.
    if context.invoked_subcommand not in _TELL_THEMSELVES:
        with user_input():
            environment.apply(os.environ)


@app.command()
def run(context: typer.Context) -> None:
    """Be the service until told to end: what the unit medialift-audiobooks calls. SIGTERM drains."""
    run = session.of(context)
    settings = run.serve()
    with _right_set_up():
        ended = operations.run(settings)
    run.face.result(ended, lambda: run.face.note(f"{ended['why']}: {ended['items']} steps of books"))


@app.command()
def once(context: typer.Context) -> None:
    """Take what lies in the inbox, do all that can be done now, and end. Ctrl-C finishes what is begun.

    Exit code 75 when something is left for later: a book that still changes, an error that may pass.
    """
    run = session.of(context)
    settings, stop = run.settings, Event()
    with _right_set_up(), run.face.watching("Audiobooks") as told:
        position = shown.Position()
        done = stoppable(
            lambda: operations.once(settings, watch=lambda now: told(*position.of(now)), stop=stop), stop
        )
    run.face.result(done, lambda: shown.once(run.face, done))
    if not done["finished"]:
        raise typer.Exit(session.TRANSIENT)


@app.command("validate")
def check(
    context: typer.Context,
    ledger: Annotated[bool, typer.Option(help="Look at the database too.")] = True,
) -> None:
    """Say all that is wrong with the set-up at once, each with its fix. Exit code 2 when there is a fault."""
    run = session.of(context)
    old = environment.translate(os.environ)
    os.environ.update(old.values)
    found = [Fault(name, what, fix) for name, what, fix in old.faults]
    settings = run.settings
    with run.face.counting("Looking at folders, programs, libraries and the ledger"):
        found += validate.check(settings, ledger=ledger, plugins=True)
    faults = [fault for fault in found if fault.kind == "fault"]
    told = {
        "ok": not faults,
        "file": str(run.loaded.file) if run.loaded.file_found else "",
        "faults": [fault.to_dict() for fault in faults],
        "warnings": [fault.to_dict() for fault in found if fault.kind == "warning"],
        "old_variables": dict(sorted((name, new) for new, name in old.origins.items())),
        "without_effect": dict(old.ignored),
    }
    run.face.result(told, lambda: shown.faults(run.face, told))
    if faults:
        raise typer.Exit(session.BAD_INPUT)


@app.command("help-config")
def show_settings(context: typer.Context) -> None:
    """Print every setting of the audiobooks: its type, default, variable, old names, and what it is for."""
    run = session.of(context)
    rows = help_config.rows()
    run.face.result([row.to_dict() for row in rows], lambda: shown.settings(run.face, rows))


@app.command()
def status(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, until nothing is left.")] = False,
    metrics: Annotated[bool, typer.Option("--metrics", help="As Prometheus reads it, instead.")] = False,
) -> None:
    """How it stands: figures, the last conversions and failures, what waits, and what waits for you."""
    run = session.of(context)
    if metrics:
        sys.stdout.write(operations.metrics(run.settings).decode())
        return
    now = _watched(run) if watch else operations.look(run.settings)
    told = now.to_dict()
    run.face.result(told, lambda: shown.status(run.face, told))


@app.command()
def health(context: typer.Context) -> None:
    """What /health tells: folders, space, ffmpeg, database, services, tokens. Exit code 1 unless ready."""
    run = session.of(context)
    found = operations.health(run.settings)
    run.face.result(found, lambda: shown.health(run.face, found))
    if not found["ready"]:
        raise typer.Exit(session.FAILED)


@app.command()
def convert(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A file, a book's folder, or a folder of books.")],
) -> None:
    """Convert what lies at a path into the folder of converted books. The sources are left as they are."""
    run = session.of(context)
    settings, stop = run.settings, Event()
    with run.face.watching("Converting") as told:
        done = stoppable(
            lambda: operations.convert(
                settings,
                path.absolute(),
                tell=lambda key, words, share: told(round(100 * share), 100, f"{key}: {words}"),
                stop=stop,
            ),
            stop,
        )
    run.face.result(done, lambda: shown.converted(run.face, done))
    if done["failed"] or done["refused"]:
        raise typer.Exit(session.FAILED)


@app.command()
def tag(
    context: typer.Context,
    name: Name,
    asin: Annotated[str, typer.Option(help="The ASIN that it has, whatever was found.")] = "",
    region: Annotated[str, typer.Option(help="Audible's shop that knows this ASIN, such as uk.")] = "",
    set_fields: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="FIELD=VALUE, such as narrators='Ann; Ben'; repeatable. An empty value empties it."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be changed.")] = False,
) -> None:
    """Tag a converted book now. What you say of it wins, and is kept. Exit code 1 when more is needed."""
    run = session.of(context)
    settings, stop = run.settings, Event()
    with user_input():
        override = _said(asin, region, set_fields or [])
    book = _name(name, settings.audiobooks.converted)
    done = stoppable(
        lambda: operations.tag(settings, book, override=override or None, dry_run=dry_run, stop=stop), stop
    )
    run.face.result(done, lambda: shown.tagged(run.face, done, dry_run=dry_run))
    if done["needs_person"]:
        raise typer.Exit(session.FAILED)


@app.command()
def retry(
    context: typer.Context,
    keys: Annotated[
        list[str] | None,
        typer.Argument(help="Books: by path in the inbox, by name in converted, or as tag/NAME."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Everything that failed.")] = False,
) -> None:
    """Take up again what failed or waits. A book in the failed folder is moved back into the inbox."""
    run = session.of(context)
    if bool(keys) == every:
        raise BadInput("Name books, or --all", "", "Exactly one of them; `status` lists the books")
    done = operations.retry(run.settings, keys or (), every=every)

    def show() -> None:
        run.face.line(f"{done['count']} {'is' if done['count'] == 1 else 'are'} tried again")
        for place in done["moved_back"]:
            run.face.line(f"  moved back: {place}")

    run.face.result(done, show)


@app.command("as-it-is")
def as_it_is(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The book: its path in the inbox.")],
) -> None:
    """Have a book taken without conversion: an M4B passes through, AAC parts are joined, all else fails."""
    run = session.of(context)
    done = operations.as_it_is(run.settings, name)
    run.face.result(done, lambda: run.face.line(f"{name} is not converted"))


@app.command()
def reprocess(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The book: its path in the inbox, or its name in converted.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it: the book that there is will be replaced.")
    ] = False,
) -> None:
    """Make a book again from its sources. What was said of it is lost; it is replaced in libraries, too."""
    run = session.of(context)
    if not yes:
        raise BadInput("The book that there is would be replaced", name, "Say so with --yes")
    done = operations.reprocess(run.settings, name)
    run.face.result(done, lambda: run.face.line(f"{name} is made again from its sources"))


@app.command()
def approve(
    context: typer.Context,
    name: Name,
    destination: Annotated[
        list[str] | None, typer.Option("--for", help="Only for this library; repeatable.")
    ] = None,
) -> None:
    """Let a book that is held go to its libraries."""
    run = session.of(context)
    settings = run.settings
    book = _name(name, settings.audiobooks.converted)
    done = operations.approve(settings, book, destinations=destination or (), by=_person())

    def show() -> None:
        where = ", ".join(done["destinations"]) or "all of its libraries"
        run.face.line(f"{done['name']} may go to {where}" + ("" if done["changed"] else ", as before"))

    run.face.result(done, show)


@app.command("import-metrics")
def import_metrics(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="auto-m4b's metrics.json, out of its converted folder.")],
) -> None:
    """Take over the figures of an auto-m4b, once."""
    run = session.of(context)
    done = operations.import_metrics(run.settings, file)
    words = f"{done['conversions']} conversions are taken over"
    run.face.result(done, lambda: run.face.line(words if done["changed"] else "They were taken over before"))


@chapters.command("export")
def export_chapters(
    context: typer.Context,
    book: Book,
    to: Annotated[
        Path | None, typer.Option("--to", help="File to write: NAME.chapters.txt or NAME.cue.")
    ] = None,
) -> None:
    """Show the chapters of a book, or write them to a file that can be edited and brought back."""
    run = session.of(context)
    target = to.absolute() if to is not None else None
    done = operations.export_chapters(_file(run, book), target)
    run.face.result(done, lambda: shown.chapters(run.face, done))


@chapters.command("import")
def import_chapters(
    context: typer.Context,
    book: Book,
    file: Annotated[Path, typer.Argument(help="A chapters.txt or a cue sheet.")],
    check: Check = False,
) -> None:
    """Give a book the chapters of a file. Its sound stays as it is, to the sample."""
    run = session.of(context)
    done = operations.import_chapters(_file(run, book), file.absolute(), check=check)
    run.face.result(done, lambda: shown.chapters(run.face, done, check=check))


@chapters.command("split")
def split_chapters(
    context: typer.Context,
    book: Book,
    longest: Annotated[str, typer.Option(help="Chapters that are longer are split.")] = "30m",
    wanted: Annotated[str, typer.Option(help="How long the pieces are to be, about.")] = "15m",
    check: Check = False,
) -> None:
    """Split the long chapters of a book where nothing is heard."""
    run = session.of(context)
    file, stop = _file(run, book), Event()
    with user_input():
        seconds = parse_duration(longest), parse_duration(wanted)
    with run.face.counting("Listening for silences"):
        done = stoppable(
            lambda: operations.split_chapters(
                file, longest=seconds[0], wanted=seconds[1], check=check, stop=stop
            ),
            stop,
        )
    run.face.result(done, lambda: shown.chapters(run.face, done, check=check))


@cache.command("flush")
def flush_cache(
    context: typer.Context,
    asin: Annotated[str, typer.Option(help="Of this book only.")] = "",
) -> None:
    """Forget what the catalogues answered, so that they are asked again."""
    run = session.of(context)
    done = operations.flush_cache(run.settings, asin)
    run.face.result(done, lambda: run.face.line(f"{done['count']} answers are forgotten"))


@contextmanager
def _right_set_up() -> Iterator[None]:
    """A set-up that is wrong is the user's: exit code 2, by which systemd does not start it again."""
    try:
        yield
    except validate.WrongSetUpError as wrong:
        raise BadInput(wrong.what, wrong.subject, wrong.hint) from wrong


def _watched(run: Session) -> Status:
    """Show it until nothing is left to be done, or until Ctrl-C."""
    settings, stop = run.settings, Event()
    position = shown.Position()

    def go(told: Callable[[float, float | None, str], None]) -> Status:
        last = operations.look(settings)

        def finished() -> bool:
            nonlocal last
            last = operations.look(settings)
            told(*position.of(last))
            return last.finished

        wait_until(finished, at_most=float("inf"), every=_WATCH_SECONDS, stop=stop)
        return last

    with run.face.watching("Audiobooks") as told:
        return stoppable(lambda: go(told), stop)


def _said(asin: str, region: str, fields: list[str]) -> dict[str, Any]:
    """What a person says of a book, out of the options.

    Raises:
        Permanent: something is no FIELD=VALUE.
    """
    said: dict[str, Any] = {}
    for one in fields:
        name, sign, value = one.partition("=")
        if not sign or not name.strip():
            raise Permanent("This is no FIELD=VALUE", one, "Write it so: --set title='The Lighthouse Ledger'")
        said[name.strip()] = value.strip()
    return {**said, **({"asin": asin} if asin else {}), **({"region": region} if region else {})}


def _name(given: str, converted: Path) -> str:
    """The name of a book's folder in converted, also when it was given by a path, as a shell completes it.

    Raises:
        BadInput: there is no such book.
    """
    path = Path(given)
    name = path.name if "/" in given and path.absolute().parent == converted else given
    if not name or "/" in name or not (converted / name).is_dir():
        raise BadInput(
            "There is no converted book of this name", given, f"Give the name of a folder in {converted}"
        )
    return name


def _file(run: Session, given: Path) -> Path:
    """The M4B that is meant: at a path, in a folder, or of a converted book by its name.

    Raises:
        BadInput: there is none.
    """
    converted = run.settings.audiobooks.converted
    for place in (given.absolute(), converted / given):
        if place.is_file():
            return place
        if (place / intake.FILE).is_file():
            return place / intake.read(place).conversion.file
        found = sorted(place.glob("*.m4b")) if place.is_dir() else []
        if len(found) == 1:
            return found[0]
    raise BadInput("There is no such book", str(given), f"Give the path of an M4B, or a name in {converted}")


def _person() -> str:
    """Who types, for the record of an approval."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
