"""What is needed to ask: built once for a book from the settings and the one HTTP client."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event

import httpx

from medialift.audiobooks.metadata.alerts import Alerts, Tell
from medialift.audiobooks.metadata.audible import Audible
from medialift.audiobooks.metadata.audnexus import Audnexus
from medialift.audiobooks.metadata.cache import Cache
from medialift.audiobooks.metadata.catalogue import AudibleCatalogue
from medialift.audiobooks.metadata.credentials import Token, read_token
from medialift.audiobooks.metadata.fetching import PATIENCE, Fetcher
from medialift.audiobooks.metadata.limits import Turns
from medialift.audiobooks.metadata.shops import catalogue_address, in_turn
from medialift.diagnostics import traffic
from medialift.foundation.backoff import Patience
from medialift.foundation.waiting import Clock, SystemClock
from medialift.settings import TaggingSettings


@dataclass(frozen=True)
class Inquiry:
    """The services, and who is told when they change."""

    fetcher: Fetcher
    audible: Audible
    audnexus: Audnexus
    alerts: Alerts

    @property
    def catalogue(self) -> AudibleCatalogue:
        return AudibleCatalogue(self.audible, self.audnexus, self.alerts)


def open_client() -> httpx.Client:
    """The client that asks. It follows nothing by itself and keeps no cookies that matter."""
    return traffic.watch(httpx.Client(follow_redirects=False))


def open_cache(settings: TaggingSettings, *, clock: Clock | None = None) -> Cache:
    """The cache of these settings."""
    return Cache(settings.cache, settings.cache_lifetime, clock=clock)


def regions(settings: TaggingSettings, first: str = "") -> tuple[str, ...]:
    """The shops that are asked, in order."""
    return in_turn(first or settings.region, (settings.region, *settings.fallback_regions))


def token(settings: TaggingSettings) -> Token | None:
    """Audible's token; None when none is given.

    Raises:
        Permanent, Transient: as `read_token`.
    """
    if settings.token_file is None:
        return None
    return read_token(
        settings.token_file, [catalogue_address(settings.audible_url, one) for one in regions(settings)]
    )


def inquiry(
    settings: TaggingSettings,
    *,
    client: httpx.Client,
    cache: Cache,
    seconds: float | None = None,
    stop: Event | None = None,
    tell: Tell | None = None,
    clock: Clock | None = None,
    patience: Patience | None = None,
) -> Inquiry:
    """All that is needed to ask for one book.

    Args:
        seconds: in which everything must be answered; None: `tagging.timeout`.
        tell: hears, once a day and service, that answers changed their shape.
        patience: how long a failing service is asked again.

    Raises:
        Permanent, Transient: the token's file is not as it should be.
    """
    clock = clock or SystemClock()
    fetcher = Fetcher(
        client,
        Turns(cache.folder / "limits", settings.requests_per_minute, clock=clock),
        settings.timeout if seconds is None else seconds,
        token=token(settings),
        stop=stop or Event(),
        clock=clock,
        patience=patience or PATIENCE,
    )
    return Inquiry(
        fetcher,
        Audible(fetcher, cache, settings.audible_url),
        Audnexus(fetcher, cache, settings.audnexus_url),
        Alerts(cache.folder, tell, clock=clock),
    )
