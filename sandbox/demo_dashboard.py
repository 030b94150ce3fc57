"""`make demo-dashboard`: a house in which everything runs, and the dashboard that shows it.

    python -m sandbox.demo_dashboard                 then open the address that it prints; Ctrl-C ends it
    python -m sandbox.demo_dashboard --once          look at every page, and end
    python -m sandbox.demo_dashboard --books 2000    a larger library

It needs no Docker: the ledger is a PostgreSQL in a folder; MyBookshelf2, Audible, Audnexus and Jellyfin are
stand-ins, in some of which something is wrong on purpose. Books are really brought over by two workers, which
go on while you look. The settings are in `artifacts/demo-dashboard/medialift.toml`: every command works
beside the dashboard, such as `medialift --config FILE books status`.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx

from filter_plugins.toml import to_toml
from medialift import settings as settings_of
from medialift.audiobooks import operations as audiobook_operations
from medialift.books import operations as book_operations
from medialift.books.options import Options
from medialift.errors import MedialiftError
from medialift.foundation.units import format_duration
from medialift.foundation.waiting import SystemClock
from medialift.queueing import workers
from medialift.queueing.database import Database
from medialift.settings import Settings
from medialift.web.access import people, tokens
from medialift.web.navigation import PLACES
from medialift.web.server import serving
from sandbox import steps
from sandbox.house import audiobooks, books, bursts, healing, notices, posters
from sandbox.house.books import Played
from sandbox.jellyfin.server import Jellyfin
from sandbox.mybookshelf.running import Standin, running
from sandbox.steps import Steps

REPO = Path(__file__).resolve().parent.parent
NAME, PASSWORD = "demo", "this is only a demo"
_EXTRACTION = 4.0
"""Seconds that the book server takes for one book, once the pages are there to be looked at."""
_REFUSED = "POST /api/ebooks$"
_BEAT_SECONDS = 5.0
_LOOK_SECONDS = 30.0


@dataclass
class Demo(Steps):
    """One run: its folder, how many books, and where the dashboard is."""

    folder: Path
    books: int
    port: int
    address: str = ""
    stop: Event = field(default_factory=Event)

    @property
    def file(self) -> Path:
        return self.folder / "medialift.toml"


@contextmanager
def world(demo: Demo) -> Iterator[tuple[Settings, Standin, Jellyfin]]:
    """The stand-ins, and the settings that lead to them."""
    with ExitStack() as stack:
        catalogue = stack.enter_context(audiobooks.catalogue())
        bookshelf = stack.enter_context(running(demo.folder / "bookshelf"))
        jellyfin, jellyfin_url = stack.enter_context(posters.server())
        _, notify = stack.enter_context(notices.listener())
        told: dict[str, Any] = {
            "database": {"embedded": str(demo.folder / "ledger")},
            "books": {
                "library": str(demo.folder / "calibre"),
                "collection": books.COLLECTION,
                "server": bookshelf.url,
                "socket": bookshelf.ws_url,
                "user": bookshelf.user,
                "password": bookshelf.password,
                "attempts": 1,
                "parallel_uploads": 2,
            },
            "audiobooks": audiobooks.settings(demo.folder / "audiobooks", catalogue),
            "posters": posters.settings(demo.folder / "posters", jellyfin_url),
            "diagnostics": {"folder": str(demo.folder / "diagnostics"), "batch_debug": True},
            "notify": notify,
            "dashboard": {"port": demo.port},
        }
        demo.file.touch(mode=0o600)
        demo.file.write_text(to_toml(told), encoding="utf-8")
        yield settings_of.load(demo.file).settings, bookshelf, jellyfin


def run(demo: Demo, *, once: bool) -> None:
    """Fill the house, show it, and wait until somebody has seen enough."""
    with world(demo) as (given, bookshelf, jellyfin), Database.open(given.database) as database:
        with demo.step(f"a Calibre library of {demo.books} books, some odd ones, two with scripts as names"):
            books.library(demo.folder / "calibre", demo.books, files=True)
        with demo.step("more than half of them go into MyBookshelf2, which refuses some"):
            _migrate(demo, bookshelf)
        with demo.step("five audiobooks: one is in the library, one asks a question, two are broken"):
            _take_in(demo, given)
        with demo.step("posters from a Jellyfin that is busy, hangs up, and has damaged pictures"):
            _bring_posters(demo, given, jellyfin)
        with demo.step("the healing remembers a worker that hung, and one that nothing helped"):
            crew = [Played.register(database, f"attic-books@{number}", host="attic") for number in (1, 2, 3)]
            healing.history_of(database, crew)
        with database.engine.begin() as connection:
            people.add(connection, NAME, PASSWORD, "admin", who="the demo")
            token, _ = tokens.create(connection, "controller", "act", who="the demo")
        with serving(given, database) as demo.address:
            with demo.step("three bursts of Plex are told: one went well, one failed, one is under way"):
                demo.expect(bursts.posted(demo.address, token), "nothing of the bursts was taken")
            with demo.step("every page answers"):
                _look(demo)
            with demo.step("its figures are those of the commands"):
                _compare(demo, token)
            if not once:
                _show(demo, database, bookshelf, crew)


def _migrate(demo: Demo, bookshelf: Standin) -> None:
    bookshelf.switches.fault("status", match=_REFUSED, every=20, times=4, status=422)
    done = book_operations.run(Options(config=demo.file, workers=2, items=demo.books * 3 // 5))
    bookshelf.switches.lift()
    counts = done["status"]["items"]
    demo.expect(counts["done"] > demo.books / 2, f"only {counts['done']} books are done")
    demo.expect(0 < counts["failed"] <= 8, f"{counts['failed']} books failed, and a few were to")
    demo.expect(counts["ready"], "nothing is left to do: no queue would move")


def _take_in(demo: Demo, given: Settings) -> None:
    audiobooks.stock(demo.folder / "audiobooks/inbox")
    status = audiobook_operations.once(given)["status"]
    states = sorted(one["state"] for one in status["for_person"])
    demo.expect(states == ["failed", "failed", "person"], f"for a person there are {states}")


def _bring_posters(demo: Demo, given: Settings, jellyfin: Jellyfin) -> None:
    (batch,) = posters.brought(given, jellyfin, busy=True)["status"]["batches"]
    demo.expect(batch["states"].get("failed") == posters.DAMAGED, f"posters ended as {batch['states']}")


def _look(demo: Demo) -> None:
    """Log in as a browser does, and open every place."""
    with httpx.Client(base_url=demo.address, follow_redirects=True, timeout=_LOOK_SECONDS) as client:
        logged_in = client.post("/login", data={"name": NAME, "password": PASSWORD})
        demo.expect(logged_in.status_code == 200, f"nobody can log in: {logged_in.status_code}")
        for place in PLACES:
            answer = client.get(place.path)
            demo.expect(answer.status_code == 200, f"{place.title}: {place.path} says {answer.status_code}")
            demo.expect("<h1" in answer.text, f"{place.title}: {place.path} is no page")


def _compare(demo: Demo, token: str) -> None:
    """What the API tells, beside what the commands tell of the same."""
    bearer = {"Authorization": f"Bearer {token}"}
    told = httpx.get(f"{demo.address}/api/v1/status", headers=bearer, timeout=_LOOK_SECONDS).json()
    items = {one["pipeline"]: one["items"] for one in told["queues"]}
    book_status = book_operations.status(Options(config=demo.file))["status"]
    by_command = {name: items["books"].get(name) for name in book_status["items"]}
    demo.expect(by_command == book_status["items"], f"books: {by_command} and {book_status['items']}")
    given = settings_of.load(demo.file).settings
    audiobook_status = audiobook_operations.status(given)["status"]
    depth: dict[str, int] = {}
    for stage in audiobook_status["queue_depth"].values():
        for state, count in stage.items():
            depth[state] = depth.get(state, 0) + count
    shown = {state: items["audiobooks"].get(state) for state in depth}
    demo.expect(shown == depth, f"audiobooks: {shown} and {depth}")


def _show(demo: Demo, database: Database, bookshelf: Standin, crew: list[Played]) -> None:
    """Serve until Ctrl-C; meanwhile the rest of the books is brought over, slowly."""
    bookshelf.switches.set(metadata_seconds=_EXTRACTION)
    with _beside(demo, lambda: _go_on(demo)), _beside(demo, lambda: _beat(demo, database, crew)):
        demo.console.print(f"\n[bold]{demo.address}[/bold]   name: {NAME}   password: {PASSWORD}")
        demo.console.print("Ctrl-C ends it.")
        demo.stop.wait()


def _go_on(demo: Demo) -> None:
    try:
        book_operations.run(Options(config=demo.file, workers=2), stop=demo.stop)
    except MedialiftError as error:
        demo.console.print(f"The books do not go on: {error}", markup=False)


def _beat(demo: Demo, database: Database, crew: list[Played]) -> None:
    """The workers of the other host go on living."""
    clock = SystemClock()
    while not demo.stop.is_set():
        with database.engine.begin() as connection:
            for worker in crew:
                workers.beat(connection, worker.me, phase="uploading")
        clock.sleep(_BEAT_SECONDS, demo.stop)


@contextmanager
def _beside(demo: Demo, work: Callable[[], None]) -> Iterator[None]:
    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        demo.stop.set()
        thread.join(30)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; 0 when everything came out as it must."""
    parser = argparse.ArgumentParser(
        prog="make demo-dashboard", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--once", action="store_true", help="look at every page, and end")
    parser.add_argument("--books", type=int, default=300, help="books to make (50 to 100000)")
    parser.add_argument("--port", type=int, default=8790, help="of the dashboard; 0: any free one")
    parser.add_argument("--artifacts", type=Path, default=REPO / "artifacts/demo-dashboard")
    options = parser.parse_args(arguments)
    if not 50 <= options.books <= 100_000:
        parser.error("--books must lie between 50 and 100000")
    shutil.rmtree(options.artifacts, ignore_errors=True)
    options.artifacts.mkdir(parents=True)
    logging.basicConfig(
        filename=options.artifacts / "dashboard.log",
        level=logging.INFO,
        format="%(asctime)s %(name)s %(message)s",
    )
    demo = Demo(steps.console(), options.artifacts.resolve(), options.books, options.port)
    try:
        run(demo, once=options.once)
    except KeyboardInterrupt:
        demo.console.print("Ended. Run `make demo-dashboard` again: it starts anew.")
        return 1 if demo.wrong else 0
    except Exception as failure:
        demo.console.print(f"{type(failure).__name__}: {failure}", markup=False)
        return 1
    for one in demo.wrong:
        demo.console.print(f"✗ {one}", markup=False)
    verdict = "as it must be" if not demo.wrong else f"{len(demo.wrong)} things are otherwise"
    spent = format_duration(time.monotonic() - demo.started)
    demo.console.print(f"outcome: {verdict}, after {spent}")
    return 1 if demo.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
