"""What a book is: found in local files and in Audible's catalogue, matched, merged and explained."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event
from typing import Any

import httpx

from medialift.audiobooks.metadata.alerts import Tell
from medialift.audiobooks.metadata.audnexus import ChapterTitles, TitledChapter
from medialift.audiobooks.metadata.cache import Cache
from medialift.audiobooks.metadata.inquiry import inquiry, open_cache, open_client, regions
from medialift.audiobooks.metadata.model import (
    Candidate,
    Clues,
    Found,
    Lookup,
    Metadata,
    Scores,
    Series,
    Unsure,
)
from medialift.audiobooks.metadata.pictures import Picture, fetch_cover
from medialift.audiobooks.metadata.search import Enriching, Search
from medialift.audiobooks.metadata.shapes import Misfit
from medialift.foundation.backoff import Patience
from medialift.foundation.waiting import Clock
from medialift.settings import AudiobooksSettings

__all__ = [
    "Candidate",
    "ChapterTitles",
    "Clues",
    "Found",
    "Lookup",
    "Metadata",
    "Misfit",
    "Picture",
    "Scores",
    "Series",
    "TitledChapter",
    "Unsure",
    "chapter_titles",
    "cover",
    "lookup",
    "open_cache",
    "open_client",
]


def lookup(
    clues: Clues,
    settings: AudiobooksSettings,
    *,
    client: httpx.Client,
    cache: Cache,
    override: Mapping[str, Any] | None = None,
    plugins: Enriching | None = None,
    stop: Event | None = None,
    tell: Tell | None = None,
    clock: Clock | None = None,
    patience: Patience | None = None,
) -> Lookup:
    """What the book is, or what keeps us from being sure of it. It ends within `tagging.timeout`.

    Args:
        override: what a person said, as `audiobooks.overrides` keeps it.
        tell: hears, once a day and service, that answers of a service changed their shape.

    Raises:
        Transient: a service does not answer now; asked again later it may.
        Permanent: metadata.yml or the token's file is wrong, or a service lets us not in.
    """
    services = inquiry(
        settings.tagging, client=client, cache=cache, stop=stop, tell=tell, clock=clock, patience=patience
    )
    return Search(clues, settings, services.catalogue, override or {}, plugins).run()


def chapter_titles(
    asin: str,
    region: str,
    settings: AudiobooksSettings,
    *,
    client: httpx.Client,
    cache: Cache,
    stop: Event | None = None,
    tell: Tell | None = None,
    clock: Clock | None = None,
    patience: Patience | None = None,
) -> ChapterTitles | None:
    """The titles of a book's chapters as Audnexus has them; None when it has none that we understand.

    Args:
        region: the shop that the book is of; "": the first one of the settings that has chapters.

    Raises:
        Transient: Audnexus does not answer now. Permanent: it lets us not in.
    """
    services = inquiry(
        settings.tagging, client=client, cache=cache, stop=stop, tell=tell, clock=clock, patience=patience
    )
    try:
        for one in [region] if region else regions(settings.tagging):
            if (found := services.audnexus.chapters(asin, one)) is not None:
                return found
    except Misfit as fault:
        services.alerts.misfit(fault)
    return None


def cover(
    url: str,
    settings: AudiobooksSettings,
    *,
    client: httpx.Client,
    cache: Cache,
    stop: Event | None = None,
    clock: Clock | None = None,
    patience: Patience | None = None,
) -> tuple[Picture | None, list[str]]:
    """The largest picture at an address, and what was wrong with those that were not taken, a sentence each.

    Raises:
        Transient: it cannot be had now.
    """
    services = inquiry(
        settings.tagging, client=client, cache=cache, stop=stop, clock=clock, patience=patience
    )
    return fetch_cover(url, services.fetcher)
