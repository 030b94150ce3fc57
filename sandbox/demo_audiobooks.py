"""`make demo-audiobooks`: an inbox of ten kinds of audiobook goes into two libraries, and two must fail.

    python -m sandbox.demo_audiobooks                 the whole story
    python -m sandbox.demo_audiobooks --kind cbr …    only these kinds

It needs no Docker: the ledger is a PostgreSQL in a folder, Audible, Audnexus, Audiobookshelf and Jellyfin are
stand-ins of this process, and the books are spoken here. The terminal shows one line per step, a bar while
the books are made, where each of them lies, and of those that failed why. The exit code is 1 when anything
came out otherwise than it must. What the service logs goes to `artifacts/demo-audiobooks/service.log`.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mutagen.mp4 import MP4
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from medialift.audiobooks import manifest, operations
from medialift.audiobooks.status import Status
from medialift.foundation.units import format_duration
from medialift.queueing.database import Database
from medialift.settings import Settings
from sandbox import audiobookshelf, jellyfin, steps
from sandbox.audible.editions import Edition
from sandbox.audible.server import StandIn, serve
from sandbox.audiobooks.shelf import KINDS, VOLUMES, Volume, stock
from sandbox.audiobookshelf.server import Audiobookshelf
from sandbox.bookservers import BookServer, served
from sandbox.jellyfin.server import Jellyfin
from sandbox.steps import Steps

REPO = Path(__file__).resolve().parent.parent
SECONDS = 4.0
"""How long one part of a book plays."""


@dataclass
class Demo(Steps):
    """One run: its folders, what is in the inbox, and what came out otherwise than it must."""

    folder: Path
    kinds: tuple[str, ...]
    volumes: list[Volume] = field(default_factory=list)
    asked: dict[str, BookServer] = field(default_factory=dict)

    @property
    def library(self) -> Path:
        return self.folder / "library"

    @property
    def second(self) -> Path:
        return self.folder / "second library"


def edition(volume: Volume) -> Edition:
    """The book as the catalogue has it."""
    return Edition(
        asin=volume.asin,
        title=volume.title,
        authors=(volume.author,),
        narrators=(volume.narrator,),
        seconds=SECONDS * max(1, volume.chapters),
        series=((volume.series, volume.number, "B0DEMOSERI"),) if volume.series else (),
    )


@contextmanager
def world(demo: Demo) -> Iterator[Settings]:
    """The stand-ins, and the settings that lead to them."""
    catalogue = StandIn()
    catalogue.add(*map(edition, VOLUMES))
    with ExitStack() as stack:
        server = serve(catalogue)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        shelf = demo.asked["shelf"] = Audiobookshelf({"main": demo.library})
        films = demo.asked["films"] = Jellyfin(demo.second)
        shelf_url, films_url = stack.enter_context(served(shelf)), stack.enter_context(served(films))
        yield settings(demo, f"http://127.0.0.1:{server.server_address[1]}", shelf_url, films_url)


def settings(demo: Demo, catalogue: str, shelf: str, films: str) -> Settings:
    """Two libraries on this file system: copies for one server, hard links for the other."""
    for library in (demo.library, demo.second):
        library.mkdir(parents=True)
    folders = ("inbox", "converted", "archive", "failed", "backup", "work", "cache")
    for name in folders:
        (demo.folder / name).mkdir(exist_ok=True)
    told: dict[str, Any] = {
        **{name: str(demo.folder / name) for name in folders if name not in ("backup", "cache")},
        "backup_folder": str(demo.folder / "backup"),
        "wait": 0.2,
        "retry_base": 0.1,
        "health_port": 0,
        "destinations": {
            "shelf": {
                "path": str(demo.library),
                "rescan": "audiobookshelf",
                "rescan_url": shelf,
                "rescan_library": "main",
                "rescan_token_file": str(_token(demo, "shelf", audiobookshelf.TOKEN)),
            },
            "films": {
                "path": str(demo.second),
                "transfer": "hardlink",
                "rescan": "jellyfin",
                "rescan_url": films,
                "rescan_token_file": str(_token(demo, "films", jellyfin.API_KEY)),
            },
        },
        "tagging": {
            "audible_url": f"{catalogue}/{{tld}}",
            "audnexus_url": f"{catalogue}/audnexus",
            "cache": str(demo.folder / "cache"),
        },
    }
    return Settings.model_validate(
        {
            "database": {"embedded": str(demo.folder / "ledger")},
            "audiobooks": told,
            "workers": {"name": "demo"},
        }
    )


def _token(demo: Demo, name: str, token: str) -> Path:
    path = demo.folder / f"{name}.token"
    path.touch(mode=0o600)
    path.write_text(token)
    return path


def intake(demo: Demo, given: Settings) -> dict[str, Any]:
    """Take in what lies in the inbox, with a bar for each stage."""
    finished = sum(not one.fails for one in demo.volumes)
    columns = (
        TextColumn("  {task.description:<10}"),
        BarColumn(bar_width=36),
        MofNCompleteColumn(),
        TextColumn("books"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[at]}"),
    )
    with Progress(
        *columns, console=demo.console, transient=True, disable=not demo.console.is_terminal
    ) as bar:
        tasks = {
            "converted": bar.add_task("converted", total=len(demo.volumes), at=""),
            "tagged": bar.add_task("tagged", total=finished, at=""),
            "delivered": bar.add_task("delivered", total=finished, at=""),
        }

        def watch(status: Status) -> None:
            figures = status.figures
            at = ", ".join(one.name for one in status.working)[:60]
            bar.update(
                tasks["converted"], completed=figures.lifetime.converted + figures.lifetime.failed, at=at
            )
            bar.update(tasks["tagged"], completed=figures.tagging.tagged)
            bar.update(tasks["delivered"], completed=min(finished, figures.delivered))

        return operations.once(given, watch=watch)


@dataclass(frozen=True)
class Seen:
    """A finished book as its file says it is."""

    title: str
    author: str
    narrator: str
    asin: str
    series: str
    chapters: int
    seconds: float
    cover: bool


def seen(path: Path) -> Seen:
    """What a player shows of a file."""
    book = MP4(path)
    tags: Mapping[str, Any] = book.tags or {}

    def first(atom: str) -> str:
        values = tags.get(atom) or [""]
        value = values[0]
        return bytes(value).decode() if isinstance(value, bytes) else str(value)

    own = "----:com.apple.iTunes:"
    return Seen(
        first("©nam"),
        first("aART"),
        first("©wrt"),
        first(f"{own}ASIN"),
        " ".join(filter(None, (first(f"{own}SERIES"), first(f"{own}SERIES-PART")))),
        len(book.chapters or ()),
        book.info.length,
        bool(tags.get("covr")),
    )


def conversions(converted: Path) -> dict[str, str]:
    """{where the sources lay in the inbox: how they became one file}, as the manifests tell."""
    manifests = [manifest.read(path) for path in converted.iterdir() if path.is_dir()]
    return {one.sources.key: one.conversion.kind for one in manifests}


def look(demo: Demo) -> Table:
    """Compare each book with what it was to become; the table of those that came through."""
    table = Table(title="Books in the library")
    for column in ("kind", "where it lies", "its tags"):
        table.add_column(column, overflow="fold")
    for column in ("chapters", "plays", "how"):
        table.add_column(column, justify="right")
    how = conversions(demo.folder / "converted")
    for volume in demo.volumes:
        if volume.fails:
            continue
        path = demo.library / volume.place
        if not path.is_file():
            demo.expect(False, f"{volume.told}: {volume.place} is not in the library")
            continue
        book = seen(path)
        told = (volume.title, volume.author, volume.narrator, volume.asin, volume.chapters)
        found = (book.title, book.author, book.narrator, book.asin, book.chapters)
        demo.expect(found == told, f"{volume.told}: its file says {found}, and not {told}")
        long = SECONDS * volume.chapters
        demo.expect(
            abs(book.seconds - long) < 0.1, f"{volume.told}: it plays {book.seconds:.3f} s, and not {long}"
        )
        demo.expect(book.cover, f"{volume.told}: it has no cover")
        done = how.get(volume.folder, "")
        demo.expect(done == volume.how, f"{volume.told}: {done or 'no manifest'}, and not {volume.how}")
        linked = demo.second / volume.place
        demo.expect(linked.is_file(), f"{volume.told}: it is not in the second library")
        demo.expect(
            not (demo.folder / "inbox" / volume.folder).exists(), f"{volume.told}: still in the inbox"
        )
        table.add_row(
            volume.told,
            volume.place.rpartition("/")[0],
            f"{book.author}, read by {book.narrator}, {book.asin}"
            + (f", {book.series}" if book.series else ""),
            str(book.chapters),
            f"{book.seconds:.1f} s",
            done.replace("_", " "),
        )
    return table


def failures(demo: Demo, status: Mapping[str, Any]) -> Table:
    """Those that failed, each with its reason and where it is now: none of them silently."""
    table = Table(title="Books that failed, and why")
    for column in ("kind", "book", "why", "where it is now"):
        table.add_column(column, overflow="fold")
    failed = {one["name"]: one for one in status["for_person"] if one["stage"] == "convert"}
    for volume in demo.volumes:
        found = failed.pop(volume.folder, None)
        if not volume.fails:
            demo.expect(found is None, f"{volume.told}: it failed: {(found or {}).get('why')}")
            continue
        if found is None:
            demo.expect(False, f"{volume.told}: nothing says that it failed")
            continue
        demo.expect(volume.why in found["why"].lower(), f"{volume.told}: another reason: {found['why']}")
        there = Path(found["put_aside"]) if found["put_aside"] else None
        said = there is not None and any(there.rglob("FAILED_INFO.txt"))
        demo.expect(said, f"{volume.told}: no FAILED_INFO.txt says why")
        where = str(there.relative_to(demo.folder)) if there is not None else "still in the inbox"
        why = found["why"].replace(f"{demo.folder}/", "")
        table.add_row(volume.told, volume.folder, why, where)
    for name, found in failed.items():
        demo.expect(False, f"{name}: {found['state']}: {found['why']}")
    return table


def run(demo: Demo) -> None:
    """The story: an inbox, what is made of it, and once more, when there is nothing left to do."""
    # The ledger is held from the first look to the last: it starts once.
    with world(demo) as given, Database.open(given.database):
        with demo.step("books are spoken and lie in the inbox"):
            demo.volumes = stock(demo.folder / "inbox", demo.kinds, seconds=SECONDS)
        with demo.step("they are converted, proven, tagged and delivered (medialift audiobooks once)"):
            done = intake(demo, given)
            demo.expect(done["found"] == len(demo.volumes), f"{done['found']} books were found")
        with demo.step("each is looked at in the library"):
            table = look(demo)
            failed = failures(demo, done["status"])
        with demo.step("both servers were told, and see them"):
            _servers(demo)
        with demo.step("once more: nothing is left to do"):
            again = operations.once(given)
            demo.expect(not again["changed"], f"a second run did something: {again['ended']}")
    if table.row_count:
        demo.console.print(table)
    if failed.row_count:
        demo.console.print(failed)


def _servers(demo: Demo) -> None:
    for name, path in (("shelf", "/api/libraries/main/scan"), ("films", "/Library/Refresh")):
        asked = [one.path for one in demo.asked[name].calls if one.method == "POST"]
        demo.expect(path in asked, f"{name} was never told to look: {asked}")


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; 0 when everything came out as it must."""
    parser = argparse.ArgumentParser(
        prog="make demo-audiobooks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kind", action="append", choices=KINDS, help="only these kinds; may be given again")
    parser.add_argument("--artifacts", type=Path, default=REPO / "artifacts/demo-audiobooks")
    options = parser.parse_args(arguments)
    shutil.rmtree(options.artifacts, ignore_errors=True)
    options.artifacts.mkdir(parents=True)
    logging.basicConfig(
        filename=options.artifacts / "service.log",
        level=logging.INFO,
        format="%(asctime)s %(name)s %(message)s",
    )
    console = steps.console()
    demo = Demo(console, options.artifacts.resolve(), tuple(options.kind or KINDS))
    try:
        run(demo)
    except KeyboardInterrupt:
        console.print("[yellow]Interrupted. Run `make demo-audiobooks` again: it starts anew.[/yellow]")
        return 130
    except Exception as failure:
        console.print(f"{type(failure).__name__}: {failure}", markup=False)
        return 1
    for one in demo.wrong:
        console.print(f"[red]✗[/red] {one}", markup=True)
    through = sum(not one.fails for one in demo.volumes)
    console.print(f"library: {demo.library}")
    verdict = (
        "as it must be" if not demo.wrong else f"{len(demo.wrong)} things are otherwise than they must be"
    )
    console.print(
        f"outcome: {through} books came through and {len(demo.volumes) - through} failed with a reason, "
        f"{verdict}, after {format_duration(time.monotonic() - demo.started)}"
    )
    return 1 if demo.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
