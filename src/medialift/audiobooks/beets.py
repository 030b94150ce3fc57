"""beets with beets-audible as the tagger: run on a copy of a book, in a world of its own, and checked.

What its versions 2.14.1 and 1.7.1 do, and what is done about it here:

- A book that was skipped ends with exit code 0: the tags and its database are read afterwards.
- A badly tagged file is skipped even when its ASIN is given: `match.strong_rec_thresh` is 1.
- A 404 on the chapters, an answer without a summary or a rate limit skips the whole book: it is then given
  what is known already as a metadata.yml, which beets-audible reads instead of asking anybody.
- Its fetching of covers ends in a traceback with embedart: the cover is not beets' business here.
- It knows no SUBTITLE of an M4B, RELEASETIME, ISBN, …, leaves an old movement number where the part is none,
  and writes empty atoms: our own writer completes and clears its work (`tag_writing`).
- Its services are constants in its code: a small plug-in of ours, loaded before it, sets them.
- It asks the web for the list of public suffixes at each start: that plug-in forbids it.
- Its requests have no time limit: the whole run has one.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medialift.audiobooks import tags as atoms
from medialift.audiobooks.metadata.model import Metadata
from medialift.audiobooks.time_left import TimeLeft
from medialift.errors import Permanent, Transient
from medialift.foundation import process
from medialift.settings import TaggingSettings

FOLDER_PREFIX = ".beets-"
_PLUGINS = Path(__file__).with_name("beets_plugin")
# beets-audible needs a date: where none is known, what it writes of this one is taken away again.
_NO_DATE = "1900-01-01"
_NO_SERVICES: dict[str, Any] = {"audible": {}, "audnexus": ""}
_REGIONS = ("au", "ca", "de", "es", "fr", "in", "it", "jp", "us", "uk")
_TLDS = {"au": "com.au", "us": "com", "uk": "co.uk", "jp": "co.jp"}
# The answers of the services may take so much of the time that is left; without them it takes seconds.
_SHARE = 0.5


@dataclass(frozen=True)
class Outcome:
    """What beets did.

    Attributes:
        asked: it found the book by itself; otherwise it wrote what it was told.
        problems: what went wrong on the way and did not matter, a sentence each.
    """

    asked: bool
    problems: tuple[str, ...] = ()


def tag(book: Path, known: Metadata, settings: TaggingSettings, *, left: TimeLeft) -> Outcome:
    """Have beets tag a book in place.

    Args:
        book: a copy that may be lost: whoever calls compares its sound and chapters afterwards.
        known: which book it is. With an ASIN beets fetches the rest by itself.

    Raises:
        Permanent: beets or beets-audible is not installed, or did not tag the book.
        Transient: out of time, or stopped.
    """
    problems: tuple[str, ...] = ()
    with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX, dir=book.parent) as name:
        world = _World(Path(name), settings, left)
        inside = world.take(book)
        try:
            if known.asin and (known.region or settings.region) in _REGIONS:
                try:
                    why = world.by_asin(inside, known)
                except Transient as error:
                    left.seconds()  # it was not only beets' share of the time that is over
                    why = error.what
                if not why:
                    return Outcome(True)
                problems = (f"beets did not tag the book by its ASIN ({why}): it was told what is known",)
            if why := world.by_metadata(inside, known):
                raise Permanent(
                    f"beets did not tag the book: {why}",
                    book.name,
                    "Try `tagger: own`, or run beet with --verbose on a copy",
                )
            return Outcome(False, problems)
        finally:
            inside.replace(book)


class _World:
    """A folder with a configuration, a database and one book, which nothing else knows of."""

    def __init__(self, root: Path, settings: TaggingSettings, left: TimeLeft) -> None:
        self._root, self._settings, self._left = root, settings, left
        self._folder = root / "in" / "book"
        self._folder.mkdir(parents=True)

    def take(self, book: Path) -> Path:
        """Move the book in; its new path, which no name of a book can upset."""
        return book.rename(self._folder / "book.m4b")

    def by_asin(self, book: Path, known: Metadata) -> str:
        """Let beets ask for the book; why it did not tag it, "" when it did."""
        seconds = self._left.seconds() * _SHARE
        why = self._import("asin", known, seconds, "-S", known.asin)
        held = atoms.read(book).get(atoms.FREEFORM + "ASIN", "")
        return why or ("" if held == known.asin else f"the file holds the ASIN {held or 'of no book'}")

    def by_metadata(self, book: Path, known: Metadata) -> str:
        """Tell beets what is known; why it did not tag the book, "" when it did."""
        told = yaml.safe_dump(_told(known), allow_unicode=True, sort_keys=False)
        (self._folder / "metadata.yml").write_text(told, encoding="utf-8")
        why = self._import("told", known, self._left.seconds())
        if not known.release_date and not known.year:
            _forget_date(book)
        held = atoms.read(book).get("\xa9alb", "")
        return why or ("" if held == known.title.strip() else f"the file holds the title {held!r}")

    def _import(self, name: str, known: Metadata, seconds: float, *words: str) -> str:
        config, library = self._root / f"{name}.yaml", self._root / f"{name}.db"
        config.write_text(yaml.safe_dump(self._config(library, known)), encoding="utf-8")
        done = process.run(
            [self._settings.beet, "-c", str(config), "import", "-q", *words, str(self._folder)],
            timeout=seconds,
            stop=self._left.stop,
            env=_alone(self._root),
        )
        if done.ok and _imported(library):
            return ""
        said = [line.strip() for line in (done.err + "\n" + done.out).splitlines() if line.strip()]
        last = said[-1] if said else "it said nothing"
        return f"exit code {done.rc}: {last}" if not done.ok else f"it skipped it: {last}"

    def _config(self, library: Path, known: Metadata) -> dict[str, Any]:
        settings = self._settings
        return {
            "directory": str(self._root / "out"),
            "library": str(library),
            "plugins": ["medialift_services", "audible"],
            "pluginpath": [str(_PLUGINS)],
            "import": {"copy": False, "move": False, "write": True, "resume": False, "incremental": False},
            "match": {"strong_rec_thresh": 1.0},
            "ui": {"color": False},
            "audible": {
                "region": known.region if known.region in _REGIONS else "us",
                "fetch_art": False,
                "match_chapters": False,
                "write_description_file": False,
                "write_reader_file": False,
            },
            "medialift_services": {
                "audible": {
                    region: settings.audible_url.replace("{tld}", _TLDS.get(region, region))
                    + "/1.0/catalog/products"
                    for region in _REGIONS
                },
                "audnexus": settings.audnexus_url,
            },
        }


def missing(beet: str, *, timeout: float = 30.0) -> str:
    """What is wrong with the installation of beets, "" when it can be used; for `validate` and /health."""
    with tempfile.TemporaryDirectory(prefix="medialift-beets-") as name:
        config = Path(name) / "config.yaml"
        config.write_text(f"library: {name}/library.db\nplugins: [medialift_services, audible]\n")
        with config.open("a") as file:
            yaml.safe_dump({"pluginpath": [str(_PLUGINS)], "medialift_services": _NO_SERVICES}, file)
        try:
            done = process.run([beet, "-c", str(config), "version"], timeout=timeout, env=_alone(name))
        except (Permanent, Transient) as error:
            return str(error)
    loaded = next((line for line in done.out.splitlines() if line.startswith("plugins:")), "")
    if done.ok and "audible" in loaded.replace(",", " ").split():
        return ""
    said = [line.strip() for line in done.err.splitlines() if line.strip()]
    return f"{beet} has no beets-audible ({said[-1] if said else f'exit code {done.rc}'})"


def _alone(folder: str | Path) -> dict[str, str]:
    """Neither the configuration of whoever runs this nor a terminal is any business of beets."""
    return {"BEETSDIR": str(folder), "HOME": str(folder), "NO_COLOR": "1", "TERM": "dumb"}


def _told(known: Metadata) -> dict[str, Any]:
    """What beets-audible reads of a metadata.yml; all of it must be there."""
    date = known.release_date or (f"{known.year}-01-01" if known.year else _NO_DATE)
    return {
        "title": known.title,
        "subtitle": known.subtitle or None,
        "authors": list(known.authors),
        "narrators": list(known.narrators),
        "description": known.description,
        "genres": list(known.genres),
        "releaseDate": yaml.safe_load(date),
        "series": known.series.name if known.series else None,
        "seriesPosition": known.series.part if known.series and known.series.part else None,
        "language": known.language.capitalize() or "English",
        "publisher": known.publisher,
    }


def _imported(library: Path) -> bool:
    """Whether beets took a book into its database: the only place where it says so."""
    if not library.is_file():
        return False
    with closing(sqlite3.connect(f"file:{library}?mode=ro", uri=True)) as connection:
        try:
            return bool(connection.execute("select count(*) from items").fetchone()[0])
        except sqlite3.DatabaseError:
            return False


def _forget_date(book: Path) -> None:
    file = atoms.opened(book)
    for atom, value in list((file.tags or {}).items()):
        if value in ([_NO_DATE], [_NO_DATE.encode()]):
            del file.tags[atom]
    file.save()
