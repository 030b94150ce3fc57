"""Does the server serve the library it should? Asked after every exchange, before it counts as done."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from medialift.errors import Unsafe
from medialift.foundation.sqlite import open_readonly
from medialift.foundation.waiting import Clock
from medialift.plex.database import LEAF_TYPES, SectionFacts
from medialift.plex.guard import prove_trash_off
from medialift.plex.restore.home import Home

SAMPLES_PER_SECTION = 5


@dataclass(frozen=True)
class Samples:
    """Items with files, chosen at random before the exchange: {section: keys of items}."""

    items: Mapping[str, tuple[str, ...]]


def choose(library: Path, sections: Sequence[SectionFacts], dice: random.Random) -> Samples:
    """Choose items to look for afterwards. Seeks by id: no scan of a large library."""
    chosen: dict[str, tuple[str, ...]] = {}
    with open_readonly(library) as con:
        for section in sections:
            kind = LEAF_TYPES.get(section.type)
            if kind is None or not section.leaves:
                continue
            asked = {"section": section.id, "kind": kind}
            where = "library_section_id = :section AND metadata_type = :kind AND deleted_at IS NULL"
            low, high = con.execute(
                f"SELECT min(id), max(id) FROM metadata_items WHERE {where}",  # noqa: S608  constants
                asked,
            ).fetchone()
            keys = set()
            for _ in range(SAMPLES_PER_SECTION):
                row = con.execute(
                    f"SELECT id FROM metadata_items WHERE id >= :from AND {where} ORDER BY id LIMIT 1",  # noqa: S608
                    {**asked, "from": dice.randint(low, high)},
                ).fetchone()
                keys.add(str(row[0]))
            chosen[section.name] = tuple(sorted(keys, key=int))
    return Samples(chosen)


def prove_new(
    home: Home,
    version: str,
    sections: Sequence[SectionFacts],
    samples: Samples,
    *,
    at_most: float,
    clock: Clock,
    stop: Event,
) -> dict[str, list[str]]:
    """Prove that the server serves the new library: version, sections, counts, files, and a safe trash.

    Returns the files of samples that it does not find, per section: single ones may be missing.

    Raises:
        Unsafe: it serves something else.
        Transient, Permanent: it does not answer.
    """
    identity = home.server.wait_ready(at_most=at_most, clock=clock, stop=stop)
    if identity.version != version:
        raise Unsafe(
            "Plex came up with another version", f"{identity.version} instead of {version}", "Pin its version"
        )
    prove_trash_off(home.server)
    _prove_listed(home, sections, "Plex does not list what was imported")
    return _look_for_files(home, samples)


def _look_for_files(home: Home, samples: Samples) -> dict[str, list[str]]:
    missing: dict[str, list[str]] = {}
    for section, keys in samples.items.items():
        lost = []
        for key in keys:
            parts = home.server.check_files(key)
            if not parts or not all(part.exists and part.accessible for part in parts):
                lost.append(parts[0].file if parts else f"item {key} has no file")
        # One file can be gone or unreadable for its own reasons; most of them cannot.
        if len(lost) * 2 > len(keys):
            raise Unsafe(
                "Plex does not find the files of what was imported",
                f"{section}: {lost[0]}",
                "Check the path map and that home's media are mounted; the old library comes back",
            )
        if lost:
            missing[section] = lost
    return missing


def prove_old(
    home: Home, sections: Sequence[SectionFacts], *, at_most: float, clock: Clock, stop: Event
) -> None:
    """Prove that the server serves the library from before again.

    Raises:
        Unsafe: it lists something else.
        Transient, Permanent: it does not answer.
    """
    home.server.wait_ready(at_most=at_most, clock=clock, stop=stop)
    _prove_listed(home, sections, "Plex does not list what the library from before holds")


def _prove_listed(home: Home, sections: Sequence[SectionFacts], what: str) -> None:
    listed = home.totals()
    wrong = []
    for section in sections:
        total = listed.get(section.name)
        # A server lists what is in the trash too; how many of `deleted` are items and not files is not told.
        if total is None or not section.items <= total <= section.items + section.deleted:
            wrong.append(f"{section.name}: {'missing' if total is None else total}, expected {section.items}")
    if wrong:
        raise Unsafe(what, "; ".join(wrong), "Look at Plex's log")
