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
    store's own listing serves, if the mount shows it under the name that was worked out. Of a section's
    folder of which the store lists nothing at all, the place around it is proof enough: that so much is gone
    needs a person's word besides.

    Attributes:
        sections: those that were scanned.
        seen: whether Plex's container shows a file.
        read: files that were read for a check of the mount; they are taken first.
        before: nothing was scanned yet, and who lives may be gone all the same: only what the listing of just
            this place has is a control.
    """

    media: MediaStore
    database: Path
    sections: Sequence[Section]
    seen: Callable[[str], bool]
    read: Callable[[], Iterable[str]] = tuple
    before: bool = False
    _known: dict[MediaPlace, list[str]] = field(default_factory=dict)

    def of(self, place: MediaPlace) -> Iterator[str]:
        """Files that should be in a place, the surest first.

        Raises:
            Transient, Permanent: the database could not be read.
        """
        if place not in self._known:
            self._known[place] = [] if self.before else self._living(place)
        yield from self._known[place]
        if self._known[place]:
            return
        try:
            listed = [found for found in islice(self.media.listed(place), LISTED) if found.size]
            for found in listed:
                file = place.file(found.key)
                if place.keys(file) == (found.key,) and self.seen(file):
                    yield file
        except MedialiftError:
            # A store that cannot be listed has no control, and so nothing of it is believed.
            return
        around = self.media.place_of(place.root)
        if listed or self.before or around is None:
            return
        if (around.bucket, around.keys(place.root)) == (place.bucket, (place.prefix,)):
            yield from self.of(around)

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
