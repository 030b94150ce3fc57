"""`medialift books`: a Calibre library into MyBookshelf2, once each, and what became of every file."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from medialift.books import metrics as figures
from medialift.books import operations, working
from medialift.books.accounts import ACCOUNTS
from medialift.books.options import Options
from medialift.books.status import Status
from medialift.cli import books_shown as shown
from medialift.cli import session
from medialift.cli.session import BadInput, Session, user_input
from medialift.errors import Permanent
from medialift.foundation.signals import stoppable
from medialift.foundation.units import format_size, parse_duration, parse_size
from medialift.queueing import workers as working_now
from medialift.queueing.database import Database, of_worker

app = typer.Typer(
    no_args_is_help=True,
    help="A Calibre library into MyBookshelf2, each book once, and what became of every file.",
)

Names = list[str] | None
Library = Annotated[Path | None, typer.Option(help="Calibre's library, instead of books.library.")]
Authors = Annotated[Names, typer.Option("--author", help="Only books of this author; repeatable.")]
Tags = Annotated[Names, typer.Option("--tag", help="Only books with this tag; repeatable.")]
Languages = Annotated[Names, typer.Option("--language", help="Only books in this language, such as rus.")]
Formats = Annotated[Names, typer.Option("--format", help="Only files of this format, such as EPUB.")]
Ids = Annotated[Names, typer.Option("--id", help="Only this book, or these: 12, 100-120; repeatable.")]
NoTags = Annotated[Names, typer.Option("--exclude-tag", help="Not those with this tag; repeatable.")]
NoFormats = Annotated[Names, typer.Option("--exclude-format", help="No files of this format; repeatable.")]
NoAuthors = Annotated[Names, typer.Option("--exclude-author", help="Not those of this author; repeatable.")]
NewestFirst = Annotated[bool, typer.Option("--newest-first", help="Books that were added last go first.")]
Check = Annotated[bool, typer.Option("--check", help="Only tell what would be done.")]
Books = Annotated[list[int] | None, typer.Argument(help="Numbers of books in Calibre.")]


@app.command()
def plan(
    context: typer.Context,
    library: Library = None,
    author: Authors = None,
    tag: Tags = None,
    language: Languages = None,
    format: Formats = None,
    id: Ids = None,
    exclude_tag: NoTags = None,
    exclude_format: NoFormats = None,
    exclude_author: NoAuthors = None,
    newest_first: NewestFirst = False,
    check: Check = False,
) -> None:
    """Read the library and write down what is to be uploaded. What was done stays done."""
    run = session.of(context)
    options = _options(
        run,
        {"library": library},
        selection=_selection(
            (author, tag, language, format, id), (exclude_author, exclude_tag, exclude_format), newest_first
        ),
        check=check,
    )
    with run.face.watching("Reading the library") as told:
        done = operations.plan(options, tell=lambda _what, count, of: told(count, of or None, ""))

    def show() -> None:
        shown.plan(run.face, done["plan"], check=check)
        shown.speed(run.face, done["status"])

    run.face.result(done, show)


@app.command()
def migrate(
    context: typer.Context,
    library: Library = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many processes work here.")] = 1,
    items: Annotated[int | None, typer.Option(min=1, help="End after so many books.")] = None,
    seconds: Annotated[str | None, typer.Option("--time", help="End after this long, such as 2h.")] = None,
    bandwidth: Annotated[
        str | None, typer.Option(help="Bytes per second of all workers, such as 10MB.")
    ] = None,
    hours: Annotated[str | None, typer.Option(help="Hours of the day, such as 22:00-06:30.")] = None,
    author: Authors = None,
    tag: Tags = None,
    language: Languages = None,
    format: Formats = None,
    id: Ids = None,
    exclude_tag: NoTags = None,
    exclude_format: NoFormats = None,
    exclude_author: NoAuthors = None,
    newest_first: NewestFirst = False,
    check: Check = False,
) -> None:
    """Plan, and upload here until all is done. Ctrl-C finishes what is in flight, twice ends at once."""
    run = session.of(context)
    with user_input():
        over = {
            "library": library,
            "bandwidth": None if bandwidth is None else parse_size(bandwidth),
            "hours": hours,
        }
        limit = None if seconds is None else parse_duration(seconds)
    options = _options(
        run,
        over,
        selection=_selection(
            (author, tag, language, format, id), (exclude_author, exclude_tag, exclude_format), newest_first
        ),
        check=check,
        items=items,
        seconds=limit,
        workers=workers,
    )
    stop, at_once = Event(), Event()
    with run.face.watching("Books") as told:
        done = stoppable(
            lambda: operations.run(
                options,
                tell=lambda what, count, of: told(0, None, f"{what}, {count} of {of}"),
                watch=lambda now: told(*shown.position(now)),
                say=run.face.note,
                stop=stop,
                at_once=at_once,
            ),
            stop,
            at_once,
        )
    run.face.result(done, lambda: shown.run(run.face, done, check=check))
    if not check and not done["finished"] and items is None and seconds is None:
        raise typer.Exit(session.TRANSIENT)


@app.command()
def work(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="Name of this worker, instead of workers.name.")] = "",
) -> None:
    """Be one worker until told to end: what the unit medialift-books-worker@N calls. SIGTERM drains."""
    run = session.of(context)
    settings = run.serve()
    name = name or working.name_here(settings)
    with Database.open(settings.database, name=of_worker(name)) as database:
        ended = working.work(settings, database, name)
    run.face.result(ended.to_dict(), lambda: run.face.note(f"{ended.why}: {ended.totals.items} books"))


@app.command()
def status(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, until all is done.")] = False,
    metrics: Annotated[bool, typer.Option("--metrics", help="As Prometheus reads it, instead.")] = False,
    metrics_file: Annotated[
        Path | None, typer.Option(help="Write it for node_exporter, to a name that ends in .prom.")
    ] = None,
) -> None:
    """How it stands: books, files and why, speed, time left, workers, slow uploads."""
    run = session.of(context)
    options = _options(run, {})
    now = _watched(run, options) if watch else operations.look(options)
    if metrics_file is not None:
        if metrics_file.suffix != ".prom":
            raise BadInput(
                "node_exporter reads files whose names end in .prom", str(metrics_file), "Name it so"
            )
        figures.write(metrics_file, [now])
    elif metrics:
        sys.stdout.write(figures.text([now]).decode())
    else:
        run.face.result(now.to_dict(), lambda: shown.status(run.face, now))


@app.command("list")
def list_files(
    context: typer.Context,
    account: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(ACCOUNTS)}; skipped and failed without.")
    ] = None,
    kind: Annotated[str, typer.Option(help="Only for this reason, such as 'too large'.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 1000,
) -> None:
    """Files that were skipped or failed, each with its reason."""
    run = session.of(context)
    wanted = account or ["skipped", "failed"]
    if unknown := [one for one in wanted if one not in ACCOUNTS]:
        raise BadInput("There is no such account", ", ".join(unknown), f"There are: {', '.join(ACCOUNTS)}")
    lines = operations.listing(_options(run, {}), wanted, kind=kind, limit=limit)
    run.face.result(
        lines,
        lambda: run.face.table(
            ["book #", "format", "what", "why", "size #", "in words"],
            [
                (
                    one["book"],
                    one["format"],
                    one["account"],
                    one["kind"],
                    format_size(one["size"]),
                    one["reason"],
                )
                for one in lines
            ],
        ),
    )


@app.command()
def verify(
    context: typer.Context,
    library: Library = None,
    author: Authors = None,
    tag: Tags = None,
    language: Languages = None,
    format: Formats = None,
    id: Ids = None,
    exclude_tag: NoTags = None,
    exclude_format: NoFormats = None,
    exclude_author: NoAuthors = None,
    server: Annotated[bool, typer.Option(help="Ask the book server too.")] = True,
) -> None:
    """Account for every file in Calibre, the ledger and on the server. Exit code 1 unless all adds up."""
    run = session.of(context)
    options = _options(
        run,
        {"library": library},
        selection=_selection(
            (author, tag, language, format, id), (exclude_author, exclude_tag, exclude_format), False
        ),
    )
    done = operations.verify(options, ask_server=server, say=run.face.note)
    run.face.result(done, lambda: shown.verdict(run.face, done))
    if not (done["adds_up"] and done["complete"]):
        raise typer.Exit(session.FAILED)


@app.command()
def retry(
    context: typer.Context,
    books: Books = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="All for this reason, such as 'too large'; repeatable.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that failed or was skipped.")] = False,
    check: Check = False,
) -> None:
    """Take up again what failed or was skipped: by book, by reason, or all of it."""
    run = session.of(context)
    with user_input():
        _one_of(books, kind, every)
    options = _options(run, {}, ids=tuple(books or ()), kinds=tuple(kind or ()), every=every, check=check)
    done = operations.retry(options)

    def show() -> None:
        run.face.line(f"{done['count']} books {'would be' if check else 'are'} tried again")
        if done["still_too_large"]:
            run.face.line(
                f"{done['still_too_large']} are larger still than books.max_upload: raise it and the server's"
            )
        shown.speed(run.face, done["status"])

    run.face.result(done, show)


@app.command()
def cancel(
    context: typer.Context,
    books: Books = None,
    every: Annotated[bool, typer.Option("--all", help="All that is not done.")] = False,
    why: Annotated[str, typer.Option(help="What is to be remembered about it.")] = "",
    check: Check = False,
) -> None:
    """Give up books that are not done. `retry` takes them up again, by number."""
    run = session.of(context)
    with user_input():
        _one_of(books, None, every)
    done = operations.cancel(_options(run, {}, ids=tuple(books or ()), every=every, why=why, check=check))
    run.face.result(
        done, lambda: run.face.line(f"{done['count']} books {'would be' if check else 'are'} cancelled")
    )


@app.command()
def pause(
    context: typer.Context, why: Annotated[str, typer.Option(help="What is to be remembered about it.")] = ""
) -> None:
    """Hold all workers of the library, on all hosts. What is in flight is finished."""
    run = session.of(context)
    done = operations.pause(_options(run, {}, why=why))
    run.face.result(done, lambda: run.face.line("paused" if done["changed"] else "it was paused already"))


@app.command()
def resume(context: typer.Context) -> None:
    """Let the workers go on."""
    run = session.of(context)
    done = operations.resume(_options(run, {}))
    run.face.result(done, lambda: run.face.line("resumed" if done["changed"] else "it was not paused"))


@app.command()
def drain(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Name of a worker; without, all.")] = None,
) -> None:
    """Have workers finish what they have in hand, and end. systemd starts its own again."""
    run = session.of(context)
    with Database.open(run.settings.database) as database:
        database.check()
        with database.engine.begin() as connection:
            asked = working_now.drain(connection, name=name, pipeline="books")
    run.face.result({"drained": asked}, lambda: run.face.line(", ".join(asked) or "no worker runs"))


@app.command()
def adopt(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder with migration_progress_worker*.json.")],
    check: Check = False,
) -> None:
    """Take over what the first script's progress files tell; the server must have each file."""
    run = session.of(context)
    done = operations.adopt(_options(run, {}, progress=folder, check=check), say=run.face.note)
    run.face.result(done, lambda: shown.adopted(run.face, done["adopted"]))


