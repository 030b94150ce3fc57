"""Audible, Audnexus and their images behind a server of their own, and a book that asks them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any

import httpx

from medialift.audiobooks import metadata
from medialift.audiobooks.metadata import Clues, Found, Misfit, Picture, Unsure
from medialift.audiobooks.metadata.cache import Cache
from medialift.audiobooks.metadata.inquiry import Inquiry, inquiry, open_cache, open_client
from medialift.foundation.backoff import Patience
from medialift.settings import AudiobooksSettings, TaggingSettings
from sandbox.audible.server import StandIn, serve

AT_ONCE = Patience(limit=2, first=0.0, longest=0.0, jitter=0.0)
"""Tried twice, without waiting in between."""

LEDGER = Clues(
    title="The Lighthouse Ledger",
    authors=("Ada Example",),
    narrators=("Ben Voice",),
    seconds=34_810.0,
    name="Ada Example - The Lighthouse Ledger",
)
"""What a book says that is Audible's B0LEDGER01."""


@dataclass
class Audible:
    """The services, the settings that lead to them, and a book's folder."""

    stand_in: StandIn
    settings: AudiobooksSettings
    client: httpx.Client
    cache: Cache
    folder: Path
    address: str
    stop: Event = field(default_factory=Event)
    alerts: list[Misfit] = field(default_factory=list)

    def lookup(self, clues: Clues = LEDGER, **changes: Any) -> Found | Unsure:
        """Look a book up whose files lie in `folder`."""
        more: dict[str, Any] = {
            "client": self.client,
            "cache": self.cache,
            "stop": self.stop,
            "tell": self.alerts.append,
            "patience": AT_ONCE,
            **changes,
        }
        return metadata.lookup(replace(clues, folder=self.folder), self.settings, **more)

    def inquiry(self, **changes: Any) -> Inquiry:
        """The services, to be asked one by one."""
        more: dict[str, Any] = {
            "client": self.client,
            "cache": self.cache,
            "stop": self.stop,
            "tell": self.alerts.append,
            "patience": AT_ONCE,
            **changes,
        }
        return inquiry(self.settings.tagging, **more)

    def cover(self, url: str) -> tuple[Picture | None, list[str]]:
        """Fetch a cover."""
        return metadata.cover(
            url, self.settings, client=self.client, cache=self.cache, stop=self.stop, patience=AT_ONCE
        )

    def tagging(self, **changes: Any) -> None:
        """Change settings of the tagging."""
        values = {**self.settings.tagging.model_dump(), **changes}
        self.settings = AudiobooksSettings(tagging=TaggingSettings.model_validate(values))

    def write(self, name: str, text: str) -> Path:
        """A file beside the book."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


@contextmanager
def audible(folder: Path, **tagging: Any) -> Iterator[Audible]:
    """The services on 127.0.0.1, a cache and a book's folder in `folder`."""
    stand_in = StandIn()
    server = serve(stand_in)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    settings = AudiobooksSettings(
        tagging=TaggingSettings.model_validate(
            {
                "audible_url": f"{address}/{{tld}}",
                "audnexus_url": f"{address}/audnexus",
                "cache": folder / "cache",
                "timeout": 20,
                **tagging,
            }
        )
    )
    book = folder / "book"
    book.mkdir()
    client = open_client()
    try:
        yield Audible(stand_in, settings, client, open_cache(settings.tagging), book, address)
    finally:
        client.close()
        stand_in.lifted.set()
        server.shutdown()
        server.server_close()
