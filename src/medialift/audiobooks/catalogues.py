"""The catalogues as the stages ask them: one client and one cache of a service, used by all its books."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

import httpx

from medialift.audiobooks import metadata
from medialift.audiobooks.manifest import Detected
from medialift.audiobooks.metadata import ChapterTitles, Clues, Lookup, Misfit
from medialift.audiobooks.metadata.cache import Cache
from medialift.audiobooks.overrides import Override
from medialift.audiobooks.plugins import Plugins
from medialift.audiobooks.tagging import Lookup as Asks
from medialift.errors import MedialiftError
from medialift.settings import AudiobooksSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Catalogues:
    """Asked by several threads.

    Attributes:
        tell: hears, once a day and service, that answers changed their shape.
    """

    settings: AudiobooksSettings
    client: httpx.Client
    cache: Cache
    plugins: Plugins
    tell: Callable[[Misfit], object] | None = None

    @classmethod
    def open(
        cls,
        settings: AudiobooksSettings,
        plugins: Plugins,
        tell: Callable[[Misfit], object] | None = None,
    ) -> Catalogues:
        """A client and the cache of the settings; nobody is asked yet."""
        return cls(settings, metadata.open_client(), metadata.open_cache(settings.tagging), plugins, tell)

    def close(self) -> None:
        """Leave the client."""
        self.client.close()

    def lookup(self, stop: Event | None) -> Asks:
        """What says what a book is: see `metadata.lookup`."""

        def ask(clues: Clues, override: Override) -> Lookup:
            return metadata.lookup(
                clues,
                self.settings,
                client=self.client,
                cache=self.cache,
                override=override,
                plugins=self.plugins,
                stop=stop,
                tell=self.tell,
            )

        return ask

    def picture(self, stop: Event | None) -> Callable[[str], tuple[bytes | None, Sequence[str]]]:
        """What fetches the cover at an address."""

        def fetch(url: str) -> tuple[bytes | None, Sequence[str]]:
            found, problems = metadata.cover(
                url, self.settings, client=self.client, cache=self.cache, stop=stop
            )
            return (found.body if found is not None else None), problems

        return fetch

    def chapters(self, detected: Detected, stop: Event) -> ChapterTitles | None:
        """The chapters that Audnexus has of a book that names its ASIN; a book needs none of them."""
        asks = "audible" in self.settings.tagging.providers and self.settings.tagging.mode != "off"
        if not (asks and detected.asin):
            return None
        try:
            return metadata.chapter_titles(
                detected.asin,
                "",
                self.settings,
                client=self.client,
                cache=self.cache,
                stop=stop,
                tell=self.tell,
            )
        except MedialiftError as error:
            _log.warning("no chapter titles of %s: %s", detected.asin, error)
            return None
