"""Audible and Audnexus as one catalogue: what one of them cannot say now, the other does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from medialift.audiobooks.metadata.alerts import Alerts
from medialift.audiobooks.metadata.audible import Audible
from medialift.audiobooks.metadata.audnexus import Audnexus
from medialift.audiobooks.metadata.limits import Stopped
from medialift.audiobooks.metadata.merging import merge
from medialift.audiobooks.metadata.model import Metadata
from medialift.audiobooks.metadata.provider import Listed, Told
from medialift.audiobooks.metadata.shapes import Misfit
from medialift.errors import MedialiftError, Transient


class AudibleCatalogue:
    """See `Catalogue`. Audnexus, which gathers genres and series better, is heard first."""

    name = "audible"

    def __init__(self, audible: Audible, audnexus: Audnexus, alerts: Alerts) -> None:
        self._audible, self._audnexus, self._alerts = audible, audnexus, alerts

    def by_asin(self, asin: str, region: str) -> Told:
        """See `Catalogue.by_asin`. One service that fails is told as a problem; both that do are raised."""
        told: list[tuple[str, Metadata]] = []
        errors: list[MedialiftError] = []
        services: tuple[tuple[str, Callable[[str, str], Metadata | None]], ...] = (
            ("audnexus", self._audnexus.book),
            ("audible", self._audible.product),
        )
        for name, ask in services:
            try:
                book = ask(asin, region)
            except Stopped:
                raise
            except MedialiftError as error:
                self._alert(error)
                errors.append(error)
                continue
            if book is not None:
                told.append((name, book))
        if told:
            return Told(merge(_with_the_line_of_rights(told)), tuple(map(str, errors)))
        if errors:
            # What may pass is worth another try, whatever else was wrong.
            raise next((one for one in errors if isinstance(one, Transient)), errors[0])
        return Told(None)

    def search(self, words: Mapping[str, str], region: str) -> Listed:
        """See `Catalogue.search`."""
        try:
            books, misfits = self._audible.search(words, region)
        except Misfit as fault:
            self._alert(fault)
            raise
        for misfit in misfits:
            self._alert(misfit)
        return Listed(books, tuple(map(str, misfits[:1])))

    def _alert(self, error: MedialiftError) -> None:
        if isinstance(error, Misfit):
            self._alerts.misfit(error)


def _with_the_line_of_rights(told: Sequence[tuple[str, Metadata]]) -> list[tuple[str, Metadata]]:
    """Audnexus keeps of "©2020 Ada Example (P)2021 Quay Audio" the year only: the longest is taken."""
    longest = max((one.copyright for _, one in told), key=len)
    return [(name, replace(one, copyright=longest if one.copyright == longest else "")) for name, one in told]
