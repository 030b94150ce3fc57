"""`make demo-books`: a Calibre library goes into MyBookshelf2 by eight workers on two machines.

    python -m sandbox.demo_books                 about 600 books
    python -m sandbox.demo_books --books 2000    more of them

What a playbook prints goes to `artifacts/demo-books/ansible.log`; the terminal shows one line per step, a bar
while books are brought over, and in the end what became of every file. VERBOSE=1 shows everything.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from medialift.foundation.units import format_duration, format_size
from sandbox import books, world
from sandbox.calibre import Library, bulk
from sandbox.calibre.odd import add_odd
from sandbox.demo import REPO, Demo, StepFailed
from sandbox.docker import docker
from sandbox.settings import BOOKS_NAME, Settings

LOOK_EVERY = 1.0
EXTRACTION = 0.05
"""Seconds. The real server's ebook-meta takes 0.6 s."""


def make_library(folder: Path, count: int) -> None:
    """A library of so many books with their files, and one of each odd kind."""
    shutil.rmtree(folder, ignore_errors=True)
    bulk.fill(folder, count, files=True)
    with Library(folder) as library:
        add_odd(library)


def run(demo: Demo, count: int) -> None:
    """The story: two new machines, a library, a server with its workers, and the way over."""
    settings = Settings.load()
    library = settings.state / "calibre"
    demo.step("sandbox: engine, images and registry are up", lambda: world.up(with_home=False))
    demo.step("two machines start from nothing", lambda: books.reset(settings))
    demo.step(f"a Calibre library of {count} books and some odd ones", lambda: make_library(library, count))
    demo.step("both machines see it", lambda: books.bring_library(library, settings))
    demo.step("MyBookshelf2, ledger and 2 x 4 workers (bookshelf.yml)", lambda: demo.playbook("bookshelf"))
    demo.step(f"the server takes {EXTRACTION} s for a book's metadata", slow_down)
    migrate(demo)
    demo.step("once more: nothing is left to do", lambda: demo.playbook("books_migrate"))


def slow_down() -> None:
    """Have the stand-in work as hard for a book as a fast server would: by itself it takes no time at all."""
    change = json.dumps({"metadata_seconds": EXTRACTION})
    docker(
        *("exec", BOOKS_NAME, "docker", "exec", "mybookshelf2-backend"),
        *("standin", "PATCH", "", change),
    )


def migrate(demo: Demo) -> None:
    """Play books_migrate.yml to its end, and draw a bar meanwhile."""
    begun = time.monotonic()
    with ThreadPoolExecutor(max_workers=1) as pool:
        playing = pool.submit(demo.playbook, "books_migrate", extra={"books_migrate_poll": "2s"})
        watch(demo, playing)
    seconds = time.monotonic() - begun
    try:
        playing.result()
    except StepFailed:
        demo.console.print(
            f"[red]✗[/red] {seconds:6.1f} s  plan, migrate, compare and report (books_migrate.yml)"
        )
        raise
    demo.console.print(
        f"[green]✓[/green] {seconds:6.1f} s  plan, migrate, compare and report (books_migrate.yml)"
    )


def status() -> dict[str, Any]:
    """How it stands, as `medialift books status` on the first machine tells it."""
    told = docker(
        *("exec", BOOKS_NAME, "/opt/medialift/current/bin/medialift", "--json"),
        *("--config", "/etc/medialift/books.toml", "books", "status"),
    )
    found: dict[str, Any] = json.loads(told)
    return found


def watch(demo: Demo, playing: Future[None]) -> None:
    """Draw a bar until the playbook has ended, however that is."""
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(bar_width=36),
        MofNCompleteColumn(),
        TextColumn("books"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[speed]}"),
    )
    with Progress(*columns, console=demo.console) as bar:
        task = bar.add_task("reading the library", total=None, speed="")
        while not playing.done():
            told = status()
            items = told["items"]
            if items["total"] and not told["finished"]:
                working = sum(worker["state"] == "running" for worker in told["workers"])
                bar.update(task, description=f"{working} workers", speed=told["speed"]["sentence"])
            elif told["finished"]:
                bar.update(task, description="comparing", speed="")
            bar.update(
                task,
                completed=sum(items[state] for state in ("done", "skipped", "failed", "cancelled")),
                total=items["total"] or None,
            )
            wait([playing], timeout=LOOK_EVERY)


def show(demo: Demo) -> None:
    """Print what became of every file, who did it, and where the report is."""
    report = json.loads((demo.artifacts / "books-report.json").read_text(encoding="utf-8"))
    table = Table(title="What became of every file")
    table.add_column("account")
    table.add_column("files", justify="right")
    table.add_column("why")
    for account, files, why in report["rows"]:
        table.add_row(account, str(files), why)
    demo.console.print(table)
    for worker in report["status"]["workers"]:
        demo.console.print(
            f"  {worker['name']:<18} {worker['items']:>6} books {worker['files']:>6} files "
            f"{format_size(float(worker['bytes'])):>10}"
        )
    verdict = report["verify"]
    adds_up = "the numbers add up" if verdict["adds_up"] else "; ".join(verdict["wrong"])
    demo.console.print(f"library, ledger and server: {adds_up}")
    demo.console.print(f"report: {demo.artifacts / 'books-report.txt'} and books-report.json")
    demo.console.print(
        f"outcome: {report['outcome']} after {format_duration(time.monotonic() - demo.started)}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make demo-books", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--books", type=int, default=600, help="books to make (10 to 100000)")
    parser.add_argument("--artifacts", type=Path, default=REPO / "artifacts/demo-books")
    options = parser.parse_args()
    if not 10 <= options.books <= 100_000:
        parser.error("--books must lie between 10 and 100000")
    shutil.rmtree(options.artifacts, ignore_errors=True)
    options.artifacts.mkdir(parents=True)
    demo = Demo("books", options.artifacts, options.books, Console(highlight=False, soft_wrap=True))
    try:
        run(demo, options.books)
    except KeyboardInterrupt:
        demo.console.print("[yellow]Interrupted. Run `make demo-books` again: it starts anew.[/yellow]")
        return 130
    except Exception as failure:
        demo.console.print(f"{type(failure).__name__}: {failure}", markup=False)
        return 1
    show(demo)
    return 0


if __name__ == "__main__":
    sys.exit(main())