def _options(run: Session, over: dict[str, Any], **more: Any) -> Options:
    """What a command was given; wrong values are the user's (exit code 2)."""
    # Read once by the session, which logs and tells what is wrong with the file.
    run.loaded  # noqa: B018
    given = {name: str(value) for name, value in over.items() if value is not None}
    with user_input():
        options = replace(
            Options(config=run.config, origin="the command line", books=given),
            **{name: value for name, value in more.items() if value is not None},
        )
        options.read_settings()
    return options


def _selection(
    chosen: tuple[Names, Names, Names, Names, Names],
    excluded: tuple[Names, Names, Names],
    newest_first: bool,
) -> dict[str, Any]:
    kinds = ("authors", "tags", "languages", "formats", "ids")
    wanted: dict[str, Any] = {kind: names for kind, names in zip(kinds, chosen, strict=True) if names}
    left = {
        kind: names for kind, names in zip(("authors", "tags", "formats"), excluded, strict=True) if names
    }
    if left:
        wanted["exclude"] = left
    if newest_first:
        wanted["newest_first"] = True
    return wanted


def _one_of(books: list[int] | None, kinds: Names, every: bool) -> None:
    if sum(map(bool, (books, kinds, every))) != 1:
        raise Permanent("Name books, or reasons, or --all", "", "Exactly one of them")


def _watched(run: Session, options: Options) -> Status:
    """Show it until every book has ended, or until Ctrl-C."""
    stop = Event()

    def go() -> Status:
        while True:
            began = time.monotonic()
            now = operations.look(options)
            told(*shown.position(now))
            took = time.monotonic() - began
            if now.finished or stop.wait(max(1.0, 10 * took)):
                return now

    with run.face.watching("Books") as told:
        return stoppable(go, stop)
