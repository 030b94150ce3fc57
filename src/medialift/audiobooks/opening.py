"""What a service, or a command that works by itself, opens before it works, and what it refuses."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from medialift.audiobooks import clue_record, notices, programs, validate
from medialift.audiobooks import plugins as plugging
from medialift.audiobooks.book import Book
from medialift.audiobooks.catalogues import Catalogues
from medialift.audiobooks.convert_stage import Means
from medialift.audiobooks.inbox import Memory
from medialift.audiobooks.manifest import Detected
from medialift.audiobooks.metadata import Misfit
from medialift.audiobooks.metadata.clues import common_tags, of_book
from medialift.audiobooks.plugins import Plugins
from medialift.audiobooks.source import Source
from medialift.audiobooks.workshop import Workshop
from medialift.settings import AudiobooksSettings, Settings

_log = logging.getLogger(__name__)


def refuse_wrong(settings: Settings, *, ledger: bool = True, port: bool = True) -> None:
    """Look at everything that the settings name, and log what is only not as it should be.

    Raises:
        Permanent: what keeps the intake from working; all of it at once, each with what to do.
    """
    for warning in validate.require(settings, ledger=ledger, port=port):
        _log.warning("%s: %s. %s", warning.where, warning.what, warning.fix)


@contextmanager
def plugins(settings: Settings) -> Iterator[Plugins]:
    """The plug-ins of the settings; those that cannot be loaded are left out, and that is logged."""
    loaded = plugging.load(settings.audiobooks)
    for problem in loaded.problems:
        _log.warning("%s", problem)
    yield loaded


def workshop(settings: Settings, loaded: Plugins, memory: Memory | None = None) -> Workshop:
    """What the stages need.

    Args:
        memory: of looks into the inbox, where there are any beside the stages.

    Raises:
        Permanent: ffmpeg is missing, or does not answer as it should.
    """
    audiobooks = settings.audiobooks

    def alert(fault: Misfit) -> None:
        notices.send_notice(notices.alert(fault.service, str(fault)), settings.notify)

    catalogues = Catalogues.open(audiobooks, loaded, alert)
    found = programs.found()
    means = Means(
        audiobooks,
        found,
        programs.encoders(found),
        loaded,
        lambda book, sources, seconds: detect(book, sources, seconds, audiobooks),
        catalogues.chapters,
    )
    return Workshop(audiobooks, means, catalogues, memory or Memory())


def detect(book: Book, sources: Sequence[Source], seconds: float, settings: AudiobooksSettings) -> Detected:
    """What a book's tags, names and neighbours say of it."""
    clues = of_book(book, sources, seconds=seconds, language=settings.language)
    return clue_record.detected(clues, common_tags([source.tags for source in sources]))
