"""Objects that are known to be in the store: they tell a file that is lost from a store that cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from medialift.errors import MedialiftError
from medialift.foundation.backoff import retried
from medialift.plex import census
from medialift.plex.media_store import MediaPlace, MediaStore
from medialift.plex.server import Section

EACH = 5
LISTED = 100


@dataclass(frozen=True)
class Controls:
    """Files to ask for beside those that were lost.

    First come files of living items of the sections that were scanned: Plex read them through the mount, so
    the way from their name to their key is known to be right. Where nothing lives any more, an object of the
    store's own listing serves, if the mount shows it under the name that was worked out.

    Attributes:
        sections: those that were scanned.
        seen: whether Plex's container shows a file.
        read: files that were read for a check of the mount; they are taken first.
    """

    media: MediaStore
    database: Path
    sections: Sequence[Section]
    seen: Callable[[str], bool]
    read: Callable[[], Iterable[str]] = tuple
    _known: dict[MediaPlace, list[str]] = field(default_factory=dict)

    def of(self, place: MediaPlace) -> Iterator[str]:
        """Files that should be in a place, the surest first.

        Raises:
            Transient, Permanent: the database could not be read.
        """
        if place not in self._known:
            self._known[place] = self._living(place)
        yield from self._known[place]
        if not self._known[place]:
            yield from self._listed(place)

    def _living(self, place: MediaPlace) -> list[str]:
        living = retried()(census.living_files)
        found = [
            file
            for section in self.sections
            for file in living(self.database, section=section.key, root=place.root, at_most=EACH)
        ] or living(self.database, root=place.root, at_most=EACH)
        read = set(self.read())
        mine = [file for file in found if self.media.place_of(file) == place]
        return sorted(mine, key=lambda file: file not in read)

    def _listed(self, place: MediaPlace) -> Iterator[str]:
        try:
            for found in islice(self.media.listed(place), LISTED):
                file = place.file(found.key)
                if found.size and place.keys(file) == (found.key,) and self.seen(file):
                    yield file
        except MedialiftError:
            # A store that cannot be listed has no control, and so nothing of it is believed.
            return
