"""The store as a witness of what became of files: how it is asked before a scan, and after all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from medialift.foundation.waiting import Clock
from medialift.plex.controls import Controls
from medialift.plex.lookup import Lookup
from medialift.plex.media_store import MediaStore
from medialift.plex.server import Section


@dataclass(frozen=True)
class Witness:
    """Says of files that are not there any more whether the store has them.

    Attributes:
        database: Plex's.
        seen: whether Plex's container shows a file.
    """

    media: MediaStore
    database: Path
    seen: Callable[[str], bool]
    clock: Clock
    stop: Event

    def removed(self, section: Section, files: Sequence[str]) -> set[str]:
        """Those of a section's files that the store has lost, before the section is scanned.

        A mount is right not to show them. Of a folder that has nothing left in the store, none is believed
        to be removed: then nothing proves that this is the store of that folder.

        Raises:
            Stopped: it was told to stop.
        """
        media = self.media.divided(section.locations)
        controls = Controls(media, self.database, [section], self.seen, before=True)
        answers = Lookup(media, controls.of, clock=self.clock, stop=self.stop).ask(files)
        return {file for file, answer in answers.items() if answer.state == "gone"}

    def afterwards(
        self,
        scanned: Sequence[Section],
        others: Iterable[Section],
        *,
        read: Callable[[], Iterable[str]],
        pauses: Sequence[float],
    ) -> Lookup:
        """What looks up the files that were lost, in each folder of a section by itself.

        Args:
            read: files that were read for a check of the mount.
            pauses: seconds before each further round for those that could not be told.
        """
        media = self.media.divided(root for one in (*scanned, *others) for root in one.locations)
        controls = Controls(media, self.database, scanned, self.seen, read)
        return Lookup(media, controls.of, pauses=pauses, clock=self.clock, stop=self.stop)
